/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/rhythm.h"

#include <stdbool.h>

#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/check.h"

/* Adds to the bytes allocated since the last collection; the allocator's lock must be held. */
extern void GC_incr_bytes_allocd(size_t bytes) __attribute__((weak));

/* How libgc weighs pointer-free bytes against others. */
#define ATOMIC_WEIGHT 4

/* All guarded by the collector's lock. */
static size_t ours;				/* bytes of our objects */
static size_t bias;				/* counted as allocated at the moment */
static GC_on_collection_event_proc host;	/* the hook that was there before */
static bool inside;				/* our hook runs; the host's may call it again */

static size_t weight(void)
{
	size_t divisor = GC_get_free_space_divisor();

	return ours / ATOMIC_WEIGHT / (divisor ? divisor : 1) /
	       (GC_is_incremental_mode() ? 2 : 1);
}

/* Out before libgc adds up what was allocated, in again when it has begun to count anew. */
static void adjust(GC_EventType event)
{
	if (event == GC_EVENT_RECLAIM_START) {
		GC_incr_bytes_allocd(-bias);
		bias = 0;
	} else if (event == GC_EVENT_RECLAIM_END) {
		bias = weight();
		GC_incr_bytes_allocd(bias);
	}
}

/* Called by libgc with its lock held. */
static void GC_CALLBACK on_event(GC_EventType event)
{
	if (inside)
		return; /* the host's hook was set after ours and hands on to it */
	inside = true;
	adjust(event);
	if (host)
		host(event);
	inside = false;
}

void rhythm_keep(void)
{
	GC_on_collection_event_proc now;

	if (!GC_incr_bytes_allocd)
		return;
	now = GC_get_on_collection_event();
	if (now == on_event)
		return;
	host = now;
	GC_set_on_collection_event(on_event);
}

static void *count_made(void *object)
{
	struct GC_prof_stats_s stats = { 0 };
	size_t bytes = GC_size(object);

	ours += bytes;
	(void)GC_get_prof_stats_unsafe(&stats, sizeof(stats));
	/* Less has been allocated since: a collection came in between and began anew. */
	if (stats.bytes_allocd_since_gc >= bytes)
		GC_incr_bytes_allocd(-bytes);
	return NULL;
}

void rhythm_object_made(const void *object)
{
	if (!GC_incr_bytes_allocd)
		return;
	rhythm_keep();
	(void)GC_call_with_alloc_lock(count_made, (void *)object);
}

void rhythm_object_gone(const void *object)
{
	size_t bytes = GC_size(object);

	if (GC_incr_bytes_allocd) {
		fo_assert(ours >= bytes);
		ours -= bytes;
	}
}
