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
#include "region/region.h"

/* From here on what foster maps lies in place, if the sweep decides. */
#define PLACE_BYTES ((size_t)256 << 10)

/*
 * Is that better for a region of so many bytes that foster maps, where both can be?  In the collector's
 * heap large ones make it collect less often: free blocks of their size are left.  So do small ones where
 * the host allocates from it.  And where they are many, a mapping in place costs less to make, to decide
 * over and to release.
 */
bool place_is_better(size_t bytes) _must_check_;

/* Regions that lie in slots now. */
size_t place_slots(void);

/* Counts one by its place, or no more; the other forgets all that were counted. */
void place_count(const struct region *r, bool more) _nonnull_all_;
void place_count_none(void);

/*
 * A NEWBORN region of the range, of any alignment.  -EEXIST: a region lies in it; -ENOMEM.  Takes
 * the region lock.
 */
int place_enter(uintptr_t start, size_t span, enum region_place place, uint32_t *number)
	_must_check_ _nonnull_all_;

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
 * NEWBORN or RELEASING to FREE, and its memory is left alone: somebody else's is there, or, in the child
 * of fork, the owner of the number is not here, and whether its callback ran cannot be known.
 */
void place_abandon(uint32_t number);

/* DISOWNED, held by nobody, to FREE.  Takes the region lock. */
void place_bury(uint32_t number);

#endif
