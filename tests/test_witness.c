/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crowds of regions, held by words that stay where a round has found them: the next round looks there,
 * and dropping them must count at once all the same.
 */
#include "crowd.h"

#include <fcntl.h>
#include <gc/gc.h>
#include <pthread.h>

#include "base/sync.h"
#include "gc/gc.h"

/* ------------------------------------------------------------------ held, and dropped */

TEST(what_memory_holds_is_not_put_in_doubt_in_each_round)
{
	slot_t *slots = slots_new();

	adopting_begin();
	crowd_in((void *)slots);
	collect_times(1);
	assert_believed(8);
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}

/* Now and then each is asked about as if nothing had been seen before. */
TEST(what_is_held_is_in_doubt_by_turns_and_stays)
{
	slot_t *slots = slots_new();
	uint64_t before;

	adopting_begin();
	crowd_in((void *)slots);
	collect_times(1);
	before = stats_now().doubted;
	collect_times(TURNS / 2);
	assert_true(stats_now().doubted - before >= COUNT);
	assert_true(stats_now().doubted - before < 4 * COUNT);
	assert_int_equal(released(), 0);
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}

TEST(one_that_is_dropped_goes_in_the_next_collection)
{
	slot_t *slots = slots_new();

	adopting_begin();
	crowd_in((void *)slots);
	collect_times(3);
	for (unsigned int i = 0; i < 20; i++) {
		slots[i * 149] = NULL;
		forget();
		assert_true(foster_collect(-1) >= 0);
		assert_int_equal(released(), (int)i + 1);
	}
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}

/* As in a list whose elements have what is adopted beside their links. */
TEST(words_beside_regions_on_their_pages_are_believed)
{
	struct hidden area = area_hidden();

	adopting_begin();
	adopt_members(area, 0, COUNT, hidden_show(area), STEP);
	collect_times(1);
	assert_believed(8);
	wipe_every(area, STEP);
	assert_true(are_released(COUNT));
}

/* Some lie across the edges of pages. */
TEST(packed_words_hold_what_they_point_to)
{
	const size_t stride = 12;
	char *slots = calloc(COUNT, stride);
	struct hidden area = area_hidden();

	adopting_begin();
	adopt_members(area, 0, COUNT, slots, stride);
	forget();
	collect_times(MANY_TIMES);
	assert_int_equal(released(), 0);
	wipe(slots, COUNT * stride);
	assert_true(are_released(COUNT));
	free(slots);
}

/* More pages than the kernel is asked about. */
TEST(words_that_stand_far_apart_hold_what_they_point_to)
{
	const size_t stride = 260 * 1024 + 8;
	char *slots = mmap(NULL, COUNT * stride, RW, ANON | MAP_NORESERVE, -1, 0);
	struct hidden area = area_hidden();

	adopting_begin();
	assert_ptr_not_equal(slots, MAP_FAILED);
	adopt_members(area, 0, COUNT, slots, stride);
	forget();
	collect_times(3);
	assert_int_equal(released(), 0);
	assert_int_equal(munmap(slots, COUNT * stride), 0);
	assert_true(are_released(COUNT));
}

/* ------------------------------------------------------------------ moved */

static NOINLINE void move_all(slot_t *from, slot_t *to)
{
	for (unsigned int i = 0; i < COUNT; i++) {
		to[i] = from[i];
		from[i] = NULL;
	}
}

TEST(what_is_moved_before_each_round_stays)
{
	slot_t *slots[2] = { slots_new(), slots_new() };

	adopting_begin();
	crowd_in((void *)slots[0]);
	for (unsigned int i = 0; i < MANY_TIMES; i++) {
		move_all(slots[i % 2], slots[(i + 1) % 2]);
		collect_times(1);
		assert_int_equal(released(), 0);
	}
	clear((void *)slots[0]);
	assert_true(are_released(COUNT));
	free((void *)slots[0]);
	free((void *)slots[1]);
}

