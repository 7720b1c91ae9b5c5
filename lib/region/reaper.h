/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reaper: foster's own thread.
 *
 * The collector knows it.  It decides over doubted regions, releases them, collects when
 * a collection is due, and makes ranges for threads that the collector does not know.
 * All signals but the collector's are blocked on it.
 */
#ifndef FOSTER_REGION_REAPER_H
#define FOSTER_REGION_REAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * Starts it where it is not running.  0, -EAGAIN, -ENOMEM.  Context: no lock, not a
 * callback.
 */
int reaper_start(void) _must_check_;

/*
 * Stops it, after it has given the pool back.  -ETIMEDOUT: it is still busy, and goes on.
 * Context: not on the reaper.
 */
int reaper_stop(uint64_t deadline) _must_check_;

/* Wakes it.  Any context, any lock, signal handlers and the collector included. */
void reaper_ring(void);

/* A region has been made: the reaper hears of it if it sleeps without end. */
void reaper_notice(void);

/* So much has been made by the calling thread, among others, that a collection is due. */
void reaper_pace(void);

bool reaper_is_me(void);

/* region_create() on the reaper, for a thread unknown to the collector; waits for it. */
uint32_t reaper_make(size_t span) _must_check_;

/*
 * Asks for collections until nothing more is released, and waits for their end.  0,
 * -EBUSY (the host does not let the collector run), -ETIMEDOUT (they go on), or the
 * errors of reaper_start().  deadline 0: does not wait.
 */
int reaper_collect(uint64_t deadline) _must_check_;

/* Collects and empties the pool, so that a mapping may be tried again. */
void reaper_relieve(void);

/* In the child of fork: it is not there. */
void reaper_after_fork(void);

#endif
