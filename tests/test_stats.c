/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_stats(): each counter counts what it says. */
#include "support.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)

static void *volatile kept;

TEST(a_size_smaller_than_any_version_is_invalid)
{
	struct foster_stats stats = { .size = 0 };

	assert_fails(EINVAL, foster_stats(&stats));
	stats.size = sizeof(size_t);
	assert_fails(EINVAL, foster_stats(&stats));
}

TEST(a_smaller_struct_is_filled_as_far_as_it_reaches)
{
	struct foster_stats stats, untouched;

	make_memfd_region(&kept, 1, AT_BASE);
	memset(&stats, 0x5a, sizeof(stats));
	untouched = stats;
	stats.size = offsetof(struct foster_stats, pool_ranges);
	assert_int_equal(foster_stats(&stats), 0);
	assert_int_equal(stats.size, offsetof(struct foster_stats, pool_ranges));
	assert_int_equal(stats.regions, 1);
	assert_int_equal(stats.bytes, page_size());
	assert_memory_equal(&stats.pool_ranges, &untouched.pool_ranges,
			    sizeof(stats) - offsetof(struct foster_stats, pool_ranges));
}

TEST(a_larger_struct_is_filled_as_far_as_it_is_known)
{
	struct {
		struct foster_stats known;
		uint64_t unknown[2];
	} newer = { .known.size = sizeof(newer), .unknown = { 1, 2 } };

	assert_int_equal(foster_stats(&newer.known), 0);
	assert_int_equal(newer.known.size, sizeof(newer));
	assert_int_equal(newer.unknown[0], 0);
	assert_int_equal(newer.unknown[1], 0);
}

TEST(before_the_first_use_all_are_zero)
{
	struct foster_stats stats;

	memset(&stats, 0x5a, sizeof(stats));
	stats.size = sizeof(stats);
	assert_int_equal(foster_stats(&stats), 0);
#define IS_ZERO(name, what) assert_int_equal(stats.name, 0);
	FOSTER_STATS_FIELDS(IS_ZERO)
}

TEST(live_regions_and_their_bytes_are_counted)
{
	static void *volatile region[7];
	struct foster_stats stats;

	for (size_t i = 0; i < COUNT_OF(region); i++)
		make_memfd_region(&region[i], 1 + i, AT_BASE);
	stats = stats_now();
	assert_int_equal(stats.regions, 7);
	assert_int_equal(stats.mapped, 7);
	assert_int_equal(stats.bytes, (1 + 2 + 3 + 4 + 5 + 6 + 7) * page_size());
}

static struct foster_stats stats_when_one_has_gone(void)
{
	struct mark mark = make_dropped(3);

	assert_goes(&mark);
	return stats_now();
}

TEST(released_regions_are_counted_and_subtracted)
{
	const struct foster_stats stats = stats_when_one_has_gone();

	assert_int_equal(stats.regions, 0);
	assert_int_equal(stats.bytes, 0);
	assert_int_equal(stats.released, 1);
	assert_int_equal(stats.mapped, 1);
	assert_true(stats.doubted >= 1);
	assert_true(stats.asked >= 1);
}

TEST(the_pool_is_counted)
{
	struct foster_stats stats = stats_when_one_has_gone();

	assert_int_equal(stats.pool_ranges, 1);
	assert_true(stats.pool_bytes >= 3 * page_size());
	assert_true(stats.pool_bytes <= 5 * page_size());
	make_memfd_region(&kept, 3, AT_BASE);
	stats = stats_now();
	assert_int_equal(stats.reused, 1);
	assert_int_equal(stats.pool_ranges, 0);
	assert_int_equal(stats.pool_bytes, 0);
}

TEST(the_pool_is_bounded)
{
	struct foster_options options = { .size = sizeof(options), .pool_mib = 1 };
	struct mark mark;

	assert_int_equal(foster_init(&options), 0);
	for (int i = 0; i < 300; i++) {
		mark = make_dropped(16);
		if (i % 100 == 99)
			assert_goes(&mark);
	}
	collect_times(ROUNDS);
	assert_true(stats_now().pool_bytes <= (uint64_t)1 << 20);
	assert_true(stats_now().pool_ranges > 0);
}

TEST(the_pool_can_be_turned_off)
{
	struct foster_options options = { .size = sizeof(options),
					  .pool_mib = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
	for (int i = 0; i < 20; i++) {
		struct mark mark = make_dropped(2);

		assert_goes(&mark);
	}
	assert_int_equal(stats_now().pool_ranges, 0);
	assert_int_equal(stats_now().reused, 0);
}

TEST(collections_that_foster_asked_for_are_counted)
{
	const uint64_t before = stats_now().asked;

	assert_true(foster_collect(10000) >= 0);
	assert_true(stats_now().asked > before);
}

/* One for the sign and one that decides, and none that is not counted. */
TEST(no_more_collections_happen_than_are_counted)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = FOSTER_NEVER };
	struct foster_stats before;
	unsigned long collections;

	assert_int_equal(foster_init(&options), 0);
	before = stats_now();
	collections = GC_get_gc_no();
	for (int i = 0; i < 20; i++) {
		struct mark mark = make_dropped(2);

		assert_goes(&mark);
	}
	collections = GC_get_gc_no() - collections;
	assert_true(stats_now().rounds > before.rounds);
	assert_in_range(collections, stats_now().asked - before.asked,
			stats_now().asked - before.asked + stats_now().rounds - before.rounds);
}

TEST(idle_collections_are_counted)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = 20,
					  .idle_budget_permille = 1000 };

	assert_int_equal(foster_init(&options), 0);
	make_memfd_region(&kept, 1, AT_BASE);
	for (int i = 0; i < 500 && !stats_now().idle; i++)
		sleep_ms(20);
	assert_true(stats_now().idle > 0);
}

TEST(no_idle_collection_happens_while_no_region_lives)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = 20,
					  .idle_budget_permille = 1000 };
	struct mark mark;
	uint64_t before;

	assert_int_equal(foster_init(&options), 0);
	mark = make_dropped(1);
	assert_goes(&mark);
	sleep_ms(100);
	before = stats_now().asked;
	sleep_ms(400);
	assert_int_equal(stats_now().asked, before);
}

TEST(idle_collections_that_release_nothing_come_less_and_less_often)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = 10,
					  .idle_budget_permille = 1000 };

	assert_int_equal(foster_init(&options), 0);
	make_memfd_region(&kept, 1, AT_BASE);
	sleep_ms(1500);
	/* 10, 20, 40, ... 640 ms: at a steady pace there were 150. */
	assert_in_range(stats_now().idle, 2, 20);
}

static void *map_on_thread(void *arg UNUSED)
{
	make_memfd_region(&kept, 1, AT_BASE);
	return NULL;
}

TEST(without_the_sweep_regions_of_unknown_threads_are_counted)
{
	init_without_sweep();
	on_plain_thread(map_on_thread, NULL);
	assert_int_equal(stats_now().unseen, 1);
	assert_int_equal(stats_now().regions, 1);
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(stats_now().unseen, 0);
}

TEST(regions_of_unknown_threads_are_like_others_to_the_sweep)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(map_on_thread, NULL);
	assert_int_equal(stats_now().unseen, 0);
	assert_int_equal(stats_now().regions, 1);
	kept = NULL;
	collect_times(ROUNDS);
	assert_int_equal(stats_now().regions, 0);
}

TEST(nothing_is_abandoned_in_ordinary_use)
{
	for (int i = 0; i < 50; i++) {
		struct mark mark = make_dropped(1 + i % 5);

		assert_goes(&mark);
	}
	assert_int_equal(stats_now().abandoned, 0);
}