struct moving {
	slot_t *slots[2];
	_Atomic bool end;
};

static void *move_on_and_on(void *arg)
{
	struct moving *m = arg;

	while (!atomic_load(&m->end)) {
		move_all(m->slots[0], m->slots[1]);
		move_all(m->slots[1], m->slots[0]);
	}
	return NULL;
}

TEST(what_is_moved_all_the_time_stays)
{
	struct moving m = { .slots = { slots_new(), slots_new() } };
	pthread_t thread;

	adopting_begin();
	crowd_in((void *)m.slots[0]);
	collect_times(1);
	thread = thread_begin(move_on_and_on, &m);
	for (unsigned int i = 0; i < 5 * MANY_TIMES; i++)
		(void)!foster_collect(-1); /* there may be too much to read again */
	atomic_store(&m.end, true);
	(void)thread_end(thread);
	assert_int_equal(released(), 0);
	collect_times(1);
	assert_int_equal(released(), 0);
	clear((void *)m.slots[0]);
	clear((void *)m.slots[1]);
	assert_true(are_released(COUNT));
	free((void *)m.slots[0]);
	free((void *)m.slots[1]);
}

/* ------------------------------------------------------------------ memory that changes */

static NOINLINE char *held_by_pages(void)
{
	char *pages = area_new(SLOTS_PAGES);

	crowd_in(pages);
	collect_times(2);
	assert_int_equal(released(), 0);
	return pages;
}

TEST(what_memory_held_that_is_unmapped_goes)
{
	char *pages;

	adopting_begin();
	pages = held_by_pages();
	assert_int_equal(munmap(pages, SLOTS_PAGES * page_size()), 0);
	assert_true(are_released(COUNT));
}

TEST(what_memory_holds_that_cannot_be_read_stays)
{
	size_t bytes = SLOTS_PAGES * page_size();
	char *pages;

	adopting_begin();
	pages = held_by_pages();
	assert_int_equal(mprotect(pages, bytes, PROT_NONE), 0);
	collect_times(MANY_TIMES);
	assert_int_equal(released(), 0);
	assert_int_equal(mprotect(pages, bytes, RW), 0);
	assert_believed(8);
	clear(pages);
	assert_true(are_released(COUNT));
}

TEST(what_memory_holds_that_is_moved_as_a_whole_stays)
{
	size_t bytes = SLOTS_PAGES * page_size();
	char *pages, *other;

	adopting_begin();
	pages = held_by_pages();
	for (unsigned int i = 0; i < 4; i++) {
		other = area_new(SLOTS_PAGES);
		assert_ptr_equal(mremap(pages, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, other),
				 other);
		pages = other;
		collect_times(1);
		assert_int_equal(released(), 0);
	}
	assert_believed(8);
	clear(pages);
	assert_true(are_released(COUNT));
}

TEST(what_pages_held_that_were_given_back_goes)
{
	char *pages;

	adopting_begin();
	pages = held_by_pages();
	assert_int_equal(madvise(pages, SLOTS_PAGES * page_size(), MADV_DONTNEED), 0);
	assert_true(are_released(COUNT));
}

TEST(what_a_copy_of_a_file_held_that_is_truncated_goes)
{
	char path[PATH_MAX];
	size_t bytes = SLOTS_PAGES * page_size();
	int fd = pattern_file(path, bytes);
	char *pages = mmap(NULL, bytes, RW, MAP_PRIVATE, fd, 0);

	adopting_begin();
	assert_ptr_not_equal(pages, MAP_FAILED);
	crowd_in(pages);
	collect_times(2);
	assert_believed(8);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_true(are_released(COUNT));
	assert_int_equal(close(fd), 0);
}

/* The bytes are those of a file now, which nobody wrote through this mapping. */
TEST(what_memory_held_that_is_a_files_now_goes)
{
	size_t bytes = SLOTS_PAGES * page_size();
	int fd = memfd_create("slots", 0);
	char *pages;

	adopting_begin();
	pages = held_by_pages();
	assert_int_equal(write(fd, pages, bytes), (ssize_t)bytes);
	assert_ptr_equal(mmap(pages, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), pages);
	__asm__ volatile("" : : "r"(*(volatile char *)pages));
	assert_true(are_released(COUNT));
	assert_int_equal(close(fd), 0);
}

