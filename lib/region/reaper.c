/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/reaper.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/stacks.h"
#include "os/thread.h"
#include "os/vm.h"
#include "region/damage.h"
#include "region/doubt.h"
#include "region/lock.h"
#include "region/pace.h"
#include "region/region.h"
#include "region/round.h"
#include "region/stats.h"
#include "track/sweep.h"

#define ROUNDS_AT_MOST 16	/* collections for one foster_collect() */
#define UNDECIDED_MOST 4u	/* of these, that could decide nothing */
#define UNDECIDED_NS (20 * NS_PER_MS) /* to wait after such a one */
#define THROTTLE_MS 1000	/* that a maker waits at most */
#define RETRY_NS (100 * NS_PER_MS) /* until a refused release or collection is tried again */

/*
 * STOPPED -> STARTING -> RUNNING -> STOPPING -> LEAVING -> STOPPED; STOPPING -> RUNNING
 * when whoever wanted it stopped gave up waiting.  Waiters sleep on it.
 */
enum state { STOPPED, STARTING, RUNNING, STOPPING, LEAVING };
static _Atomic uint32_t state = STOPPED;
static _Atomic int start_error; /* why STARTING became STOPPED; read by who started it */
static __thread bool is_me;

/* Goes up with each ring; the reaper sleeps on it. */
static _Atomic uint32_t bell;
static _Atomic bool asleep;
/* It sleeps with no deadline, since there was nothing that could become idle. */
static _Atomic bool endless;

/* Collections asked for and done, as tickets; askers sleep on served. */
static _Atomic uint32_t asked;
static _Atomic uint32_t served;
/* Why nothing was collected for them; 0: it was. */
static _Atomic int refusal;
/* Goes up after each collection of ours; throttled makers sleep on it. */
static _Atomic uint32_t rounds;

/* A thread unknown to the collector waits for a region; lies on that thread's stack. */
struct make {
	struct make *next;
	size_t span;
	uint32_t number;
	_Atomic uint32_t done;
};
static struct make *_Atomic makes;

bool reaper_is_me(void)
{
	return is_me;
}

void reaper_ring(void)
{
	atomic_fetch_add(&bell, 1);
	/*
	 * Pairs with sleep_until(): it says that it sleeps and then looks at the bell, we
	 * ring and then look whether it sleeps; in one order of all four, one of us sees
	 * the other.
	 */
	if (atomic_load(&asleep))
		futex_wake(&bell);
}

