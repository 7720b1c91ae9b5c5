/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first look at memory: which words could be addresses between the lowest and the
 * highest suspect, as vectors.  A word may begin at every multiple of 4 bytes, so each 4
 * bytes are the high half of one word and the low half of the next: comparing halves
 * costs no more for these than for aligned words.
 */
#ifndef FOSTER_TRACK_LOOK_H
#define FOSTER_TRACK_LOOK_H

#include <stdint.h>

#include "base/attributes.h"

/* Reads what nobody gave us: what a sanitizer guards, or what others write meanwhile. */
#define _reads_all_ __attribute__((no_sanitize("address", "thread", "undefined")))

#define LOOK_BYTES 256u
#define LOOK_WORDS (LOOK_BYTES / 4)

/*
 * Addresses from low to low + low_span with upper halves from high to high + high_span.
 * A span of upper halves has all lower halves: it is coarser than what it stands for.
 */
struct look_range {
	uint32_t high;
	uint32_t high_span;
	uint32_t low;
	uint32_t low_span;
};

/* Suspects gather in two places: near brk, and where mmap puts things.  Or in one: then twice the same. */
struct look_ranges {
	struct look_range in[2];
};

/* The range that covers all from first to last, both included. */
struct look_range look_range_of(uintptr_t first, uintptr_t last);

/*
 * Blocks are named by the *upper* halves of words: block b holds the words from b - 4 to
 * b + LOOK_BYTES - 8.  So a look at a block of one page needs no byte of the next page.
 *
 * The first block in [block, end) with a word in one of the ranges; bit i of *mask: the
 * word at block - 4 + 4 * i.  The end, with *mask 0: there is none.  Both are multiples
 * of LOOK_BYTES.
 */
typedef uintptr_t look_fn(const struct look_ranges *r, uintptr_t block, uintptr_t end,
			  uint64_t *mask);

/* Those that this processor can run, the fastest first; then NULL. */
look_fn *const *look_ways(void);

look_fn *look_best(void);

/* The mask of so many words from a block on, at most LOOK_WORDS; it begins anywhere. */
uint64_t look_few(const struct look_ranges *r, uintptr_t block, unsigned int words)
	_nonnull_all_;

#endif
