/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The region lock: the only lock of the life of regions.
 *
 * It guards: writes to the registry, the numbers of regions, the pool, and the count of
 * revoked pages of each region.  Not the life words, which are atomic. It nests in
 * nothing; malloc's lock nests in it.  Never held while the collector is called, while
 * code of a user runs, or while a thread waits.
 */
#ifndef FOSTER_REGION_LOCK_H
#define FOSTER_REGION_LOCK_H

#include <stdbool.h>

void region_lock(void);
void region_unlock(void);

/* For assertions: does the calling thread hold it? */
bool region_locked(void);

/* In the child of fork, on the thread that held it: a fresh lock, not held. */
void region_lock_reset(void);

#endif
