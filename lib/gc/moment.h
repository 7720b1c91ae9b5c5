/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The moment that decides: the end of marking of a collection that this thread runs, and
 * the end of its reclaiming, when the collector has dealt with finalizable objects.
 */
#ifndef FOSTER_GC_MOMENT_H
#define FOSTER_GC_MOMENT_H

#include <stdbool.h>

#include "base/attributes.h"
#include "gc/gc.h"

/* From now on the calling thread's next collection is the one.  Both run once, or not at all. */
void moment_arm(gc_moment_fn *marked, gc_moment_fn *reclaimed, void *arg) _nonnull_(1, 2);

/* No longer.  Did both moments come? */
bool moment_disarm(void);

/* In the child of fork. */
void moment_after_fork(void);

/* From the collector's hook; its lock is held. */
void moment_marking_ends(void);
void moment_reclaim_ends(void);

#endif