/* ------------------------------------------------------------------ what is no witness */

/* The first of the crowd points to the pages, and they to the crowd. */
static NOINLINE void adopt_holder(char *pages)
{
	char **first = *(char ***)pages;

	assert_ptr_equal(foster_adopt(pages, SLOTS_PAGES * page_size(), NULL, NULL), pages);
	*first = pages + 8;
}

static NOINLINE struct mark make_circle(void)
{
	char *pages = held_by_pages();

	adopt_holder(pages);
	return mark_of(pages);
}

TEST(a_circle_through_what_was_a_witness_goes)
{
	struct mark holder;

	adopting_begin();
	holder = make_circle();
	forget();
	assert_true(are_released(COUNT));
	assert_goes(&holder);
}

/* Each pair holds itself, and was held by malloc memory once. */
TEST(pairs_that_hold_each_other_go_when_nothing_else_does)
{
	slot_t *slots = slots_new();

	adopting_begin();
	crowd_in((void *)slots);
	for (unsigned int i = 0; i < COUNT; i++)
		*(slot_t *)slots[i] = slots[i ^ 1u];
	collect_times(3);
	assert_int_equal(released(), 0);
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}

/* A word in each, and the one beside it, points to itself: no guess may take it for a witness. */
TEST(rows_that_point_to_themselves_go)
{
	struct hidden area = area_hidden();
	slot_t *slots = slots_new();

	adopting_begin();
	for (unsigned int i = 0; i < COUNT; i++) {
		char *p = member(area, i);

		*(slot_t *)p = p;
	}
	adopt_members(area, 0, COUNT, (char *)slots, sizeof(slot_t));
	collect_times(2);
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}

static NOINLINE void hold_on_this_stack(void)
{
	slot_t slots[COUNT];

	crowd_in((void *)slots);
	collect_times(3);
	assert_int_equal(released(), 0);
	__asm__ volatile("" : : "r"(slots) : "memory");
}

TEST(what_a_stack_held_goes_with_its_frame)
{
	adopting_begin();
	hold_on_this_stack();
	/* No forget(): the dead words are still there. */
	for (int i = 0; i < ROUNDS; i++)
		assert_true(foster_collect(-1) >= 0);
	assert_true(atomic_load(&adopting_released.calls) > (int)COUNT - 64);
	assert_true(are_released(COUNT));
}

struct on_pages {
	struct moment runs, end;
};

static void *call_and_wait(void *arg)
{
	struct on_pages *t = arg;

	(void)stats_now();
	(void)foster_thread_attach();
	moment_announce(&t->runs);
	moment_await(&t->end);
	(void)foster_thread_detach();
	return NULL;
}

TEST(what_is_dead_stack_now_holds_nothing)
{
	const size_t bytes = (size_t)256 << 10;
	struct on_pages t = { 0 };
	pthread_attr_t attr;
	pthread_t thread;
	char *stack;

	adopting_begin();
	stack = area_new(bytes / page_size());
	crowd_in(stack);
	collect_times(3);
	assert_int_equal(released(), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, bytes), 0);
	assert_int_equal(pthread_create(&thread, &attr, call_and_wait, &t), 0);
	moment_await(&t.runs);
	assert_true(are_released(COUNT));
	moment_announce(&t.end);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static NOINLINE void hold_by_an_object(void *volatile *root)
{
	*root = GC_MALLOC(SLOTS_BYTES);
	assert_non_null(*root);
	crowd_in(*root);
}

TEST(what_an_object_of_the_collector_held_goes_with_it)
{
	static void *volatile root;

	adopting_begin();
	hold_by_an_object(&root);
	collect_times(3);
	assert_int_equal(released(), 0);
	root = NULL;
	assert_true(are_released(COUNT));
}

