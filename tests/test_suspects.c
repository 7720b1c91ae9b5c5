/* SPDX-License-Identifier: BSD-2-Clause */
/* The ranges in doubt: which addresses match, whatever the lengths and however many. */
#include "suspecting.h"

static unsigned int matches(uintptr_t word)
{
	uint32_t index[2];
	const unsigned int found = suspects_match(&suspects, word, index);

	/* The filter may be asked first. */
	if (found && !filter_passes(&suspects.filter, word))
		fail_msg("%#zx is kept back by the filter", (size_t)word);
	return found;
}

static uint32_t number_at(uintptr_t addr)
{
	const uint32_t index = suspects_around(&suspects, addr);

	return index == UINT32_MAX ? UINT32_MAX : suspects.list[index].number;
}

/* Numbers without a pattern, the same in each run. */
static uint64_t random_state;

static uint64_t any(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void any_from(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
}

TEST(without_suspects_nothing_matches)
{
	begin(0);
	seal();
	assert_int_equal(matches(0), 0);
	assert_int_equal(matches(HEAP), 0);
	assert_int_equal(matches(UINTPTR_MAX), 0);
	assert_int_equal(number_at(HEAP), UINT32_MAX);
}

TEST(the_first_byte_and_the_last_match)
{
	suspect(HEAP + 5, HEAP + 105);
	assert_int_equal(matches(HEAP + 4), 0);
	assert_int_equal(matches(HEAP + 5), 1);
	assert_int_equal(matches(HEAP + 104), 1);
}

TEST(one_past_the_end_matches_and_two_do_not)
{
	suspect(HEAP + 5, HEAP + 105);
	assert_int_equal(matches(HEAP + 105), 1);
	assert_int_equal(matches(HEAP + 106), 0);
}

TEST(the_end_is_not_around_a_suspect)
{
	suspect(HEAP + 5, HEAP + 105);
	assert_int_equal(number_at(HEAP + 4), UINT32_MAX);
	assert_int_equal(number_at(HEAP + 5), 1);
	assert_int_equal(number_at(HEAP + 104), 1);
	assert_int_equal(number_at(HEAP + 105), UINT32_MAX);
}

TEST(where_one_ends_and_the_next_starts_both_match)
{
	uint32_t index[2];

	begin(3);
	suspects_add(&suspects, HEAP, HEAP + 4096, 10);
	suspects_add(&suspects, HEAP + 4096, HEAP + 8192, 11);
	suspects_add(&suspects, HEAP + 8193, HEAP + 9000, 12);
	seal();
	assert_int_equal(suspects_match(&suspects, HEAP + 4096, index), 2);
	assert_int_equal(suspects.list[index[0]].number, 10);
	assert_int_equal(suspects.list[index[1]].number, 11);
	assert_int_equal(suspects_match(&suspects, HEAP + 4097, index), 1);
	assert_int_equal(suspects.list[index[0]].number, 11);
	assert_int_equal(suspects_match(&suspects, HEAP + 8192, index), 1);
	assert_int_equal(suspects.list[index[0]].number, 11);
	assert_int_equal(number_at(HEAP + 4096), 11);
}

TEST(neighbours_of_different_lengths_both_match_between_them)
{
	begin(3);
	suspects_add(&suspects, HEAP, HEAP + 1, 0);
	suspects_add(&suspects, HEAP + 1, HEAP + 1 + 4 * GIB, 1);
	suspects_add(&suspects, HEAP + 1 + 4 * GIB, HEAP + 3 + 4 * GIB, 2);
	seal();
	assert_int_equal(matches(HEAP), 1);
	assert_int_equal(matches(HEAP + 1), 2);
	assert_int_equal(matches(HEAP + 2), 1);
	assert_int_equal(matches(HEAP + 1 + 4 * GIB), 2);
	assert_int_equal(matches(HEAP + 2 + 4 * GIB), 1);
	assert_int_equal(matches(HEAP + 4 + 4 * GIB), 0);
}

TEST(bytes_of_one_word_are_told_apart)
{
	begin(4);
	for (uint32_t i = 0; i < 4; i++)
		suspects_add(&suspects, HEAP + 2 * i, HEAP + 2 * i + 1, i);
	seal();
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(matches(HEAP + i), 1);
		assert_int_equal(number_at(HEAP + i), i % 2 ? UINT32_MAX : i / 2);
	}
	assert_int_equal(matches(HEAP + 8), 0);
}

