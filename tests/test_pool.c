/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges that rest in the pool: what is needed stays there, and what is not goes in a program that has no
 * idle moments, too.
 */
#include "support.h"

#define LOT 200u    /* regions that make a round due */
#define BURST 1000u /* that live at a time, once */
#define MANY 4096u  /* regions of a process: from then on in slots */
#define TURNS 24

static void *volatile live[BURST];

static void begin(void)
{
	struct foster_options options = { .size = sizeof(options),
					  .collect_regions = LOT,
					  .idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
}

static NOINLINE void fill(size_t pages)
{
	for (size_t i = 0; i < BURST; i++)
		live[i] = map_pages(pages);
}

/* All of them rest. */
static void burst(size_t pages)
{
	fill(pages);
	for (size_t i = 0; i < BURST; i++)
		live[i] = NULL;
	forget();
	collect_times(ROUNDS);
	assert_true(stats_now().pool_ranges >= BURST / 10 * 9);
}

static NOINLINE void make_lot(size_t pages)
{
	for (unsigned int i = 0; i < LOT; i++)
		make_dropped(pages);
}

static bool has_round_ended(void *before)
{
	return stats_now().rounds > *(uint64_t *)before;
}

/* Regions are made and dropped as the rounds that are due for them come. */
static void churn(size_t pages, int turns)
{
	for (int i = 0; i < turns; i++) {
		uint64_t rounds = stats_now().rounds;

		make_lot(pages);
		assert_true(wait_until(has_round_ended, &rounds, 20000));
	}
}

static void assert_shrinks(void)
{
	burst(1);
	churn(1, TURNS);
	assert_in_range(stats_now().pool_ranges, 1, 3 * LOT);
}

TEST(a_pool_of_more_than_is_needed_shrinks_while_rounds_come)
{
	begin();
	assert_shrinks();
}

TEST(so_does_one_of_slots)
{
	begin();
	for (unsigned int i = 0; i < MANY + LOT; i++)
		make_dropped(1);
	assert_shrinks();
}

TEST(what_is_needed_from_round_to_round_stays)
{
	struct foster_stats before;

	begin();
	churn(1, TURNS);
	before = stats_now();
	churn(1, TURNS);
	/* But for what somebody keeps by chance, and what is made while a round goes on. */
	assert_true(stats_now().reused - before.reused >=
		    (stats_now().mapped - before.mapped) / 10 * 9);
}

TEST(the_sizes_that_nobody_asks_for_go)
{
	uint64_t reused;

	begin();
	burst(3);
	churn(1, (MANY - BURST) / LOT - 1); /* so that all of them are overlays */
	reused = stats_now().reused;
	fill(3);
	assert_in_range(stats_now().reused - reused, 0, BURST / 4);
}

TEST(rounds_that_somebody_asks_for_leave_the_pool_alone)
{
	uint64_t resting;

	begin();
	burst(1);
	resting = stats_now().pool_ranges;
	collect_times(TURNS);
	assert_in_range(stats_now().pool_ranges, resting, BURST);
}

/* ----------------------------------------------------------------- how much may rest */

#define CROWD 18000u

static void *volatile crowd[CROWD];

static size_t mappings_allowed(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	size_t n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu", &n), 1);
	assert_int_equal(fclose(f), 0);
	return n;
}

static NOINLINE void come_and_go(void)
{
	for (size_t i = 0; i < CROWD; i++)
		crowd[i] = map_pages(1);
	for (size_t i = 0; i < CROWD; i++)
		crowd[i] = NULL;
}

/* More than before would make a program that has 20,000 regions map each of them anew. */
TEST(a_quarter_of_the_mappings_that_are_allowed_may_rest)
{
	const size_t most = mappings_allowed() / 4;

	if (most > CROWD / 10 * 9 + LOT || most < CROWD / 2)
		test_skip("vm.max_map_count is not about 65530");
	begin();
	for (unsigned int i = 0; i < MANY + LOT; i++)
		make_dropped(1);
	come_and_go();
	forget();
	collect_times(ROUNDS);
	test_say("%zu ranges", (size_t)stats_now().pool_ranges);
	assert_in_range(stats_now().pool_ranges, most - LOT, most);
}
