/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool: ranges of released regions, forbidden, kept as collector objects for reuse.
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

/* Address space that may rest in the pool. */
void pool_set_limit(size_t bytes);

/* Takes in the range of a region in state RELEASING.  False: the pool is full. */
bool pool_put(uint32_t number) _must_check_;

/* The same, full or not: the range cannot be given back just now. */
void pool_put_anyway(uint32_t number);

/* A range of exactly span bytes, the warmest; 0: none. */
uint32_t pool_take(size_t span) _must_check_;

/* Any range, the largest first; 0: empty. */
uint32_t pool_take_any(void) _must_check_;

#endif
