/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The promise: a region stays while a pointer into it can be seen, and goes after the
 * last one.
 */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/javaxfc.h>

/* --------------------------------------------- one pointer, four places, four holders */

static void *volatile in_static;

static void check_held_by_static(enum place place)
{
	struct mark mark = make_memfd_region(&in_static, 3, place);

	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	in_static = NULL;
	assert_goes(&mark);
}

static void check_held_by_main_stack(enum place place)
{
	void *volatile on_stack;
	struct mark mark = make_memfd_region(&on_stack, 3, place);

	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	on_stack = NULL;
	assert_goes(&mark);
}

static NOINLINE struct mark make_held_by_heap(void *volatile *object_slot,
					      enum place place)
{
	void **object = GC_MALLOC(4 * sizeof(void *));
	struct mark mark = make_memfd_region(&object[2], 3, place);

	*object_slot = object;
	return mark;
}

static void check_held_by_heap_object(enum place place)
{
	void *volatile object;
	struct mark mark;

	assert_int_equal(foster_init(NULL), 0);
	mark = make_held_by_heap(&object, place);
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	object = NULL;
	assert_goes(&mark);
}

struct keeper {
	enum place place;
	struct mark mark;
	struct moment made, drop, dropped, leave;
};

static NOINLINE void keep_on_stack(struct keeper *keeper)
{
	void *volatile on_stack;

	keeper->mark = make_memfd_region(&on_stack, 3, keeper->place);
	forget();
	moment_announce(&keeper->made);
	moment_await(&keeper->drop);
	on_stack = NULL;
}

static void *keep_on_attached_stack(void *arg)
{
	struct keeper *keeper = arg;

	assert_int_equal(foster_thread_attach(), 0);
	keep_on_stack(keeper);
	forget();
	moment_announce(&keeper->dropped);
	moment_await(&keeper->leave);
	assert_int_equal(foster_thread_detach(), 0);
	return NULL;
}

static void check_held_by_thread_stack(enum place place)
{
	struct keeper keeper = { .place = place };
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	thread = thread_begin(keep_on_attached_stack, &keeper);
	moment_await(&keeper.made);
	assert_stays(&keeper.mark);
	assert_true(mark_pattern_holds(&keeper.mark));
	moment_announce(&keeper.drop);
	moment_await(&keeper.dropped);
	assert_goes(&keeper.mark);
	moment_announce(&keeper.leave);
	thread_end(thread);
}

#define FOUR_PLACES(holder)                                              \
	TEST(a_base_pointer_in_##holder##_keeps_the_region)              \
	{                                                                \
		check_held_by_##holder(AT_BASE);                         \
	}                                                                \
	TEST(a_pointer_to_the_middle_in_##holder##_keeps_the_region)     \
	{                                                                \
		check_held_by_##holder(AT_MIDDLE);                       \
	}                                                                \
	TEST(a_pointer_to_the_last_byte_in_##holder##_keeps_the_region)  \
	{                                                                \
		check_held_by_##holder(AT_LAST_BYTE);                    \
	}                                                                \
	TEST(a_pointer_just_past_the_end_in_##holder##_keeps_the_region) \
	{                                                                \
		check_held_by_##holder(AT_END);                          \
	}

FOUR_PLACES(static)
FOUR_PLACES(main_stack)
FOUR_PLACES(heap_object)
FOUR_PLACES(thread_stack)

#if defined(__x86_64__)
static NOINLINE struct hidden make_hidden(struct mark *mark)
{
	void *volatile slot;
	struct hidden h;

	*mark = make_memfd_region(&slot, 2, AT_MIDDLE);
	h = hidden_of(slot);
	slot = NULL;
	return h;
}

/*
 * The address exists in r12 alone, from before the hidden one is known to others until
 * *drop.
 */
static NOINLINE void spin_with_register(uintptr_t complement, _Atomic int *made,
					_Atomic int *drop)
{
	__asm__ volatile("movq %0, %%r12\n\t"
			 "notq %%r12\n\t"
			 "movl $1, (%1)\n\t"
			 "1: pause\n\t"
			 "cmpl $0, (%2)\n\t"
			 "je 1b\n\t"
			 "xorl %%r12d, %%r12d" ::"r"(complement),
			 "r"(made), "r"(drop)
			 : "r12", "memory", "cc");
}

/* The collector must not run between the making and the register: nobody asks for it. */
static void *spin(void *arg)
{
	struct stay *stay = arg;
	struct hidden h;

	assert_int_equal(foster_thread_attach(), 0);
	h = make_hidden(&stay->mark);
	forget();
	spin_with_register(h.complement, &stay->made.come, &stay->drop.come);
	moment_announce(&stay->dropped);
	moment_await(&stay->end);
	return NULL;
}

TEST(a_pointer_in_a_register_alone_keeps_the_region)
{
	check_stay(spin);
}
#endif

/* -------------------------------------------------------------- what is kept is whole */

TEST(anonymous_contents_are_intact_while_a_pointer_exists)
{
	struct mark mark = make_anon_region(&in_static, 64, AT_MIDDLE);

	collect_times(5);
	assert_true(mark_pattern_holds(&mark));
	in_static = NULL;
	assert_goes(&mark);
	assert_false(mark_is_readable(&mark));
}

TEST(contents_are_intact_after_collections_of_the_host)
{
	struct mark mark = make_anon_region(&in_static, 64, AT_END);

	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 10000; k++)
			assert_non_null(GC_MALLOC(100));
		GC_gcollect();
	}
	assert_true(mark_pattern_holds(&mark));
	in_static = NULL;
}

TEST(a_region_goes_by_collections_of_the_host_alone)
{
	const struct foster_options options = { .size = sizeof(options),
						.idle_collect_ms = FOSTER_NEVER };
	struct mark mark;

	assert_int_equal(foster_init(&options), 0);
	mark = make_dropped(2);
	for (int i = 0; i < 2000 && maps_count_inode(mark.inode); i++) {
		forget();
		GC_gcollect();
		sleep_ms(5);
	}
	assert_int_equal(maps_count_inode(mark.inode), 0);
}

TEST(a_region_goes_by_itself_with_no_collection_asked_for)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = 50 };
	struct mark mark;

	assert_int_equal(foster_init(&options), 0);
	mark = make_dropped(2);
	for (int i = 0; i < 500 && maps_count_inode(mark.inode); i++) {
		forget();
		sleep_ms(20);
	}
	assert_int_equal(maps_count_inode(mark.inode), 0);
}

