/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounds that nobody asked for: they are due when so much has been made, and cost the host one
 * collection each.
 */
#include "support.h"

#include "base/sync.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define LOT 200 /* regions that make a round due */
#define MOST 400

static void *volatile kept;

static void begin(void)
{
	struct foster_options options = { .size = sizeof(options),
					  .collect_regions = LOT,
					  .idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
}

/* Regions are made and dropped until a round has ended. */
static NOINLINE void make_until_round(void)
{
	const uint64_t before = stats_now().rounds;

	for (int i = 0; i < MOST * LOT && stats_now().rounds == before; i++)
		make_dropped(1);
	assert_true(stats_now().rounds > before);
}

static bool is_quiet(void *arg)
{
	uint64_t *rounds = arg;
	uint64_t before = *rounds;

	*rounds = stats_now().rounds;
	sleep_ms(20);
	return *rounds == before;
}

static void wait_until_quiet(void)
{
	uint64_t rounds = UINT64_MAX;

	assert_true(wait_until(is_quiet, &rounds, 5000));
}

TEST(a_round_that_is_due_collects_once)
{
	struct foster_stats before;
	unsigned long collections;

	begin();
	wait_until_quiet();
	before = stats_now();
	collections = GC_get_gc_no();
	for (int i = 0; i < 5; i++)
		make_until_round();
	wait_until_quiet();
	collections = GC_get_gc_no() - collections;
	assert_true(stats_now().released >= before.released + LOT);
	assert_int_equal(collections, stats_now().rounds - before.rounds);
}

/* ----------------------------------------------------------------- makers that wait */

static _Atomic bool raced;
static uint64_t ended_at;

/* The round that a maker is about to wait for ends before it waits. */
static void end_the_round(const char *point)
{
	if (strcmp(point, "throttling") != 0 || atomic_exchange(&raced, true))
		return;
	assert_true(foster_collect(20000) >= 0);
	wait_until_quiet();
	ended_at = now_ms();
}

TEST(a_maker_does_not_wait_for_a_round_that_has_ended)
{
	begin();
	sync_hook = end_the_round;
	for (int i = 0; i < MOST * LOT && !atomic_load(&raced); i++)
		assert_ptr_not_equal(foster_mmap(NULL, page_size(), PROT_READ,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				     MAP_FAILED);
	sync_hook = NULL;
	assert_true(atomic_load(&raced));
	/* Nobody else makes a region, so that no other round would come: it would wait for a second. */
	assert_in_range(now_ms() - ended_at, 0, 900);
}

/* Its sign comes with the collection of one, and the next decides. */
TEST(what_is_dropped_late_goes_with_rounds_that_are_due)
{
	struct mark mark;

	begin();
	mark = make_memfd_region(&kept, 1, AT_BASE);
	make_until_round();
	make_until_round();
	assert_true(mark_is_mapped(&mark));
	kept = NULL;
	forget();
	for (int i = 0; i < 4 && mark_is_mapped(&mark); i++) {
		make_until_round();
		wait_until_quiet();
	}
	assert_false(mark_is_mapped(&mark));
}

static void *volatile pinned[LOT];
static _Atomic bool all_pinned;

static void wait_for_pins(const char *point)
{
	while (!strcmp(point, "round") && !all_pinned)
		sleep_ms(1);
}

/* Nothing is new that can be in doubt, and yet the old has its sign. */
TEST(what_is_old_has_a_sign_from_a_round_that_has_nothing_to_decide)
{
	struct mark mark;

	begin();
	mark = make_memfd_region(&kept, 1, AT_BASE);
	collect_times(1);
	kept = NULL;
	forget();
	sync_hook = wait_for_pins;
	for (size_t i = 0; i < COUNT_OF(pinned); i++) {
		make_memfd_region(&pinned[i], 1, AT_BASE);
		assert_int_equal(foster_pin((void *)pinned[i]), 0);
		if (i == 0)
			sleep_ms(20); /* who is fast waits for the round before it can pin */
	}
	all_pinned = true;
	for (int i = 0; i < 250 && mark_is_mapped(&mark); i++)
		sleep_ms(20);
	assert_false(mark_is_mapped(&mark));
}

static NOINLINE void adopt_and_close(void)
{
	const size_t bytes = (size_t)4 << 30;
	volatile char *at;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (at = p; at < p + bytes; at += 2 << 20)
		*at = 1; /* so that it takes a while to give it back */
	assert_ptr_equal(foster_adopt(p, bytes, NULL, NULL), p);
	assert_int_equal(foster_close(p), 0);
}

/* Their addresses count little: they are not many before a round comes for their number. */
TEST(what_is_closed_at_once_asks_for_few_rounds)
{
	uint64_t before;

	begin();
	wait_until_quiet();
	before = stats_now().rounds;
	for (int i = 0; i < LOT / 2; i++)
		adopt_and_close();
	before = stats_now().rounds - before;
	test_say("%lu rounds beside %d", (unsigned long)before, LOT / 2);
	assert_true(before <= LOT / 8);
}

/* ----------------------------------------------------------------- small ones that come fast */

#define LIMIT 1024u /* that make a round due, as nothing else is said */
#define BURST 1500u /* and not yet twice as many */
#define TRIES 50

static void begin_with_defaults(void)
{
	struct foster_options options = { .size = sizeof(options),
					  .idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
}

/* The count begins anew. */
static void settle(void)
{
	wait_until_quiet();
	assert_true(foster_collect(20000) >= 0);
}

static NOINLINE void make_many(size_t regions, size_t pages)
{
	for (size_t i = 0; i < regions; i++)
		assert_ptr_not_equal(foster_mmap(NULL, pages * page_size(), PROT_READ,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				     MAP_FAILED);
}

/* Has a round ended when so many have been made? */
static bool does_round_come(size_t regions, size_t pages)
{
	uint64_t rounds;

	settle();
	rounds = stats_now().rounds;
	make_many(regions, pages);
	return stats_now().rounds > rounds;
}

/* No machine is fast at all times; once is enough. */
static void assert_round_can_come(bool comes, size_t regions, size_t pages)
{
	int tries = 0;

	while (tries < TRIES && does_round_come(regions, pages) != comes)
		tries++;
	assert_in_range(tries, 0, TRIES - 1);
}

TEST(small_ones_that_come_fast_share_a_round)
{
	begin_with_defaults();
	assert_round_can_come(false, BURST, 1);
}

TEST(twice_as_many_are_waited_for_at_most)
{
	begin_with_defaults();
	assert_round_can_come(true, 2 * LIMIT + 1, 1);
}

TEST(large_ones_that_come_fast_do_not_share_a_round)
{
	begin_with_defaults();
	assert_round_can_come(true, LIMIT + 1, 16);
}

TEST(who_says_how_many_make_a_round_due_is_heeded)
{
	begin();
	assert_round_can_come(true, LOT + 1, 1);
}

static bool have_gone(void *before)
{
	return stats_now().released - *(uint64_t *)before > BURST / 10 * 9;
}

TEST(when_no_more_come_the_round_is_due)
{
	uint64_t before;

	begin_with_defaults();
	settle();
	before = stats_now().released;
	make_many(BURST, 1);
	assert_true(wait_until(have_gone, &before, 10000));
}
