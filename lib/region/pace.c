/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/pace.h"

#include <stdatomic.h>

#include "base/check.h"
#include "gc/gc.h"
#include "os/thread.h"
#include "region/stats.h"

#define REGIONS_DEFAULT 1024u
#define REGIONS_FAST 2048u /* instead, of small ones that come fast */
#define MIB_DEFAULT 256u
#define IDLE_MS_DEFAULT 2000u
#define BUDGET_DEFAULT 10u
#define BACKOFF_MAX 6 /* doublings of the idle wait: 64 times */

#define MIB_SHIFT 20
#define MAPPINGS_PER_REGION 2 /* its own, and one of the collector's heap beside it */
#define MAPPINGS_OF_HOST 1024
#define REGIONS_LEAST 256u /* asked for no more often, even when mappings get scarce */
#define ADDRESSES_PER_BYTE 256 /* addresses without memory weigh as much less */
#define OVERRUN 2	   /* limits, at which makers wait */
#define BYTES_REST_NS NS_PER_MS
#define FAST_NS 20000ull   /* a region; who makes them faster waits for each collection */
#define FAST_BYTES ((size_t)16 << 20) /* more than that is not left lying for the sake of speed */
#define SCARCE_REGIONS 64u /* since the last collection, at which they wait when mappings are scarce */

/*
 * Since the last round began.  Collections of the host's bring doubts, not room; but where their
 * sign alone decides, they count too, and whoever notices one begins anew.
 */
static _Atomic size_t regions_since;
static _Atomic size_t bytes_since;
static _Atomic uint32_t cycle;
static _Atomic bool sign_decides;
static _Atomic uint64_t first_since; /* clock_ns() of the first of them */
static _Atomic uint64_t bytes_at;    /* clock_ns() when bytes_since last reached its limit */

/* Computed after each collection of ours from what lives. */
static _Atomic size_t regions_limit;
static _Atomic size_t regions_limit_fast; /* no smaller */
static _Atomic size_t bytes_limit;

/* Set by pace_start(); a late reader of the options before merely paces as they said. */
static _Atomic unsigned int opt_regions;
static _Atomic unsigned int opt_regions_fast;
static _Atomic unsigned int opt_mib;
static _Atomic unsigned int opt_idle_ms;
static _Atomic unsigned int opt_budget;
static _Atomic size_t max_mappings;

/* The reaper's own. */
static size_t regions_before; /* of regions_since, when the round began */
static size_t bytes_before;
static uint32_t idle_cycle;
static _Atomic uint64_t idle_since; /* clock_ns() of the last collection that was noticed */
static uint64_t idle_cost;  /* of our last collection */
static unsigned int idle_backoff;
static uint64_t idle_mapped; /* stats.mapped when the back-off was last looked at */

static unsigned int or_default(unsigned int value, unsigned int by_default)
{
	return value ? value : by_default;
}

