/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of which a witness is asked, one by one: where they have to be to be believed. */
#include "support.h"

#include <gc/gc.h>

#include "beside.h"
#include "gc/gc.h"
#include "os/pages.h"
#include "os/stacks.h"
#include "track/witness.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define TARGET ((uintptr_t)0x123456789000)

static struct scratch own, shared;

/* The one question: does the word there point to TARGET? */
static uintptr_t asked;
static bool held;
static uintptr_t regions_word; /* the only one on its page that is a region's */

static bool next(uint32_t *at, bool backwards, struct witness *w)
{
	if (*at || backwards)
		return false;
	*at = 1;
	*w = (struct witness){ .start = TARGET, .end = TARGET, .at = asked, .number = 1 };
	return true;
}

static void holds(const struct witness *w)
{
	held = w->number == 1 && w->at == asked;
}

static bool owns_page(uintptr_t page)
{
	return regions_word && regions_word - page < page_size();
}

static uintptr_t owner_of(uintptr_t at)
{
	return regions_word && at == regions_word ? at : 0;
}

static const struct witness_owner owner = {
	.next = next,
	.holds = holds,
	.owns_page = owns_page,
	.owner = owner_of,
};

static void begin(void)
{
	refuse_thread_sanitizer();
	GC_INIT();
	pages_open();
	assert_int_equal(scratch_open(&own, SCRATCH_BYTES), 0);
	assert_int_equal(scratch_open(&shared, SCRATCH_BYTES), 0);
}

static bool is_believed(const void *at)
{
	asked = (uintptr_t)at;
	held = false;
	assert_int_equal(witness_look(&owner, &own, &shared), 0);
	return held;
}

/* Only where a companion shall find it; on no page of the library's. */
static void *put(void *at)
{
	const uintptr_t word = TARGET;

	memcpy(at, &word, sizeof(word));
	return at;
}

static char *map_some(int prot, int flags, int fd)
{
	char *p = mmap(NULL, 4 * page_size(), prot, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

TEST(a_word_in_private_memory_is_believed)
{
	static uintptr_t in_data;
	void *in_heap = malloc(64);

	begin();
	assert_true(is_believed(put(map_some(RW, ANON, -1))));
	assert_true(is_believed(put(in_heap)));
	assert_true(is_believed(put(&in_data)));
	free(in_heap);
}

TEST(what_is_no_such_word_is_not_believed)
{
	char *p = map_some(RW, ANON, -1);

	begin();
	assert_false(is_believed(p));
	assert_false(is_believed(NULL));
	put(p + 4);
	assert_true(is_believed(p + 4));
	assert_false(is_believed(p));
	assert_false(is_believed(p + 8));
	assert_false(is_believed(put(p + 101)));
	/* Two pages are two questions. */
	assert_false(is_believed(put(p + page_size() - 4)));
	assert_true(is_believed(put(p + page_size() - 8)));
}

TEST(a_word_in_memory_of_others_is_not_believed)
{
	const int fd = pattern_memfd(4 * page_size(), 0);
	char *clean;

	begin();
	assert_false(is_believed(put(map_some(RW, MAP_SHARED | MAP_ANONYMOUS, -1))));
	assert_false(is_believed(put(map_some(RW, MAP_SHARED, fd))));
	clean = map_some(RW, MAP_PRIVATE, fd);
	__asm__ volatile("" : : "r"(*(volatile char *)clean));
	/* It is what was put through the mapping before. */
	assert_false(is_believed(clean));
	assert_true(is_believed(put(clean)));
}

TEST(a_word_that_is_not_there_is_not_believed)
{
	char *p = map_some(RW, ANON, -1);

	begin();
	put(p);
	put(p + page_size());
	assert_int_equal(munmap(p, page_size()), 0);
	assert_int_equal(mprotect(p + page_size(), page_size(), PROT_NONE), 0);
	assert_false(is_believed(p));
	assert_false(is_believed(p + page_size()));
	assert_true(is_believed(put(p + 2 * page_size())));
}

TEST(a_word_in_scratch_is_not_believed)
{
	begin();
	assert_false(is_believed(put(scratch_take(&own, 64))));
	assert_false(is_believed(put(scratch_take(&shared, 64))));
}

TEST(a_word_of_a_region_is_not_believed_and_one_beside_it_is)
{
	char *p = map_some(RW, ANON, -1);

	begin();
	regions_word = (uintptr_t)put(p + 64);
	assert_false(is_believed(p + 64));
	assert_true(is_believed(put(p + 56)));
	assert_true(is_believed(put(p + 72)));
}

TEST(a_word_of_the_collector_s_is_not_believed)
{
	char *p = map_some(RW, ANON, -1);
	void *object;

	begin();
	object = GC_MALLOC(100);
	assert_non_null(object);
	assert_false(is_believed(put(object)));
	gc_headers_note((uintptr_t)p + page_size());
	assert_false(is_believed(put(p + page_size() + 40)));
	assert_true(is_believed(put(p + 40)));
}

static void *note_and_ask(void *arg)
{
	uintptr_t word;

	stacks_note();
	*(bool *)arg = is_believed(put(&word));
	return &asked;
}

TEST(a_word_on_a_stack_that_is_noted_is_not_believed)
{
	bool believed = true;

	begin();
	on_plain_thread(note_and_ask, &believed);
	assert_false(believed);
}
