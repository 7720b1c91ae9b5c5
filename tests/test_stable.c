/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbered elements that never move: in chunks that double, of memory that somebody gives. */
#include "support.h"

#include "base/stable.h"
#include "os/ledger.h"

#define BITS 4u /* of the first chunk */
#define MANY 5000u

struct element {
	uint32_t number;
	char rest[20];
};

static size_t taken; /* pieces */
static bool exhausted;

static void *take(size_t bytes)
{
	if (exhausted)
		return NULL;
	taken++;
	return calloc(1, bytes);
}

static struct stable s = STABLE_INIT(sizeof(struct element), BITS, take);

static struct element *at(uint32_t number)
{
	return stable_at(&s, number);
}

static void make_many(void)
{
	for (uint32_t i = 1; i <= MANY; i++) {
		assert_int_equal(stable_new(&s), i);
		assert_int_equal(at(i)->number, 0);
		at(i)->number = i;
	}
}

TEST(elements_are_zeroed_and_none_is_in_another)
{
	make_many();
	for (uint32_t i = 1; i <= MANY; i++)
		assert_int_equal(at(i)->number, i);
}

TEST(there_are_few_chunks)
{
	make_many();
	assert_true(taken <= 10);
}

TEST(each_byte_of_an_element_leads_to_its_number)
{
	make_many();
	for (uint32_t i = 1; i <= MANY; i++) {
		uintptr_t first = (uintptr_t)at(i);

		assert_int_equal(stable_find(&s, s.end, first), i);
		assert_int_equal(stable_find(&s, s.end, first + sizeof(struct element) - 1), i);
	}
}

TEST(what_is_no_element_has_no_number)
{
	make_many();
	for (uint32_t chunk = 0; stable_first(&s, chunk) < s.end; chunk++) {
		uintptr_t first = (uintptr_t)stable_elements(&s, chunk);

		assert_int_equal(stable_find(&s, s.end, first - 1), 0);
	}
	assert_int_equal(stable_find(&s, s.end, (uintptr_t)at(MANY) + sizeof(struct element)), 0);
	assert_int_equal(stable_find(&s, s.end, (uintptr_t)&s), 0);
	assert_int_equal(stable_find(&s, s.end, 0), 0);
	assert_int_equal(stable_find(&s, MANY, (uintptr_t)at(MANY)), 0);
}

TEST(a_number_that_was_given_back_is_given_out_again)
{
	make_many();
	stable_free(&s, 77);
	stable_free(&s, 2000);
	assert_int_equal(stable_new(&s), 2000);
	assert_int_equal(at(2000)->number, 2000);
	assert_int_equal(stable_new(&s), 77);
	assert_int_equal(stable_new(&s), MANY + 1);
}

TEST(without_memory_there_is_no_number_until_there_is_some)
{
	uint32_t last = 0, number;

	assert_int_equal(stable_new(&s), 1);
	exhausted = true;
	while ((number = stable_new(&s)))
		last = number;
	assert_true(last + 1 == s.end);
	assert_int_equal(stable_reserve(&s, 1), -ENOMEM);
	assert_int_equal(stable_cover(&s, last + 10), -ENOMEM);
	exhausted = false;
	assert_int_equal(stable_reserve(&s, 100), 0);
	exhausted = true;
	for (uint32_t i = 1; i <= 100; i++)
		assert_true(stable_new(&s) > last);
}

TEST(numbers_of_another_have_elements_here)
{
	assert_int_equal(stable_cover(&s, MANY), 0);
	for (uint32_t i = 1; i < MANY; i++)
		at(i)->number = i;
	assert_int_equal(stable_cover(&s, 10), 0);
	for (uint32_t i = 1; i < MANY; i++)
		assert_int_equal(at(i)->number, i);
}

/* ------------------------------------------------------------------ memory of accounts */

TEST(pages_of_accounts_are_zeroed_and_told_by_address)
{
	struct ledger_part part[LEDGER_PARTS];
	char *p[20];
	size_t n = ledger_parts(part);

	for (size_t i = 0; i < COUNT_OF(p); i++) {
		p[i] = ledger_take(i * 1000 + 1);
		assert_true(p[i] && (uintptr_t)p[i] % 64 == 0);
		assert_int_equal(p[i][i * 1000], 0);
		p[i][i * 1000] = 1;
	}
	assert_int_equal(ledger_parts(part), n + COUNT_OF(p));
	for (size_t i = 1; i < n + COUNT_OF(p); i++)
		assert_true(part[i - 1].end <= part[i].start);
	for (size_t i = 0; i < COUNT_OF(p); i++) {
		bool found = false;

		for (size_t k = 0; k < n + COUNT_OF(p); k++)
			found |= part[k].start < (uintptr_t)p[i] &&
				 part[k].end >= (uintptr_t)p[i] + i * 1000 + 1;
		assert_true(found);
	}
}

TEST(there_is_an_end_of_parts)
{
	struct ledger_part part[LEDGER_PARTS];
	size_t n = ledger_parts(part);

	while (n++ < LEDGER_PARTS)
		assert_non_null(ledger_take(1));
	assert_null(ledger_take(1));
	assert_int_equal(ledger_parts(part), LEDGER_PARTS);
}
