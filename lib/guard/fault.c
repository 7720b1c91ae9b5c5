/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard/fault.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

#include "base/sync.h"
#include "gc/gc.h"
#include "guard/survive.h"
#include "os/copy.h"
#include "os/fault.h"
#include "os/thread.h"
#include "region/region.h"
#include "region/registry.h"

/* Serialises installing.  Nests in nothing, nothing nests in it. */
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

/*
 * In any range of ours in the collector's heap: a region's, a pooled or a revoked one's.  What is
 * tracked in place is none of its, and its faults are for whom they were for before, unless it has been
 * revoked.
 */
static bool in_range_of_ours(const void *addr)
{
	struct registry_found found = registry_find((uintptr_t)addr);
	const struct region *r;

	if (!found.region)
		return false;
	r = region_at(found.region);
	return found.revoked || atomic_load_explicit(&r->closed, memory_order_relaxed) ||
	       !atomic_load_explicit(&r->in_place, memory_order_relaxed);
}

void guard_forget_address(void)
{
	char unused;

	(void)!copy_guarded(&unused, NULL, 1);
}

static bool repaired(const siginfo_t *info, const ucontext_t *context)
{
	if (!survive_fault((uintptr_t)info->si_addr))
		return false;
	if (!sigismember(&context->uc_sigmask, SIGSEGV))
		guard_forget_address();
	return true;
}

static bool look(int signal, const siginfo_t *info, void *context)
{
	if (copy_recover(context))
		return true;
	if (info->si_code <= 0)
		return false; /* sent by somebody, about no address */
	if (signal == SIGBUS && repaired(info, context))
		return true;
	if (!gc_owns_faults() || !in_range_of_ours(info->si_addr))
		return false;
	fault_deadly(signal);
	return true;
}

static void before_fork(void)
{
	pthread_mutex_lock(&installing);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&installing);
}

/* So that the child does not inherit the lock from a thread that it does not have. */
static int mind_fork(void)
{
	static bool minded;
	int err = minded ? 0 : fork_handlers(before_fork, after_fork, after_fork);

	minded = err == 0;
	return err;
}

int guard_install(void)
{
	int err;

	pthread_mutex_lock(&installing);
	err = mind_fork();
	if (!err)
		err = fault_install(look);
	pthread_mutex_unlock(&installing);
	return err;
}
