/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/core.h"

#include <errno.h>
#include <foster/foster.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/result.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/maps.h"
#include "os/stacks.h"
#include "os/thread.h"
#include "os/vm.h"
#include "region/callback.h"
#include "region/collect.h"
#include "region/inherit.h"
#include "region/lock.h"
#include "region/pace.h"
#include "region/pool.h"
#include "region/reaper.h"
#include "region/region.h"
#include "region/round.h"
#include "region/stats.h"
#include "track/sweep.h"

#define OPTIONS_V1 sizeof(struct foster_options)
#define POOL_MIB_DEFAULT 256u
#define POOL_SHARE 4u /* one in so many of the mappings that the system allows */
#define MIB_SHIFT 20
#define EXIT_MS 1000 /* that the end of the process waits for our thread */

/*
 * Serialises initialisation.  Outermost of our locks, and the only one under which the
 * collector is called: its own start must not run twice.  The lock of regions nests in
 * it.
 */
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static __thread bool inside; /* this thread holds it: a hook of the host called us */

/* Set with release when all is complete; the only thing that others look at. */
static _Atomic bool initialised;
/* Done once in the life of the process; guarded by starting. */
static bool collector_started;
static bool handlers_registered;

/* ------------------------------------------------------------------ fork */

static void before_fork(void)
{
	if (!inside)
		pthread_mutex_lock(&starting);
	region_lock();
}

static void after_fork_parent(void)
{
	region_unlock();
	if (!inside)
		pthread_mutex_unlock(&starting);
}

static void after_fork_child(void)
{
	region_lock_reset();
	maps_after_fork();
	sweep_after_fork();
	gc_after_fork();
	reaper_after_fork();
	region_judging_after_fork();
	regions_inherit();
	pthread_mutex_init(&starting, NULL);
	inside = false;
}

/* ------------------------------------------------------------------ start */

static void take_options(const struct foster_options *opts)
{
	unsigned int mib = opts->pool_mib ? opts->pool_mib : POOL_MIB_DEFAULT;
	size_t mappings = vm_max_mappings();

	region_lock();
	pool_set_limit(mib == FOSTER_NEVER ? 0 : (size_t)mib << MIB_SHIFT, mappings / POOL_SHARE);
	region_unlock();
	pace_start(opts, mappings);
	round_set_way(opts->sweep);
}

static int start_once(void)
{
	int r;

	if (!collector_started) {
		r = gc_start(region_sign, region_each_object);
		if (r)
			return r;
		collector_started = true;
	}
	/*
	 * After the collector's own handlers: before fork ours run first then, and the
	 * locks are taken in the order of their ranks.
	 */
	if (!handlers_registered) {
		r = fork_handlers(before_fork, after_fork_parent, after_fork_child);
		if (r)
			return r;
		handlers_registered = true;
	}
	return 0;
}

static int start(const struct foster_options *opts)
{
	int r;

	if (atomic_load_explicit(&initialised, memory_order_relaxed))
		return -EALREADY;
	r = start_once();
	if (r)
		return r;
	take_options(opts);
	(void)vm_spare_mappings(); /* later, if not now */
	maps_open();
	sweep_open();
	r = reaper_start();
	if (r)
		return r;
	FOSTER_SYNC("init-complete");
	/*
	 * Pairs with the acquire in core_ready(): who sees it sees all that was set up.
	 */
	atomic_store_explicit(&initialised, true, memory_order_release);
	return 0;
}

static int start_serialised(const struct foster_options *opts)
{
	int r;

	if (inside)
		return -EDEADLK;
	pthread_mutex_lock(&starting);
	inside = true;
	r = start(opts);
	inside = false;
	pthread_mutex_unlock(&starting);
	return r;
}

int core_ready(void)
{
	static const struct foster_options defaults = FOSTER_OPTIONS_INIT;
	int r = 0;

	if (unlikely(!atomic_load_explicit(&initialised, memory_order_acquire)))
		r = start_serialised(&defaults);
	if (r && r != -EALREADY)
		return r;
	/* It may have been stopped, or be absent after fork. */
	return reaper_start();
}

FOSTER_EXPORT int foster_init(const struct foster_options *opts)
{
	struct foster_options mine;
	int r;

	stacks_note();
	if (!opts)
		return result(core_ready());
	r = sized_in(&mine, sizeof(mine), opts, OPTIONS_V1);
	if (r == 0 && mine.sweep > FOSTER_SWEEP_OFF)
		r = -EINVAL;
	return result(r ? r : start_serialised(&mine));
}

/* ------------------------------------------------------------------ stop */

static int stop(uint64_t deadline)
{
	int r = collect_until(deadline);

	if (r == -ETIMEDOUT || r == -EDEADLK)
		return r;
	r = reaper_stop(deadline);
	if (r)
		return r;
	atomic_store_explicit(&initialised, false, memory_order_release);
	return (int)(stats_get(regions) + stats_get(revoked));
}

FOSTER_EXPORT int foster_fini(int timeout_ms)
{
	if (callback_inside() || reaper_is_me())
		return result(-EDEADLK);
	if (!atomic_load_explicit(&initialised, memory_order_acquire))
		return (int)(stats_get(regions) + stats_get(revoked));
	return result(stop(deadline_in(timeout_ms)));
}

/*
 * At exit the thread is stopped, so that it does not run while destructors take the
 * process apart.  A host that blocks it may keep it: nothing is waited for without end.
 */
__attribute__((destructor)) static void at_exit(void)
{
	if (atomic_load_explicit(&initialised, memory_order_acquire) && !reaper_is_me())
		(void)!reaper_stop(deadline_in(EXIT_MS));
}