TEST(the_order_of_adding_does_not_matter)
{
	enum { COUNT = 1000, STEP = 617 };

	begin(COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		const uint32_t number = i * STEP % COUNT;
		/* What is higher in the upper bytes is lower in the lower ones. */
		const uintptr_t start =
			((uintptr_t)number << 40) + (COUNT - number) * 0x1001;

		suspects_add(&suspects, start, start + 3, number);
	}
	seal();
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(suspects.list[i].number, i);
}

TEST(the_lowest_and_the_highest_addresses_match)
{
	begin(3);
	suspects_add(&suspects, UINTPTR_MAX - 1, UINTPTR_MAX, 2);
	suspects_add(&suspects, 0x7ffffffff000, 0x800000000000, 1);
	suspects_add(&suspects, 0, 1, 0);
	seal();
	assert_int_equal(matches(0), 1);
	assert_int_equal(matches(1), 1);
	assert_int_equal(matches(2), 0);
	assert_int_equal(matches(0x7fffffffefff), 0);
	assert_int_equal(matches(0x7ffffffff000), 1);
	assert_int_equal(matches(0x800000000000), 1);
	assert_int_equal(matches(0x800000000001), 0);
	assert_int_equal(matches(UINTPTR_MAX - 2), 0);
	assert_int_equal(matches(UINTPTR_MAX), 1);
}

TEST(all_memory_may_be_one_suspect)
{
	suspect(0, UINTPTR_MAX);
	assert_int_equal(matches(0), 1);
	assert_int_equal(matches(HEAP), 1);
	assert_int_equal(matches(UINTPTR_MAX), 1);
}

/* --------------------------------------------------------- against the plain question */

static unsigned int plain_matches(uintptr_t word, uint32_t *around)
{
	unsigned int found = 0;

	*around = UINT32_MAX;
	for (uint32_t i = 0; i < suspects.count; i++) {
		found += suspects.list[i].start <= word && word <= suspects.list[i].end;
		if (suspects.list[i].start <= word && word < suspects.list[i].end)
			*around = i;
	}
	return found;
}

static void compare_at(uintptr_t word)
{
	uint32_t around;
	const unsigned int found = plain_matches(word, &around);

	if (matches(word) != found || suspects_around(&suspects, word) != around)
		fail_msg("at %#zx: %u match, and not %u", (size_t)word, matches(word),
			 found);
}

/* Lengths up to 2^most bytes, gaps up to 2^wide; a third have none. */
static void add_any(uint32_t count, unsigned int most, unsigned int wide)
{
	uintptr_t at = HEAP + any() % 4096;

	begin(count);
	for (uint32_t i = 0; i < count; i++) {
		const uintptr_t length = 1 + (any() >> (64 - 1 - any() % most));

		suspects_add(&suspects, at, at + length, i);
		at += length;
		if (any() % 3)
			at += any() >> (63 - any() % wide);
	}
	seal();
}

TEST(random_suspects_match_as_a_plain_comparison_says)
{
	for (unsigned int round = 0; round < 200; round++) {
		any_from(round);
		add_any(1 + (uint32_t)(any() % 150), 1 + round % 36, 1 + round % 31);
		for (uint32_t i = 0; i < suspects.count; i++) {
			const struct suspect *s = &suspects.list[i];

			for (uintptr_t near = 0; near < 3; near++) {
				compare_at(s->start - 1 + near);
				compare_at(s->end - 1 + near);
			}
			compare_at(s->start + any() % (s->end - s->start));
			compare_at(s->end + (any() >> (63 - any() % 40)));
		}
	}
}

/* The expected answer is known from how the addresses were made. */
static void check_regular(uint32_t count, uintptr_t step, uintptr_t length)
{
	begin(count);
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t number = (uint32_t)((uint64_t)i * 7919 % count);

		suspects_add(&suspects, HEAP + number * step,
			     HEAP + number * step + length, number);
	}
	seal();
	for (uint32_t i = 0; i < count; i++) {
		const uintptr_t start = HEAP + i * step;
		uint32_t index[2];

		if (suspects_match(&suspects, start + length, index) != 1 ||
		    index[0] != i || matches(start) != 1 || matches(start + length + 1) ||
		    matches(start - 1) || number_at(start) != i)
			fail_msg("suspect %u of %u", i, count);
	}
}

TEST(a_hundred_thousand_bytes_are_told_apart)
{
	check_regular(100000, 4, 1);
}