TEST(idle_collections_can_be_turned_off)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = FOSTER_NEVER };
	struct mark mark;

	assert_int_equal(foster_init(&options), 0);
	mark = make_dropped(2);
	forget();
	sleep_ms(500);
	assert_int_equal(stats_now().idle, 0);
	assert_true(mark_is_tracked(&mark));
	assert_goes(&mark);
}

static NOINLINE void move_pointer(void *volatile *to, void *volatile *from)
{
	*to = *from;
	*from = NULL;
}

TEST(a_pointer_that_moves_between_holders_keeps_the_region)
{
	void *volatile on_stack;
	void *volatile *object;
	struct mark mark = make_memfd_region(&on_stack, 2, AT_BASE);

	object = GC_MALLOC(sizeof(void *));
	for (int i = 0; i < 10; i++) {
		collect_times(1);
		move_pointer(object, &on_stack);
		collect_times(1);
		move_pointer(&in_static, object);
		collect_times(1);
		move_pointer(&on_stack, &in_static);
	}
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	on_stack = NULL;
	assert_goes(&mark);
}

/* A region in *holder, and in it the only pointer to another. */
static NOINLINE void make_pair(void *volatile *holder, struct mark *mark, struct mark *other)
{
	*other = make_memfd_region(&in_static, 1, AT_BASE);
	*mark = make_anon_region(holder, 1, AT_BASE);
	move_pointer(*holder, &in_static);
}

TEST(a_region_keeps_what_it_points_to)
{
	void *volatile holder;
	struct mark mark, other;

	make_pair(&holder, &mark, &other);
	assert_stays(&other);
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&other));
	*(void *volatile *)holder = NULL;
	assert_goes(&other);
	assert_true(mark_is_tracked(&mark));
	holder = NULL;
	assert_goes(&mark);
}

TEST(a_region_that_goes_keeps_nothing_that_it_points_to)
{
	void *volatile holder;
	struct mark mark, other;

	make_pair(&holder, &mark, &other);
	assert_stays(&other);
	holder = NULL;
	assert_goes(&mark);
	assert_goes(&other);
}

static NOINLINE void point_at_each_other(struct mark mark[2])
{
	void *volatile slot[2];

	for (size_t i = 0; i < 2; i++)
		mark[i] = make_anon_region(&slot[i], 1, AT_BASE);
	*(void *volatile *)slot[0] = slot[1];
	*(void *volatile *)slot[1] = slot[0];
}

TEST(two_regions_that_point_at_each_other_go)
{
	struct mark mark[2];

	point_at_each_other(mark);
	assert_goes(&mark[0]);
	assert_goes(&mark[1]);
}

TEST(without_the_sweep_a_region_keeps_nothing_that_it_points_to)
{
	void *volatile holder;
	struct mark mark, other;

	init_without_sweep();
	make_pair(&holder, &mark, &other);
	assert_goes(&other);
	assert_true(mark_is_tracked(&mark));
	holder = NULL;
}

TEST(regions_go_one_by_one_while_their_neighbours_stay)
{
	static void *volatile slot[16];
	struct mark mark[COUNT_OF(slot)];

	for (size_t i = 0; i < COUNT_OF(slot); i++)
		mark[i] = make_memfd_region(&slot[i], 1 + i % 3, i % 4);
	for (size_t i = 0; i < COUNT_OF(slot); i += 2) {
		slot[i] = NULL;
		assert_goes(&mark[i]);
	}
	for (size_t i = 1; i < COUNT_OF(slot); i += 2) {
		assert_true(mark_is_mapped(&mark[i]));
		assert_true(mark_pattern_holds(&mark[i]));
	}
}

/* Of so many a stray integer may keep one. */
static bool one_lives_at_most(void *arg UNUSED)
{
	return stats_now().regions <= 1;
}

/* Some lie across the beginnings of sections of the collector's heap, of which it has a list. */
TEST(regions_go_wherever_the_collector_s_heap_has_grown)
{
	assert_int_equal(foster_init(NULL), 0);
	for (int i = 0; i < 300; i++)
		(void)make_dropped(16);
	assert_true(collecting_until(one_lives_at_most, NULL, ROUNDS));
}

static NOINLINE struct mark make_dropped_shared(size_t pages)
{
	void *p = foster_mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	memset((char *)p + pages * page_size() - 1, 1, 1);
	return mark_of(p);
}

TEST(big_and_small_regions_all_go)
{
	/* Of larger ones a stray integer may keep one for a while. */
	static const size_t pages[] = { 1, 2, 3, 7, 16, 255, 256, 257, 4096, 16384 };

	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		struct mark mark = make_dropped_shared(pages[i]);

		assert_true(mark.inode != 0);
		assert_goes(&mark);
	}
}
