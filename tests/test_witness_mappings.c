/* SPDX-License-Identifier: BSD-2-Clause */
/* Crowds of mappings that ordinary memory holds: a witness keeps them as a sweep would. */
#include "adopting.h"

#include <gc/gc.h>

#define MANY_TIMES 12
#define OVERLAYS 1200u

static NOINLINE void hold_overlays(void *volatile *slots)
{
	for (unsigned int i = 0; i < OVERLAYS; i++)
		slots[i] = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
}

static NOINLINE void drop_overlays(void *volatile *slots)
{
	for (unsigned int i = 0; i < OVERLAYS; i++)
		slots[i] = NULL;
}

TEST(mappings_that_memory_holds_stay_and_go)
{
	void *volatile *slots = calloc(OVERLAYS, sizeof(*slots));

	adopting_begin();
	hold_overlays(slots);
	collect_times(MANY_TIMES);
	assert_int_equal(stats_now().regions, OVERLAYS);
	drop_overlays(slots);
	forget();
	for (int i = 0; i < ROUNDS; i++)
		assert_true(foster_collect(-1) >= 0);
	assert_true(stats_now().regions < 8); /* what libgc's own memory names */
	free((void *)slots);
}

static bool has_been_round(void *before)
{
	return stats_now().rounds > *(uint64_t *)before;
}

/* There is a round that nobody asks for, for the sake of what was dropped. */
static void collect_as_a_host(void)
{
	uint64_t rounds = stats_now().rounds;

	for (int i = 0; i < 8; i++)
		(void)make_dropped(1);
	forget();
	GC_gcollect();
	GC_gcollect();
	assert_true(wait_until(has_been_round, &rounds, 20000));
}

/* As what a sweep keeps: else each collection of the host's would begin a round over all. */
TEST(mappings_that_memory_holds_are_left_alone_for_longer_each_time)
{
	void *volatile *slots = calloc(OVERLAYS, sizeof(*slots));
	struct foster_stats before;

	adopting_begin();
	hold_overlays(slots);
	collect_times(MANY_TIMES);
	sleep_ms(1000); /* what a round or two have spared is no more */
	before = stats_now();
	collect_as_a_host();
	assert_true(stats_now().doubted - before.doubted < OVERLAYS / 4);
	assert_true(stats_now().kept - before.kept < OVERLAYS / 4);
	free((void *)slots);
}