static size_t at_least(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Ranges in use, and as many as the system's limit of mappings allows.  The pool is room.
 */
static size_t ranges_now(void)
{
	return stats_get(regions) + stats_get(revoked);
}

static size_t ranges_ceiling(void)
{
	return (max_mappings - at_most(max_mappings, MAPPINGS_OF_HOST)) / MAPPINGS_PER_REGION;
}

static size_t less(uint64_t a, size_t b)
{
	return a > b ? (size_t)a - b : 0;
}

/*
 * Half of what survived, so that the cost of a round spreads over as many new regions.  What was made
 * meanwhile is of the next.  Nor more than nearly all that there is room for: near the ceiling a round
 * is dear, and few regions share its cost; who maps fast waits for it.
 */
static void compute_limits(void)
{
	size_t room = ranges_ceiling() - at_most(ranges_ceiling(), ranges_now());
	size_t most = at_least(room - room / 32, REGIONS_LEAST);
	size_t regions =
		at_least(opt_regions, less(stats_get(regions), regions_since) / 2);

	regions = at_most(regions, most);
	atomic_store_explicit(&regions_limit, regions, memory_order_relaxed);
	atomic_store_explicit(&regions_limit_fast,
			      at_least(regions, at_most(opt_regions_fast, most)),
			      memory_order_relaxed);
	atomic_store_explicit(&bytes_limit,
			      at_least((size_t)opt_mib << MIB_SHIFT,
				       less(stats_get(bytes), bytes_since) / 2),
			      memory_order_relaxed);
}

void pace_start(const struct foster_options *opts, size_t mappings)
{
	opt_regions = or_default(opts->collect_regions, REGIONS_DEFAULT);
	opt_regions_fast = or_default(opts->collect_regions, REGIONS_FAST);
	opt_mib = or_default(opts->collect_mib, MIB_DEFAULT);
	opt_idle_ms = or_default(opts->idle_collect_ms, IDLE_MS_DEFAULT);
	opt_budget = or_default(opts->idle_budget_permille, BUDGET_DEFAULT);
	max_mappings = mappings;
	sign_decides = opts->sweep == FOSTER_SWEEP_OFF || gc_sees_all();
	idle_since = clock_ns();
	compute_limits();
}

/* Two threads may both notice; then a few regions are not counted, which only delays. */
static void notice_collection(void)
{
	uint32_t now;

	if (!sign_decides)
		return;
	now = gc_cycles();
	if (atomic_load_explicit(&cycle, memory_order_relaxed) == now)
		return;
	atomic_store_explicit(&cycle, now, memory_order_relaxed);
	atomic_store_explicit(&regions_since, 0, memory_order_relaxed);
	atomic_store_explicit(&bytes_since, 0, memory_order_relaxed);
}

static bool regions_reached(size_t times)
{
	return atomic_load_explicit(&regions_since, memory_order_relaxed) >=
	       times * atomic_load_explicit(&regions_limit, memory_order_relaxed);
}

static bool bytes_reached(size_t times)
{
	return atomic_load_explicit(&bytes_since, memory_order_relaxed) / times >=
	       atomic_load_explicit(&bytes_limit, memory_order_relaxed);
}

/* Until when, if no more are made, they have come fast. */
static uint64_t fast_until(void)
{
	uint64_t regions = atomic_load_explicit(&regions_since, memory_order_relaxed);

	return atomic_load_explicit(&first_since, memory_order_relaxed) + regions * FAST_NS;
}

/*
 * When a round is due for the number of regions.  Half of its cost is the same for one or a thousand, and
 * who makes small ones fast has the next thousand there in no time.
 */
static uint64_t regions_due_at(void)
{
	if (!regions_reached(1))
		return UINT64_MAX;
	if (atomic_load_explicit(&regions_since, memory_order_relaxed) >= regions_limit_fast ||
	    atomic_load_explicit(&bytes_since, memory_order_relaxed) >= FAST_BYTES)
		return 0;
	return fast_until();
}

static bool since_reached(size_t times)
{
	return regions_reached(times) || bytes_reached(times);
}

static bool is_scarce(void)
{
	return ranges_now() >= ranges_ceiling() &&
	       atomic_load_explicit(&regions_since, memory_order_relaxed) >= SCARCE_REGIONS;
}

bool pace_note(size_t span)
{
	size_t before, regions;

	notice_collection();
	regions = atomic_fetch_add_explicit(&regions_since, 1, memory_order_relaxed);
	if (!regions)
		atomic_store_explicit(&first_since, clock_ns(), memory_order_relaxed);
	before = atomic_fetch_add_explicit(&bytes_since, span, memory_order_relaxed);
	if (before < bytes_limit && bytes_reached(1))
		atomic_store_explicit(&bytes_at, clock_ns(), memory_order_relaxed);
	/* At the limit itself, too: the reaper is to know when they will not have come fast any more. */
	return regions + 1 == regions_limit || bytes_reached(1) || is_scarce() ||
	       (regions_reached(1) && clock_ns() >= regions_due_at());
}

/* Those that were made before the last round are not counted any more. */
static void uncount(size_t less)
{
	size_t bytes = atomic_load_explicit(&bytes_since, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(
		&bytes_since, &bytes, bytes - at_most(bytes, less), memory_order_relaxed,
		memory_order_relaxed))
		;
}

void pace_closed(size_t span)
{
	uncount(span - span / ADDRESSES_PER_BYTE);
}

/*
 * One large region makes a round due, and may be closed at once.  So a round for bytes alone comes when
 * they have been there for as long as a round takes.
 */
static uint64_t bytes_due_at(void)
{
	return bytes_reached(1) ? bytes_at + at_least(idle_cost, BYTES_REST_NS) : UINT64_MAX;
}

uint64_t pace_due_at(void)
{
	uint64_t for_regions, for_bytes;

	notice_collection();
	if (is_scarce())
		return 0;
	for_regions = regions_due_at();
	for_bytes = bytes_due_at();
	return for_regions < for_bytes ? for_regions : for_bytes;
}

bool pace_due(void)
{
	return clock_ns() >= pace_due_at();
}

bool pace_overrun(void)
{
	notice_collection();
	return since_reached(OVERRUN) || is_scarce();
}

bool pace_fast(void)
{
	return (bytes_reached(1) || regions_due_at() == 0) && clock_ns() < fast_until();
}

void pace_collects(void)
{
	regions_before = regions_since;
	bytes_before = bytes_since;
}

void pace_collected(uint64_t cost, bool decided, bool released)
{
	if (decided && !sign_decides) {
		regions_since -= regions_before;
		uncount(bytes_before);
		first_since = clock_ns();
	}
	compute_limits();
	idle_since = clock_ns();
	idle_cycle = gc_cycles();
	idle_cost = cost;
	if (released)
		idle_backoff = 0;
	else if (idle_backoff < BACKOFF_MAX)
		idle_backoff++;
}

/* What idle moments are for: regions that may go, and a pool to make smaller. */
static bool anything_there(void)
{
	return stats_get(regions) + stats_get(revoked) > stats_get(unseen) ||
	       stats_get(pool_ranges);
}

/* The rest that the last round's cost asks for. */
static uint64_t rest_after(void)
{
	return idle_cost * 1000 / opt_budget;
}

uint64_t pace_round_at(void)
{
	return idle_since + rest_after();
}

bool pace_round(void)
{
	return clock_ns() >= pace_round_at();
}

bool pace_has_idle(void)
{
	return opt_idle_ms != FOSTER_NEVER;
}

uint64_t pace_idle_at(void)
{
	uint64_t wait = ((uint64_t)opt_idle_ms << idle_backoff) * NS_PER_MS;
	uint64_t rest = rest_after();

	if (!pace_has_idle() || !anything_there())
		return UINT64_MAX;
	return idle_since + (wait > rest ? wait : rest);
}

bool pace_idle(void)
{
	uint64_t now = clock_ns();

	/* They say nothing about regions that the collector does not track. */
	if (gc_cycles() != idle_cycle && !stats_get(in_place)) {
		idle_cycle = gc_cycles();
		idle_since = now;
	}
	/* What is new may be short-lived. */
	if (stats_get(mapped) != idle_mapped) {
		idle_mapped = stats_get(mapped);
		idle_backoff = 0;
	}
	return now >= pace_idle_at();
}
