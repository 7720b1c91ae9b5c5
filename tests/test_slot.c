/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where regions are many, small ones lie in slots: addresses that are used again, with a forbidden page
 * behind.
 */
#include "support.h"

#include "base/sync.h"

#define MANY 4096 /* regions of a process: from then on */
#define SOME 64
#define RW (PROT_READ | PROT_WRITE)

static void *volatile kept;
static void *volatile other;

static void begin_with(struct foster_options *options)
{
	options->size = sizeof(*options);
	options->idle_collect_ms = FOSTER_NEVER;
	assert_int_equal(foster_init(options), 0);
	for (int i = 0; i < MANY + SOME; i++)
		make_dropped(1);
	collect_times(ROUNDS);
}

static void begin(void)
{
	struct foster_options options = { 0 };

	begin_with(&options);
}

/* Of the region in kept; no frame of a test is to have its address. */
static NOINLINE unsigned int tracking_of_kept(void)
{
	return info_of(kept).tracking;
}

static NOINLINE bool kept_is_at(const struct mark *mark)
{
	return kept == hidden_show(mark->base);
}

static NOINLINE bool other_is_at(const struct mark *mark)
{
	return other == hidden_show(mark->base);
}

/* However many ask for one. */
static NOINLINE void assert_nobody_gets(const struct mark *mark)
{
	for (int i = 0; i < SOME; i++)
		assert_ptr_not_equal(map_pages(1), hidden_show(mark->base));
}

/* A region that is gone: its slot rests. */
static struct mark rested(size_t pages)
{
	struct mark mark = make_memfd_region(&kept, pages, AT_BASE);

	assert_int_equal(tracking_of_kept(), FOSTER_TRACK_IN_PLACE);
	kept = NULL;
	assert_goes(&mark);
	return mark;
}

TEST(few_regions_lie_in_the_heap_of_the_collector_and_many_beside_it)
{
	kept = map_pages(1);
	assert_int_equal(tracking_of_kept(), FOSTER_TRACK_OVERLAY);
	for (int i = 0; i < MANY; i++)
		make_dropped(1);
	kept = map_pages(1);
	assert_int_equal(tracking_of_kept(), FOSTER_TRACK_IN_PLACE);
}

TEST(the_page_behind_a_region_in_a_slot_is_forbidden)
{
	begin();
	kept = map_pages(3);
	assert_child_dies(SIGSEGV, load_byte, (char *)kept + 3 * page_size());
	assert_child_dies(SIGSEGV, store_byte, (char *)kept + 3 * page_size());
}

TEST(what_is_dropped_goes_and_its_slot_is_used_again)
{
	struct mark mark;
	uint64_t reused;

	begin();
	mark = rested(2);
	assert_false(mark_is_mapped(&mark));
	reused = stats_now().reused;
	kept = map_pages(2);
	assert_true(kept_is_at(&mark));
	assert_int_equal(stats_now().reused, reused + 1);
}

TEST(a_slot_is_for_regions_of_its_length)
{
	struct mark mark;

	begin();
	mark = rested(2);
	kept = map_pages(3);
	assert_false(kept_is_at(&mark));
	other = map_pages(2);
	assert_true(other_is_at(&mark));
}

/* The same few slots, over and over. */
TEST(slots_do_not_become_more)
{
	size_t mappings;

	begin();
	mappings = maps_count();
	for (int n = 0; n < 64; n++) {
		for (int i = 0; i < SOME; i++)
			make_dropped(1);
		collect_times(1);
	}
	assert_in_range(maps_count(), mappings - SOME, mappings + SOME / 2);
}

TEST(without_a_pool_nothing_is_left_of_a_slot)
{
	struct foster_options options = { .pool_mib = FOSTER_NEVER };
	size_t mappings;

	begin_with(&options);
	mappings = maps_count();
	for (int i = 0; i < SOME; i++)
		make_dropped(1);
	collect_times(ROUNDS);
	assert_in_range(maps_count(), 0, mappings + 16);
	assert_int_equal(stats_now().pool_ranges, 0);
}

