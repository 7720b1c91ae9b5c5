// SPDX-License-Identifier: BSD-2-Clause
/* What one thread has to itself until another comes: see lib/bpf/solo.h. */
#include "../refuse.h"

#include <sched.h>

#include "base/sync.h"
#include "bpf/solo.h"

/* Memory without which nobody comes out. */
static _Atomic uint64_t alive;

static struct solo solo;
static struct moment waits;
static _Atomic int entered;

static int enter_and_leave(void)
{
	const int r = solo_enter(&solo, &alive);

	if (r > 0)
		solo_leave(&solo);
	return r;
}

static void *enter(void *arg)
{
	entered = enter_and_leave();
	return arg;
}

static void init(void)
{
	solo_init(&solo);
	if (solo.owner == SOLO_EVERYBODY)
		test_skip("membarrier(2) is refused here");
}

static void announce_wait(const char *name)
{
	if (strcmp(name, "solo-waits") == 0)
		moment_announce(&waits);
}

TEST(who_comes_first_has_it_alone)
{
	init();
	assert_int_equal(enter_and_leave(), 1);
	assert_true(solo_have(&solo));
}

TEST(a_second_thread_waits_until_the_first_is_out)
{
	pthread_t second;

	init();
	assert_int_equal(solo_enter(&solo, &alive), 1);
	sync_hook = announce_wait;
	entered = -1;
	second = thread_begin(enter, NULL);
	moment_await(&waits);
	sleep_ms(20);
	assert_int_equal(entered, -1);
	assert_false(solo_have(&solo));
	solo_leave(&solo);
	thread_end(second);
	assert_int_equal(entered, 1);
}

TEST(who_has_lost_it_gets_it_back)
{
	init();
	assert_int_equal(enter_and_leave(), 1);
	on_plain_thread(enter, NULL);
	assert_false(solo_have(&solo));
	assert_int_equal(enter_and_leave(), 1);
	assert_true(solo_have(&solo));
}

TEST(after_a_few_moves_it_is_everybodys)
{
	int moves = 0;

	init();
	do {
		on_plain_thread(enter, NULL);
		moves++;
	} while (entered == 1 && enter_and_leave() == 1 && ++moves < 100);
	assert_in_range(moves, SOLO_MOVES, SOLO_MOVES + 2);
	on_plain_thread(enter, NULL);
	assert_int_equal(entered, 0);
	assert_int_equal(enter_and_leave(), 0);
}

/* ---------------------------------------------------------------------------- meetings */

#define SPOTS 4000
#define TIMES 3000
#define SPINS 20000
#define MOST_MS 5000

/* Only who is alone inside adds to the sum. */
struct spot {
	struct solo solo;
	unsigned long sum;
	_Atomic int comers;
	_Atomic unsigned long alone;
};

static struct spot *spots;
static _Atomic bool over;

/* The other thread is where this one is, or the time is over.  It may not be running. */
static bool meets(struct spot *spot)
{
	atomic_fetch_add(&spot->comers, 1);
	for (int i = 0; spot->comers < 2 && !over; i++)
		if (i > SPINS)
			sched_yield();
	return !over;
}

static void take_turns(struct spot *spot)
{
	unsigned long alone = 0;

	for (int i = 0; i < TIMES; i++) {
		if (solo_enter(&spot->solo, &alive) < 1)
			break;
		*(volatile unsigned long *)&spot->sum += 1;
		alone++;
		solo_leave(&spot->solo);
	}
	atomic_fetch_add(&spot->alone, alone);
}

static void *meet_everywhere(void *arg)
{
	const uint64_t end = now_ms() + MOST_MS;

	for (int i = 0; i < SPOTS && meets(&spots[i]); i++) {
		take_turns(&spots[i]);
		if (now_ms() > end)
			over = true;
	}
	return arg;
}

TEST(two_are_never_inside)
{
	pthread_t other;

	init();
	spots = calloc(SPOTS, sizeof(*spots));
	for (int i = 0; i < SPOTS; i++)
		solo_init(&spots[i].solo);
	other = thread_begin(meet_everywhere, NULL);
	meet_everywhere(NULL);
	thread_end(other);
	for (int i = 0; i < SPOTS; i++)
		assert_int_equal(spots[i].sum, spots[i].alone);
	free(spots);
}

/* -------------------------------------------------------------------- without barriers */

TEST(without_barriers_it_is_everybodys_from_the_start)
{
	refuse(SYS_membarrier, 0, EPERM);
	solo_init(&solo);
	assert_int_equal(enter_and_leave(), 0);
}

TEST(where_barriers_end_only_the_first_goes_on)
{
	init();
	assert_int_equal(enter_and_leave(), 1);
	refuse(SYS_membarrier, 0, ENOSYS);
	on_plain_thread(enter, NULL);
	assert_int_equal(entered, -EPERM);
	assert_int_equal(enter_and_leave(), 1);
}

/* -------------------------------------------------------------------------------- fork */

static struct moment inside, forked;

static void *stay_inside(void *arg)
{
	entered = solo_enter(&solo, &alive);
	moment_announce(&inside);
	moment_await(&forked);
	solo_leave(&solo);
	return arg;
}

static void enter_in_child(void *arg UNUSED)
{
	solo_forked(&solo);
	child_check(enter_and_leave() == 0);
}

TEST(the_child_of_fork_does_not_wait_for_a_thread_that_it_has_not)
{
	pthread_t other;

	init();
	other = thread_begin(stay_inside, NULL);
	moment_await(&inside);
	assert_child_passes(enter_in_child, NULL);
	moment_announce(&forked);
	thread_end(other);
	assert_int_equal(entered, 1);
}

static void go_on_in_child(void *arg UNUSED)
{
	solo_forked(&solo);
	child_check(solo_have(&solo));
}

TEST(the_thread_that_forks_still_has_it_in_the_child)
{
	init();
	assert_int_equal(enter_and_leave(), 1);
	assert_child_passes(go_on_in_child, NULL);
}
