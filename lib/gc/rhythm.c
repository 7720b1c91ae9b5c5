/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/rhythm.h"

#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/check.h"

/*
 * Adds to the bytes allocated since the last collection; the allocator's lock must be
 * held.
 */
extern void GC_incr_bytes_allocd(size_t bytes) __attribute__((weak));

/* How libgc weighs pointer-free bytes against others. */
#define ATOMIC_WEIGHT 4

/* Guarded by the collector's lock. */
static size_t ours; /* bytes of our objects */
static _Atomic size_t bias;	 /* counted as allocated at the moment */
static _Atomic size_t uncorrected; /* bytes of our objects that count for ever */

#define HOST_BYTES ((size_t)4 << 20)

static size_t weight(void)
{
	size_t divisor = GC_get_free_space_divisor();

	return ours / ATOMIC_WEIGHT / (divisor ? divisor : 1) /
	       (GC_is_incremental_mode() ? 2 : 1);
}

/* Out before libgc adds up what was allocated ... */
void rhythm_reclaim_starts(void)
{
	if (GC_incr_bytes_allocd)
		GC_incr_bytes_allocd(-bias);
	bias = 0;
}

/* ... and in again when it has begun to count anew. */
void rhythm_reclaim_ends(void)
{
	if (!GC_incr_bytes_allocd)
		return;
	bias = weight();
	GC_incr_bytes_allocd(bias);
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
	else
		uncorrected += bytes;
	return NULL;
}

void rhythm_object_made(const void *object)
{
	if (GC_incr_bytes_allocd)
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

bool rhythm_is_kept(void)
{
	size_t foster = bias + uncorrected;
	size_t all = GC_get_total_bytes();

	return GC_incr_bytes_allocd && all > foster && all - foster >= HOST_BYTES;
}
