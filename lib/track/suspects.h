/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ranges in doubt, and the question whether a word points into one of them.  There
 * may be a hundred thousand: a sorted array behind coarse filters.
 *
 * Addresses are in scratch only, none in struct suspects itself.
 */
#ifndef FOSTER_TRACK_SUSPECTS_H
#define FOSTER_TRACK_SUSPECTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/scratch.h"
#include "track/filter.h"

struct suspect {
	uintptr_t start;
	uintptr_t end;	 /* one past the last byte; a pointer to it counts */
	uint32_t number; /* the owner's name for it */
	uint32_t flags;	 /* the owner's */
};

struct suspects {
	struct suspect *list; /* sorted by start, disjoint */
	uint32_t count;
	uint32_t capacity;
	/* private to suspects.c and scan.c */
	struct suspect *spare; /* as long as list: what sorting needs */
	uint32_t *hint; /* the last answer, in scratch */
	uint32_t gap; /* the widest gap between two is before this one; 0: one suspect */
	struct filter filter;
};

/* The bytes of scratch that so many take, all calls together. */
size_t suspects_room(uint32_t capacity);

/* Room for so many.  -ENOMEM: scratch has none. */
int suspects_init(struct suspects *s, uint32_t capacity, struct scratch *scratch)
	_must_check_ _nonnull_all_;

/* Adds one; in any order, before suspects_seal().  start < end. */
void suspects_add(struct suspects *s, uintptr_t start, uintptr_t end, uint32_t number)
	_nonnull_all_;

/* Sorts, and builds the filters.  -ENOMEM. */
int suspects_seal(struct suspects *s, struct scratch *scratch) _must_check_ _nonnull_all_;

/*
 * The suspects that a word points into: none, one, or two where one ends at the start of
 * the next.  Their indices in list.
 */
unsigned int suspects_match(const struct suspects *s, uintptr_t word, uint32_t index[2])
	_nonnull_all_;

/* The suspect that contains the byte at addr; UINT32_MAX: none. */
uint32_t suspects_around(const struct suspects *s, uintptr_t addr) _nonnull_all_;

#endif
