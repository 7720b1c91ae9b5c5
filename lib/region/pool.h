/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool: ranges of released regions kept for reuse: forbidden ones, under which lies an object of the
 * collector, and slots, of which nothing is left but addresses and the forbidden page at the end.
 *
 * A range from the pool costs neither the allocation nor its page faults again, and no
 * call of the collector, so that a thread unknown to it can take one.  Only exact sizes
 * are given out. Context of all: the region lock is held.
 */
#ifndef FOSTER_REGION_POOL_H
#define FOSTER_REGION_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "region/region.h"

/* Address space that may rest in the pool, and mappings that it may be. */
void pool_set_limit(size_t bytes, size_t mappings);

/* Takes in the range of a region in state RELEASING.  False: the pool is full. */
bool pool_put(uint32_t number) _must_check_;

/* The same, full or not: the range cannot be given back just now. */
void pool_put_anyway(uint32_t number);

/* A range of exactly span bytes in such a place, the warmest; 0: none. */
uint32_t pool_take(size_t span, enum region_place place) _must_check_;

/* Any range, the largest first; 0: empty. */
uint32_t pool_take_any(void) _must_check_;

/*
 * A share of the ranges that nobody needed since the last call, those that have rested longest.  The
 * first of them, linked by region->next; 0: none.
 */
uint32_t pool_take_surplus(void) _must_check_;

#endif
