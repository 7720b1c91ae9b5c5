/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of shared memory are in memory, whether or not this process has mapped them. */
#ifndef FOSTER_OS_RESIDENT_H
#define FOSTER_OS_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/hidden.h"

/* Returns 0 to go on, or what the walk then returns. */
typedef int resident_fn(uintptr_t start, uintptr_t end, void *arg);

#define RESIDENT_PAGES 2048u

/* What the kernel told last, good while nothing changes.  It keeps nothing alive. */
struct resident {
	hidden_addr start;
	hidden_addr end;
	bool missing; /* a page was not in memory: there is none, or it is on a disk */
	unsigned char in[RESIDENT_PAGES];
};

/* Forgets it. */
void resident_init(struct resident *r) _nonnull_all_;

/*
 * Calls fn for the runs of pages in [start, end) that are in memory (mincore(2)).  Reading the others
 * would fill holes of a sparse file with memory, or wait for a disk.  Where the kernel does not tell, all
 * count as in memory.  Everything up to ahead is mapped: the kernel is asked for some of that too, since
 * many small mappings follow each other.  0, or what fn returned.  No lock, no allocation.
 */
int resident_each(struct resident *r, uintptr_t start, uintptr_t end, uintptr_t ahead,
		  resident_fn *fn, void *arg) _must_check_ _nonnull_(1, 5);

#endif