#define BEFORE (page_size() / sizeof(slot_t)) /* words on the page before an object */

/* An object that only *root points to, and right before it a page that is none of the collector's. */
static NOINLINE char *page_before_an_object(void *volatile *root)
{
	char *page = MAP_FAILED, *at = NULL;

	for (int i = 0; i < 64 && (page == MAP_FAILED || page != at); i++) {
		if (page != MAP_FAILED)
			assert_int_equal(munmap(page, page_size()), 0);
		*root = GC_MALLOC(SLOTS_BYTES << i % 9);
		assert_non_null(*root);
		at = (char *)*root - page_size();
		page = mmap(at, page_size(), RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	}
	if (page != at)
		test_skip("before each object of the collector there is something");
	return page;
}

/* Where the next word would be on memory of the program's, there is one in a dead object. */
TEST(what_an_object_held_goes_with_it_whatever_is_held_beside_it)
{
	static void *volatile root;
	char *page;

	adopting_begin();
	page = page_before_an_object(&root);
	adopt_members(area_hidden(), 0, COUNT, page, sizeof(slot_t));
	collect_times(2);
	assert_int_equal(released(), 0);
	root = NULL;
	collect_times(2); /* later libgc unmaps it, and the words are gone in any way */
	assert_true(released() > (int)(COUNT - BEFORE) / 2);
	assert_true(are_released((int)(COUNT - BEFORE)));
	wipe(page, page_size());
	assert_true(are_released(COUNT));
}

/* It is learned late which pages these are. */
TEST(what_a_page_held_that_has_headers_of_the_collector_goes)
{
	char *pages;

	adopting_begin();
	pages = held_by_pages();
	for (size_t i = 0; i < SLOTS_PAGES; i++)
		gc_headers_note((uintptr_t)pages + i * page_size());
	assert_true(are_released(COUNT));
}

/* As a region is born: its argument is on no account yet, and so a word like any other. */
static void collect_at_birth(const char *point)
{
	if (strcmp(point, "region-born"))
		return;
	sync_hook = NULL;
	forget(); /* of registers; what stacks hold is found later than accounts */
	assert_true(foster_collect(-1) >= 0);
}

/* The one points to the other, which is the argument of the first. */
static NOINLINE void adopt_with_argument(struct hidden other, struct hidden arg)
{
	*(slot_t *)hidden_show(arg) = hidden_show(other);
	sync_hook = collect_at_birth;
	adopt_bytes(NULL, other, LEN, hidden_show(arg));
	assert_null(sync_hook);
}

TEST(a_circle_through_an_argument_that_was_a_witness_goes)
{
	slot_t *slots = slots_new();
	struct hidden area, other;

	adopting_begin();
	area = crowd_in((void *)slots);
	other = area_hidden();
	collect_times(3);
	slots[0] = NULL;
	adopt_with_argument(other, hidden_of(member(area, 0)));
	assert_true(are_released(2));
	clear((void *)slots);
	assert_true(are_released(COUNT + 1));
	free((void *)slots);
}

/* ------------------------------------------------------------------ other processes */

static void hold_and_drop_in_child(void *arg)
{
	slot_t *slots = arg;

	for (int i = 0; i < 3; i++)
		child_check(foster_collect(-1) >= 0);
	child_check(atomic_load(&adopting_released.calls) == 0);
	clear((void *)slots);
	forget();
	for (int i = 0; i < ROUNDS; i++)
		child_check(foster_collect(-1) >= 0);
	child_check(atomic_load(&adopting_released.calls) == COUNT);
}

TEST(witnesses_are_asked_in_the_child_of_fork)
{
	slot_t *slots = slots_new();

	adopting_begin();
	crowd_in((void *)slots);
	collect_times(2);
	assert_child_passes(hold_and_drop_in_child, (void *)slots);
	collect_times(2);
	assert_int_equal(released(), 0);
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}
