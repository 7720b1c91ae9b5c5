/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/moment.h"

#include <stdatomic.h>
#include <sys/types.h>

#include "base/check.h"
#include "os/thread.h"

/*
 * Set by the thread that arms it, and looked at by whatever thread collects: the tid comes
 * last, and who reads another's sees nothing to do.
 */
static _Atomic pid_t armed_for;
static gc_moment_fn *at_marked;
static gc_moment_fn *at_reclaimed;
static void *moment_arg;
static enum { NOT_YET, MARKED, RECLAIMED } came;

void moment_arm(gc_moment_fn *marked, gc_moment_fn *reclaimed, void *arg)
{
	fo_assert(!armed_for);
	at_marked = marked;
	at_reclaimed = reclaimed;
	moment_arg = arg;
	came = NOT_YET;
	atomic_store_explicit(&armed_for, thread_tid(), memory_order_release);
}

bool moment_disarm(void)
{
	atomic_store_explicit(&armed_for, 0, memory_order_relaxed);
	return came == RECLAIMED;
}

/* Another thread's collection may come first. */
static bool is_mine(void)
{
	return atomic_load_explicit(&armed_for, memory_order_acquire) == thread_tid();
}

void moment_marking_ends(void)
{
	if (!is_mine() || came != NOT_YET)
		return;
	came = MARKED;
	at_marked(moment_arg);
}

void moment_reclaim_ends(void)
{
	if (!is_mine() || came != MARKED)
		return;
	came = RECLAIMED;
	at_reclaimed(moment_arg);
}

void moment_after_fork(void)
{
	armed_for = 0;
}
