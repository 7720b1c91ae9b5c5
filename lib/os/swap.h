/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared memory that the kernel has put on a disk.  To mincore(2) and the page map it looks like
 * a hole; only the long list of mappings counts it.
 */
#ifndef FOSTER_OS_SWAP_H
#define FOSTER_OS_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/scratch.h"

/* Is there anything on a disk, of whatever process?  No lock, no allocation. */
bool swap_in_use(void);

/* Returns 0 to go on, or what the walk then returns. */
typedef int swap_fn(uintptr_t start, uintptr_t end, void *arg);

/*
 * Calls fn for each shared mapping of the process of which a part is swapped out.  0, what fn
 * returned, or a negative errno.  By a descriptor of its own; takes PROCFILE_SCRATCH bytes of
 * scratch; works from a companion.  13 ms for each GiB that is in memory.
 */
int swap_each_shared(struct scratch *scratch, swap_fn *fn, void *arg)
	_must_check_ _nonnull_(1, 2);

/* Asks for what of a shared mapping is swapped out, without filling its holes; waits for nothing. */
void swap_fetch(uintptr_t start, uintptr_t end);

#endif
