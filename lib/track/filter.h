/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sieve for addresses: it lets through every address in a list of ranges and few
 * others, and says where in the list to look for those.
 *
 * Memory is cut into slots, 64 slots in a row are a chunk, and a chunk has a word of the
 * table, found by hashing, with a bit for each slot.  Chunks that share a word let too
 * much through, nothing is lost.  Lengths of ranges go from a byte to terabytes, so
 * there are levels, each with slots of its own size, all in one table; most often one
 * level is all there is.
 */
#ifndef FOSTER_TRACK_FILTER_H
#define FOSTER_TRACK_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/scratch.h"

struct suspect;

#define FILTER_LEVELS 4u
#define FILTER_CHUNK 6u /* log2 of the slots in a chunk */

struct filter {
	uint64_t *table;
	uint32_t *first;    /* beside each word: see filter_first() */
	unsigned int shift; /* 64 less log2 of the words in table */
	unsigned int levels;
	struct filter_level {
		unsigned int grain;  /* log2 of the bytes in a slot */
		unsigned int length; /* of its longest range, log2 rounded up */
	} level[FILTER_LEVELS];
};

/* The bytes of scratch that a filter for so many takes. */
size_t filter_room(uint32_t count);

/* For a sorted list of disjoint ranges; the end of each is let through too.  -ENOMEM. */
int filter_build(struct filter *f, const struct suspect *list, uint32_t count,
		 struct scratch *scratch) _must_check_ _nonnull_(1, 4);

/* Multiplying by the golden ratio spreads neighbours evenly: they seldom share a word. */
static inline uint64_t filter_word(const struct filter *f, uintptr_t chunk)
{
	return ((uint64_t)chunk * 0x9e3779b97f4a7c15u) >> f->shift;
}

static inline bool filter_level_passes(const struct filter *f, unsigned int level,
				       uintptr_t addr)
{
	const uintptr_t slot = addr >> f->level[level].grain;

	return f->table[filter_word(f, slot >> FILTER_CHUNK)] >> (slot % 64) & 1;
}

/* False: it is in no range.  Inline: this is asked for each pointer in the process. */
static inline bool filter_passes(const struct filter *f, uintptr_t addr)
{
	for (unsigned int i = 0; i < f->levels; i++)
		if (filter_level_passes(f, i, addr))
			return true;
	return false;
}

#define FILTER_NONE UINT32_MAX
#define FILTER_ANYWHERE (UINT32_MAX - 1)

/*
 * Where in the list a range of this level with addr in it could be: not before the one
 * returned.  FILTER_NONE: there is no such range; FILTER_ANYWHERE: it is not known.
 */
uint32_t filter_first(const struct filter *f, unsigned int level,
		      const struct suspect *list, uintptr_t addr) _nonnull_all_;

#endif
