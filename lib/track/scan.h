/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading memory for words that point into suspects: at read speed, at every multiple of
 * 4 bytes.
 */
#ifndef FOSTER_TRACK_SCAN_H
#define FOSTER_TRACK_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "track/look.h"
#include "track/suspects.h"

/* A word that points into list[index]; at is the address of the word. */
typedef void scan_hit_fn(uintptr_t at, uint32_t index, void *arg);

/*
 * Calls fn for each word in [start, end) that points into a suspect, in the order of
 * addresses.  Both are multiples of 4, and so are the addresses of words: start, start + 4
 * and so on, while 8 bytes are left.  A word that straddles end is not looked at: the
 * caller passes end + 4 where more memory follows.
 *
 * Reads with ordinary loads: memory that may vanish needs companion_guarded() around.
 * After a fault on a page, fn has been called for all words that end before that page.
 * No lock, no allocation, no call of the C library.
 */
void scan(const struct suspects *s, uintptr_t start, uintptr_t end, scan_hit_fn *fn,
	  void *arg) _nonnull_(1, 4);

/* The same with one of look_ways(). */
void scan_with(look_fn *look, const struct suspects *s, uintptr_t start, uintptr_t end,
	       scan_hit_fn *fn, void *arg) _nonnull_(1, 2, 5);

#endif