void reaper_notice(void)
{
	/*
	 * Pairs with the fence in rest(): it says so and then looks once more for
	 * regions.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&endless, memory_order_relaxed)))
		reaper_ring();
}

static void sleep_until(uint32_t heard, uint64_t deadline)
{
	atomic_store(&asleep, true);
	if (atomic_load(&bell) == heard)
		futex_wait(&bell, heard, deadline);
	atomic_store(&asleep, false);
}

/* ------------------------------------------------------------------ its work */

/*
 * After done is set the request is gone: a late wake may meet any memory, and does
 * nothing.
 */
static void answer(struct make *make)
{
	make->number = region_create(make->span);
	atomic_store_explicit(&make->done, 1, memory_order_release);
	futex_wake(&make->done);
}

static void make_for_others(void)
{
	struct make *make = atomic_exchange_explicit(&makes, NULL, memory_order_acquire);

	while (make) {
		struct make *next = make->next;

		answer(make);
		make = next;
	}
}

/*
 * Where the sign alone decides: over all in doubt.  False: the kernel refused to release one of
 * them.
 */
static bool settle_doubted(void)
{
	uint32_t number = round_trusts_sign() ? doubt_take_all() : 0;
	bool all = true;

	while (number) {
		struct region *r = region_at(number);
		uint32_t next = atomic_load_explicit(&r->next, memory_order_relaxed);

		FOSTER_SYNC("settle");
		if (region_settle(number) && region_release(number))
			all = false;
		number = next;
	}
	return all;
}

/* When a collection may be tried again; written by the reaper. */
static _Atomic uint64_t refused_until;

static int collect_unless_refused(enum round_why why)
{
	int err;

	thread_wipe_stack();
	err = gc_disabled() ? -EBUSY : round_run(why);
	if (err != -EBUSY)
		stats_add(asked, 1);
	if (!err)
		return 0;
	stats_add(refused, err == -EBUSY);
	refused_until = clock_ns() + RETRY_NS;
	return err;
}

/*
 * One collection and its consequences; how many regions were released, or a negative
 * errno.
 */
static int64_t collect_once(enum round_why why)
{
	uint64_t before = stats_get(released);
	uint64_t start = clock_ns();
	uint64_t released;
	int err;

	pace_collects();
	err = collect_unless_refused(why);
	(void)settle_doubted();
	(void)vm_spare_mappings();
	/* Who asked is to have the answer first; what nobody asked for is paid for as a whole. */
	if (why != ROUND_ASKED)
		sweep_rest();
	released = stats_get(released) - before;
	pace_collected(clock_ns() - start, !err, released != 0);
	atomic_fetch_add_explicit(&rounds, 1, memory_order_release);
	futex_wake(&rounds);
	return err ? err : (int64_t)released;
}

/*
 * Until as many rounds in a row released nothing as may pass before a sign counts, and one
 * more for what only a finalizer of the host held.
 */
static int collect_all(void)
{
	const unsigned int enough = gc_signs_needed() + 1;
	unsigned int in_vain = 0, undecided = 0;

	for (int i = 0; i < ROUNDS_AT_MOST && in_vain < enough; i++) {
		int64_t released = collect_once(ROUND_ASKED);

		if (released >= 0)
			in_vain = released ? 0 : in_vain + 1;
		else if (released != -EAGAIN || ++undecided == UNDECIDED_MOST)
			return (int)released;
		else
			thread_nap(UNDECIDED_NS);
	}
	return 0;
}

static bool collect_for_askers(void)
{
	uint32_t ticket = atomic_load_explicit(&asked, memory_order_acquire);

	if (ticket == atomic_load_explicit(&served, memory_order_relaxed))
		return false;
	atomic_store(&refusal, collect_all());
	atomic_store_explicit(&served, ticket, memory_order_release);
	futex_wake(&served);
	return true;
}

static void empty_pool(uint64_t down_to)
{
	while (stats_get(pool_ranges) > down_to && region_unpool() == 0)
		;
}

/* An idle moment: collect, and halve a pool that nobody took from meanwhile. */
static void idle(void)
{
	static uint64_t reused_before;
	uint64_t reused = stats_get(reused);

	stats_add(idle, 1);
	(void)collect_once(ROUND_IDLE);
	if (reused == reused_before)
		empty_pool(stats_get(pool_ranges) / 2);
	reused_before = reused;
}

/* Where they come one after the other, what the pool has too much of is a burden to each. */
static void collect_due(void)
{
	(void)collect_once(ROUND_DUE);
	region_unpool_surplus();
}

static bool collect_if_due(void)
{
	if (collect_for_askers())
		return true;
	if (gc_disabled() || clock_ns() < refused_until)
		return false;
	if (pace_due())
		collect_due();
	else if (doubt_any() && pace_round())
		(void)collect_once(ROUND_DOUBTS);
	else if (pace_idle())
		idle();
	else
		return false;
	return true;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_deadline(bool settled)
{
	uint64_t idle_at = gc_disabled() ? UINT64_MAX : pace_idle_at();
	uint64_t now = clock_ns();

	if (!settled || now < refused_until)
		return sooner(idle_at, now + RETRY_NS);
	if (doubt_any())
		idle_at = sooner(idle_at, pace_round_at());
	return gc_disabled() ? idle_at : sooner(idle_at, pace_due_at());
}

static void rest(uint32_t heard, bool settled)
{
	uint64_t deadline = next_deadline(settled);

	if (deadline == UINT64_MAX && pace_has_idle()) {
		atomic_store_explicit(&endless, true, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		deadline = next_deadline(settled);
	}
	sleep_until(heard, deadline);
	atomic_store(&endless, false);
}

static void serve(void)
{
	while (true) {
		/* Before all that is looked at, the state too: who rings later is heard later. */
		uint32_t heard = atomic_load(&bell);
		bool settled;

		FOSTER_SYNC("serving");
		if (atomic_load_explicit(&state, memory_order_acquire) == STOPPING)
			return;
		make_for_others();
		damage_report();
		settled = settle_doubted();
		if (collect_if_due())
			continue;
		sweep_rest();
		rest(heard, settled);
	}
}

/* ------------------------------------------------------------------ start and stop */

static void become(enum state to)
{
	atomic_store_explicit(&state, to, memory_order_release);
	futex_wake(&state);
}

/* Nobody may wait for a thread that is gone: who asked before is served. */
static void serve_last(void)
{
	make_for_others();
	sweep_rest();
	empty_pool(0);
	atomic_store(&served, atomic_load(&asked));
	futex_wake(&served);
}

static void run(_unused_ void *arg)
{
	uint32_t stopping;
	int err = gc_thread_enter();

	atomic_store(&start_error, err);
	if (err) {
		become(STOPPED);
		return;
	}
	is_me = true;
	stacks_note();
	become(RUNNING);
	do {
		serve();
		serve_last();
		stopping = STOPPING;
	} while (!atomic_compare_exchange_strong(&state, &stopping, LEAVING));
	gc_thread_leave();
	become(STOPPED);
}

static int start_thread(void)
{
	int open[GC_SIGNALS];
	int r;

	gc_signals(open);
	r = thread_start("foster-reaper", run, NULL, open, GC_SIGNALS);
	if (r) {
		atomic_store(&start_error, r);
		become(STOPPED);
	}
	return r;
}

/* Waits until the state is no longer this one.  False: the deadline came first. */
static bool wait_while(uint32_t now, uint64_t deadline)
{
	while (atomic_load_explicit(&state, memory_order_acquire) == now) {
		if (deadline != UINT64_MAX && clock_ns() >= deadline)
			return false;
		futex_wait(&state, now, deadline);
	}
	return true;
}

int reaper_start(void)
{
	uint32_t now;

	/* Code of a user on the reaper itself: it is there, even if it is to stop. */
	if (is_me)
		return 0;
	while ((now = atomic_load_explicit(&state, memory_order_acquire)) != RUNNING) {
		int r = 0;

		if (now == STOPPED && atomic_compare_exchange_strong(&state, &now, STARTING)) {
			now = STARTING;
			r = start_thread();
		}
		if (!r && now != STOPPED)
			(void)wait_while(now, UINT64_MAX);
		if (!r && now == STARTING)
			r = atomic_load(&start_error);
		if (r)
			return r;
	}
	return 0;
}

int reaper_stop(uint64_t deadline)
{
	uint32_t now = RUNNING;

	fo_assert(!is_me && !region_locked());
	if (!atomic_compare_exchange_strong(&state, &now, STOPPING))
		return 0;
	reaper_ring();
	FOSTER_SYNC("stop-rung");
	if (wait_while(STOPPING, deadline)) {
		(void)wait_while(LEAVING, UINT64_MAX);
		return 0;
	}
	now = STOPPING;
	return atomic_compare_exchange_strong(&state, &now, RUNNING) ? -ETIMEDOUT : 0;
}

/* ------------------------------------------------------------------ for other threads */

uint32_t reaper_make(size_t span)
{
	struct make make = { .span = span };

	fo_assert(!is_me && !region_locked());
	/*
	 * Here an error can be returned; once the request is out it must be waited for.
	 */
	if (reaper_start())
		return 0;
	make.next = atomic_load_explicit(&makes, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&makes, &make.next, &make,
						      memory_order_release,
						      memory_order_relaxed))
		;
	reaper_ring();
	while (!atomic_load_explicit(&make.done, memory_order_acquire)) {
		/* It may have been stopping while we asked. */
		if (reaper_start())
			continue;
		futex_wait(&make.done, 0, UINT64_MAX);
	}
	return make.number;
}

static bool is_served(uint32_t ticket)
{
	return (int32_t)(atomic_load_explicit(&served, memory_order_acquire) - ticket) >= 0;
}

int reaper_collect(uint64_t deadline)
{
	uint32_t ticket = atomic_fetch_add(&asked, 1) + 1;
	int r;

	fo_assert(!is_me && !region_locked());
	reaper_ring();
	/* Started inside the loop: it may have been stopping while we asked. */
	while (!(r = reaper_start()) && !is_served(ticket)) {
		uint32_t now = atomic_load(&served);

		if (deadline != UINT64_MAX && clock_ns() >= deadline)
			return deadline ? -ETIMEDOUT : 0;
		if (!is_served(ticket))
			futex_wait(&served, now, deadline);
	}
	return r ? r : atomic_load(&refusal);
}

/*
 * Waits until the collector has caught up with the makers of regions, a second at most.  What is waited
 * for was due when first was the number of rounds.
 */
static void throttle(uint32_t first)
{
	uint64_t deadline = deadline_in(THROTTLE_MS);
	uint32_t round;

	stats_add(throttled, 1);
	thread_wipe_stack();
	/* At least one round: only its end has released what its collection found. */
	while ((round = atomic_load_explicit(&rounds, memory_order_acquire)) == first ||
	       pace_overrun()) {
		if (clock_ns() >= deadline)
			return;
		reaper_ring();
		futex_wait(&rounds, round, deadline);
	}
}

void reaper_pace(void)
{
	/* Before pace is asked: that round may end meanwhile, and there may be no other. */
	uint32_t first = atomic_load(&rounds);

	reaper_ring();
	/* Nothing would come of waiting while the host lets nobody collect. */
	if (is_me || gc_disabled() || clock_ns() < refused_until + RETRY_NS)
		return;
	if (!pace_fast() && !pace_overrun())
		return;
	FOSTER_SYNC("throttling");
	throttle(first);
}

static int collect_here_or_there(void)
{
	int64_t released;

	if (!is_me)
		return reaper_collect(UINT64_MAX);
	released = collect_once(ROUND_ASKED);
	return released < 0 ? (int)released : 0;
}

void reaper_relieve(void)
{
	empty_pool(0);
	if (collect_here_or_there())
		return;
	/*
	 * What was released just now went into the pool.  Emptied, its ranges are
	 * ordinary again, but their objects are free only after one more collection, and
	 * libgc does not run one when its heap cannot grow.
	 */
	empty_pool(0);
	(void)!collect_here_or_there();
}

void reaper_after_fork(void)
{
	atomic_store(&state, STOPPED);
	atomic_store(&makes, NULL);
	atomic_store(&served, atomic_load(&asked));
	atomic_store(&asleep, false);
	is_me = false;
}