TEST(a_hundred_thousand_pages_are_told_apart)
{
	check_regular(100000, 8192, 4096);
}

TEST(a_million_suspects_are_told_apart)
{
	check_regular(1000000, 48, 24);
}

/* ------------------------------------------------------------------------- the filter */

/*
 * Of addresses of malloc's kind in [start, end) that do not match: how many in 10000
 * pass.
 */
static unsigned int passing(uintptr_t start, uintptr_t end)
{
	unsigned int passed = 0, asked = 0;
	uint32_t index[2];

	any_from(1);
	while (asked < 100000) {
		const uintptr_t addr = (start + any() % (end - start)) & ~(uintptr_t)15;

		if (suspects_match(&suspects, addr, index))
			continue;
		asked++;
		passed += filter_passes(&suspects.filter, addr);
	}
	return passed / 10;
}

static void add_regular(uint32_t count, uintptr_t start, uintptr_t step, uintptr_t length)
{
	for (uint32_t i = 0; i < count; i++)
		suspects_add(&suspects, start + i * step, start + i * step + length, i);
}

TEST(few_addresses_beside_small_suspects_pass_the_filter)
{
	begin(100000);
	add_regular(100000, HEAP, 1024, 100);
	seal();
	assert_in_range(passing(HEAP, HEAP + 100000 * 1024), 0, 500);
	assert_in_range(passing(HEAP + GIB, HEAP + 8 * GIB), 0, 500);
}

TEST(few_addresses_between_pages_pass_the_filter)
{
	begin(1000);
	add_regular(1000, HEAP, 64 * KIB, 4 * KIB);
	seal();
	assert_in_range(passing(HEAP, HEAP + 1000 * 64 * KIB), 0, 1000);
}

TEST(large_suspects_do_not_open_the_filter_for_those_beside_small_ones)
{
	begin(103);
	add_regular(100, HEAP, 64 * KIB, 4 * KIB);
	add_regular(1, HEAP + GIB, 0, 64 * MIB);
	add_regular(1, HEAP + 2 * GIB, 0, 4 * GIB);
	add_regular(1, 0x100000000000, 0, 0x100000000000);
	seal();
	assert_in_range(passing(HEAP, HEAP + 100 * 64 * KIB), 0, 1500);
}

static unsigned int words_used(void)
{
	const size_t words = (size_t)1 << (64 - suspects.filter.shift);
	unsigned int used = 0;

	for (size_t i = 0; i < words; i++)
		used += suspects.filter.table[i] != 0;
	return used;
}

TEST(filling_the_filter_costs_the_same_for_a_page_and_for_gigabytes)
{
	suspect(HEAP, HEAP + 4 * KIB);
	assert_in_range(words_used(), 1, 2);
	suspect(HEAP, HEAP + 4 * GIB);
	assert_in_range(words_used(), 1, 2);
	suspect(0x10000, 0x7ffffffff000);
	assert_in_range(words_used(), 1, 2);
}

TEST(suspects_of_every_length_leave_the_filter_nearly_empty)
{
	uintptr_t at = 1;

	begin(46);
	for (uint32_t i = 0; i < 46; i++, at *= 2)
		suspects_add(&suspects, at, at * 2, i);
	seal();
	assert_in_range(words_used(), 1, 400);
	for (at = 2; at < (uintptr_t)1 << 46; at *= 2)
		assert_int_equal(matches(at), 2);
}

/* --------------------------------------------------------------------------- failures */

TEST(without_room_for_the_list_init_fails)
{
	assert_int_equal(scratch_open(&scratch, 4096), 0);
	assert_int_equal(suspects_init(&suspects, 1000, &scratch), -ENOMEM);
}

TEST(without_room_for_the_filter_seal_fails)
{
	assert_int_equal(scratch_open(&scratch, 4096), 0);
	assert_int_equal(suspects_init(&suspects, 1, &scratch), 0);
	suspects_add(&suspects, HEAP, HEAP + 1, 0);
	assert_int_equal(suspects_seal(&suspects, &scratch), -ENOMEM);
}

/* It may lie in memory that is read for evidence. */
TEST(the_structure_itself_holds_no_address_of_a_suspect)
{
	const uintptr_t *word = (const uintptr_t *)&suspects;

	suspect(HEAP, HEAP + GIB);
	for (size_t i = 0; i < sizeof(suspects) / sizeof(*word); i++)
		assert_int_equal(matches(word[i]), 0);
}
