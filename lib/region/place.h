/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions tracked in place: memory that somebody mapped or allocated, where it is.
 */
#ifndef FOSTER_REGION_PLACE_H
#define FOSTER_REGION_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct region;

/*
 * A NEWBORN region of the range, of any alignment.  -EEXIST: a region lies in it; -ENOMEM.  Takes
 * the region lock.
 */
int place_enter(uintptr_t start, size_t span, uint32_t *number) _must_check_ _nonnull_all_;

/* NEWBORN to FREE: nothing came of it. */
void place_leave(uint32_t number);

/*
 * RELEASING to FREE: the release callback runs, or the memory is unmapped.  -ENOMEM: the kernel
 * would not, and the region is in doubt as before.  Context: the reaper, no lock.
 */
int place_release(uint32_t number) _must_check_;

/* A held region that is DISOWNED stands nowhere any more.  The region lock is held. */
void place_forget(struct region *r) _nonnull_all_;

/*
 * In the child of fork, for a number whose owner is not here: the parent was making it, or giving it
 * back.  Whether its callback ran cannot be known, so it is let go.
 */
void place_inherit(uint32_t number);

/* DISOWNED, held by nobody, to FREE.  Takes the region lock. */
void place_bury(uint32_t number);

#endif
