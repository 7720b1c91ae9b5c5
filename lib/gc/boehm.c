/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libgc behind gc/gc.h.
 *
 * The sign of unreachability is a disclaim procedure (gc/gc_disclaim.h) of an object kind
 * of our own.  libgc asks it for each unmarked object of the kind when it reclaims, which
 * is after it has marked all that finalizable objects will still see; so one collection
 * answers what would take two with finalizers, nothing is registered per object, and
 * nobody else's registration can replace ours (doc/DECISIONS.md).
 */
#include "gc/gc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_disclaim.h>
#include <gc/gc_mark.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/event.h"
#include "gc/known.h"
#include "gc/leak.h"
#include "gc/moment.h"
#include "gc/rhythm.h"
#include "gc/sections.h"
#include "os/thread.h"

#define BLOCK_BYTES 4096 /* HBLKSIZE of every Linux target but Alpha */

static gc_sign_fn *ask;	  /* set once by gc_start(), before the kind exists */
static unsigned int kind; /* the same */

static int GC_CALLBACK disclaim(void *object)
{
	if (ask((uintptr_t)object))
		return true;
	rhythm_object_gone(object);
	return false;
}

/*
 * libgc starts with us: the host does not use it, so that its settings are ours.  Marker
 * threads would have nothing to mark, and warnings to standard error would come from
 * nowhere.
 */
static void start_alone(void)
{
	if (!getenv("GC_MARKERS"))
		GC_set_markers_count(1);
	GC_INIT();
	GC_set_warn_proc(GC_ignore_warn_proc);
}

struct keeper {
	_Atomic uint32_t done;
};

/*
 * libgc takes the thread that initialises it for the main one and expects it to stay:
 * after its end every collection would wait for it and abort.
 */
static void keep(void *arg)
{
	struct keeper *keeper = arg;

	start_alone();
	GC_allow_register_threads();
	atomic_store_explicit(&keeper->done, 1, memory_order_release);
	futex_wake(&keeper->done);
	thread_park();
}

static int start_on_keeper(void)
{
	/* Static: the keeper may touch it after the waiter has seen done and left. */
	static struct keeper keeper;
	int open[GC_SIGNALS];
	int r;

	gc_signals(open);
	r = thread_start("foster-keeper", keep, &keeper, open, GC_SIGNALS);
	if (r)
		return r;
	while (!atomic_load_explicit(&keeper.done, memory_order_acquire))
		futex_wait(&keeper.done, 0, UINT64_MAX);
	return 0;
}

static int start_collector(void)
{
	if (GC_is_init_called()) {
		/*
		 * Until GC_allow_register_threads() libgc may run without its lock on the
		 * threads that it knows, so this must be one of them.
		 */
		if (!GC_thread_is_registered())
			return -EPERM;
	} else if (!thread_is_main()) {
		return start_on_keeper();
	} else {
		start_alone();
	}
	GC_allow_register_threads();
	return 0;
}

int gc_start(gc_sign_fn *sign, gc_each_fn *each)
{
	int r;

	if (GC_get_find_leak())
		return -ENOTSUP;
	r = start_collector();
	if (r)
		return r;
	/* The environment may have turned these on inside GC_INIT(). */
	if (GC_get_find_leak() || !GC_get_all_interior_pointers())
		return -ENOTSUP;
	if (!kind) {
		ask = sign;
		leak_start(each);
		kind = GC_new_kind(GC_new_free_list(), 0, 0, 0);
		GC_register_disclaim_proc((int)kind, disclaim, 0);
	}
	sections_find();
	/* Where it is the main thread, it may never call again what notes it. */
	(void)gc_thread_known();
	return 0;
}

size_t gc_block_size(void)
{
	return BLOCK_BYTES;
}

void *gc_object_new(size_t bytes)
{
	void *object;

	fo_assert(kind && bytes % BLOCK_BYTES == 0 && bytes > BLOCK_BYTES);
	/*
	 * libgc adds a byte so that the pointer just past the end counts; we have a page
	 * of our own for that, and ask for less so that the byte does not cost a block.
	 */
	event_keep();
	object = GC_generic_malloc(bytes - sizeof(void *), (int)kind);
	if (object)
		rhythm_object_made(object);
	return object;
}

bool gc_thread_known(void)
{
	if (!GC_thread_is_registered())
		return false;
	known_note();
	return true;
}

int gc_thread_enter(void)
{
	struct GC_stack_base base;
	int signals[GC_SIGNALS];

	if (GC_thread_is_registered())
		return -EALREADY;
	/*
	 * A coroutine's stack is not where libgc would look, and it would read what lies
	 * between.
	 */
	if (!thread_on_own_stack(&base) || GC_get_stack_base(&base) != GC_SUCCESS)
		return -ENOTSUP;
	gc_signals(signals);
	thread_open_signals(signals, GC_SIGNALS);
	if (GC_register_my_thread(&base) != GC_SUCCESS)
		return -EALREADY;
	known_note();
	return 0;
}

void gc_thread_leave(void)
{
	known_forget();
	GC_unregister_my_thread();
}

void gc_signals(int signals[GC_SIGNALS])
{
	signals[0] = GC_get_suspend_signal();
	signals[1] = GC_get_thr_restart_signal();
}

int gc_collect(void)
{
	if (known_blocks())
		return -EBUSY;
	event_keep();
	FOSTER_SYNC("gc-collect");
	GC_gcollect();
	return 0;
}

int gc_decide(gc_moment_fn *marked, gc_moment_fn *reclaimed, void *arg)
{
	int err;

	moment_arm(marked, reclaimed, arg);
	err = gc_collect();
	return moment_disarm() || err ? err : -EAGAIN;
}

struct locked {
	void (*fn)(void *arg);
	void *arg;
};

static void *call_locked(void *client)
{
	const struct locked *locked = client;

	locked->fn(locked->arg);
	return NULL;
}

void gc_locked(void (*fn)(void *arg), void *arg)
{
	struct locked locked = { fn, arg };

	(void)GC_call_with_alloc_lock(call_locked, &locked);
}

bool gc_sees_all(void)
{
	return false;
}

void gc_after_fork(void)
{
	known_after_fork();
	moment_after_fork();
}

bool gc_host_allocates(void)
{
	return rhythm_is_kept();
}

uint32_t gc_cycles(void)
{
	return (uint32_t)GC_get_gc_no();
}

bool gc_disabled(void)
{
	return GC_is_disabled();
}

bool gc_owns_faults(void)
{
	return GC_is_incremental_mode();
}

unsigned int gc_signs_needed(void)
{
	return GC_get_java_finalization() ? 1 : 2;
}
