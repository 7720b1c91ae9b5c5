/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of shared memory are in memory, whether or not this process has mapped them. */
#ifndef FOSTER_OS_RESIDENT_H
#define FOSTER_OS_RESIDENT_H

#include <stdint.h>

#include "base/attributes.h"

/* Returns 0 to go on, or what the walk then returns. */
typedef int resident_fn(uintptr_t start, uintptr_t end, void *arg);

/*
 * Calls fn for the runs of pages in [start, end) that are in memory (mincore(2)).  Reading the others
 * would fill holes of a sparse file with memory, or wait for a disk.  Where the kernel does not tell, all
 * count as in memory.  0, or what fn returned.  No lock, no allocation.
 */
int resident_each(uintptr_t start, uintptr_t end, resident_fn *fn, void *arg) _must_check_
	_nonnull_(3);

#endif