TEST(nothing_is_left_of_slots_in_the_end)
{
	size_t mappings;

	begin();
	assert_true(stats_now().pool_ranges > 0);
	mappings = maps_count();
	assert_true(foster_fini(5000) >= 0);
	assert_int_equal(stats_now().pool_ranges, 0);
	assert_true(maps_count() < mappings - SOME / 2);
}

/* ----------------------------------------------------------------- what others do to them */

static char *map_there(struct hidden address)
{
	void *at = hidden_show(address);
	char *p = mmap(at, page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(p, at);
	return p;
}

TEST(what_somebody_mapped_into_a_resting_slot_stays_his)
{
	struct hidden address;
	char *strange;

	begin();
	address = rested(1).base;
	strange = map_there(address);
	*strange = 42;
	/* The first that it would have been for. */
	assert_ptr_not_equal(map_pages(1), strange);
	for (int i = 0; i < 2 * SOME; i++)
		make_dropped(1);
	collect_times(ROUNDS);
	assert_true(foster_fini(5000) >= 0);
	assert_int_equal(*strange, 42);
	assert_int_equal(munmap(strange, page_size()), 0);
}

TEST(a_pointer_in_what_somebody_mapped_into_a_resting_slot_keeps)
{
	void *volatile *strange;
	struct mark mark;

	begin();
	/* In a slot that no other region asks for. */
	strange = (void *volatile *)map_there(rested(2).base);
	mark = make_memfd_region(strange, 1, AT_MIDDLE);
	assert_stays(&mark);
	*strange = NULL;
	assert_goes(&mark);
}

static NOINLINE void replace(const struct mark *mark)
{
	void *at = hidden_show(mark->base);

	assert_int_equal(munmap(at, page_size()), 0);
	*map_there(mark->base) = 42;
}

TEST(what_somebody_mapped_over_a_region_in_a_slot_stays_his)
{
	struct mark mark;

	begin();
	mark = make_memfd_region(&kept, 1, AT_BASE);
	replace(&mark);
	kept = NULL;
	collect_times(2 * ROUNDS);
	assert_false(mark_is_tracked(&mark));
	assert_int_equal(stats_now().abandoned, 1);
	assert_nobody_gets(&mark);
	assert_int_equal(*(char *)hidden_show(mark.base), 42);
}

/* ----------------------------------------------------------------- what they hold */

TEST(a_region_in_a_slot_keeps_what_it_points_to)
{
	struct mark mark;
	void *volatile *list;

	begin();
	list = kept = map_pages(1);
	mark = make_memfd_region(list, 1, AT_LAST_BYTE);
	list = NULL;
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

static NOINLINE struct mark make_ring(struct mark *second)
{
	struct mark first = make_memfd_region(&kept, 1, AT_BASE);

	*second = make_memfd_region(kept, 1, AT_BASE);
	*(void **)*(void **)kept = kept;
	kept = NULL;
	return first;
}

TEST(two_in_slots_that_point_to_each_other_go)
{
	struct mark first, second;

	begin();
	first = make_ring(&second);
	assert_goes(&first);
	assert_goes(&second);
}

/* ----------------------------------------------------------------- revoked */

static NOINLINE void close_kept(const struct mark *mark)
{
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(maps_count_inode(mark->inode), 0);
	collect_times(ROUNDS);
	assert_child_dies(SIGSEGV, load_byte, kept);
	assert_nobody_gets(mark);
}

TEST(a_closed_region_keeps_its_slot_until_the_last_pointer_is_gone)
{
	struct mark mark;

	begin();
	mark = make_memfd_region(&kept, 1, AT_BASE);
	close_kept(&mark);
	kept = NULL;
	assert_goes(&mark);
	for (int i = 0; i < 2 * SOME && !other_is_at(&mark); i++)
		other = map_pages(1);
	assert_true(other_is_at(&mark));
	store_byte(other);
}

static NOINLINE void revoke_second_page(void)
{
	assert_int_equal(foster_munmap((char *)kept + page_size(), page_size()), 0);
}

TEST(a_slot_of_which_a_part_was_revoked_is_whole_again)
{
	struct mark mark;

	begin();
	mark = make_memfd_region(&kept, 3, AT_BASE);
	revoke_second_page();
	kept = NULL;
	assert_goes(&mark);
	kept = map_pages(3);
	assert_true(kept_is_at(&mark));
	for (int i = 0; i < 3; i++)
		store_byte((char *)kept + i * page_size());
	assert_child_dies(SIGSEGV, load_byte, (char *)kept + 3 * page_size());
}

TEST(a_disowned_region_keeps_its_slot)
{
	struct mark mark;

	begin();
	mark = make_memfd_region(&kept, 1, AT_BASE);
	assert_int_equal(foster_disown(kept), 0);
	kept = NULL;
	collect_times(ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_nobody_gets(&mark);
}

/* ----------------------------------------------------------------- threads, processes, limits */

static void *map_one(void *arg)
{
	other = map_pages(1);
	return arg;
}

TEST(a_thread_that_nobody_knows_takes_a_slot)
{
	struct mark mark;

	begin();
	mark = rested(1);
	on_plain_thread(map_one, NULL);
	assert_true(other_is_at(&mark));
	store_byte(other);
}

static void use_slots(void *arg UNUSED)
{
	child_check(foster_collect(20000) >= 0);
	for (int i = 0; i < SOME; i++) {
		other = foster_mmap(NULL, page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		child_check(other != MAP_FAILED && other != kept);
		*(char *)other = 1;
	}
	other = NULL;
	child_check(foster_collect(20000) >= 0);
	child_check(*(char *)kept == 42);
}

TEST(the_child_of_fork_has_slots_of_its_own)
{
	begin();
	kept = map_pages(1);
	*(char *)kept = 42;
	assert_child_passes(use_slots, NULL);
	assert_int_equal(*(char *)kept, 42);
	other = map_pages(1);
	store_byte(other);
}

TEST(where_a_mapping_is_refused_the_slot_rests_on)
{
	struct mark mark;
	uint64_t resting;

	begin();
	mark = rested(1);
	resting = stats_now().pool_ranges;
	/* A descriptor that nothing can be mapped of. */
	assert_map_fails(EBADF, foster_mmap(NULL, page_size(), RW, MAP_SHARED, -1, 0));
	assert_int_equal(stats_now().pool_ranges, resting);
	kept = map_pages(1);
	assert_true(kept_is_at(&mark));
}

static long pages_of_addresses(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &pages), 1);
	assert_int_equal(fclose(f), 0);
	return pages;
}

TEST(where_a_mapping_is_refused_nothing_is_left_of_a_new_slot)
{
	long before;

	begin();
	before = pages_of_addresses();
	for (int i = 0; i < SOME; i++)
		assert_map_fails(EBADF, foster_mmap(NULL, 5 * page_size(), RW, MAP_SHARED, -1, 0));
	assert_in_range(pages_of_addresses(), 0, before + SOME);
}

static struct hidden slot;
static int looks;

static void look_at_newborn(const char *point)
{
	struct foster_info info = FOSTER_INFO_INIT;

	if (strcmp(point, "newborn") != 0)
		return;
	looks++;
	assert_fails(ENOENT, foster_info(hidden_show(slot), &info));
	assert_fails(ENOENT, foster_close(hidden_show(slot)));
}

TEST(a_slot_is_no_region_before_something_is_mapped_there)
{
	begin();
	slot = rested(1).base;
	sync_hook = look_at_newborn;
	kept = map_pages(1);
	sync_hook = NULL;
	assert_int_equal(looks, 1);
	assert_ptr_equal(kept, hidden_show(slot));
}
