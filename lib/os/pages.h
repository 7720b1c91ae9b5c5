/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of the process hold something: the PAGEMAP_SCAN ioctl (Linux 6.7), or
 * reading /proc/self/pagemap where it is missing.
 */
#ifndef FOSTER_OS_PAGES_H
#define FOSTER_OS_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* A run of pages that are alike. */
struct pages_run {
	uintptr_t start;
	uintptr_t end;
	bool anonymous; /* not the page cache's, as far as was asked: see PAGES_FILES */
	bool swapped;	/* reading it would need the disk, or wait for a move */
	bool huge;	/* transparent or MAP_HUGETLB; false without the ioctl */
};
/* Returns 0 to go on, or what the walk then returns. */
typedef int pages_fn(const struct pages_run *run, void *arg);

/* Opens the descriptor now, while the process may (a setuid later makes /proc refuse). */
void pages_open(void);

/* In the child of fork: what was open describes the parent. */
void pages_after_fork(void);

enum pages_how {
	/*
	 * The caller is a copy of the process (os/snapshot.h) and means itself; a
	 * descriptor is opened for the call, 3 us more.  Otherwise this process or its
	 * companion; one caller at a time.
	 */
	PAGES_OWN = 1 << 0,
	/* Which are the page cache's: of a private file mapping those not written. */
	PAGES_FILES = 1 << 1,
	/* Not by reading, which tells pages of a device from others no more: else -ENOSYS. */
	PAGES_SCANNED = 1 << 2,
};

/*
 * Calls fn for the runs of pages in [start, end) that are present or swapped, in
 * ascending order, joined where they are alike; whatever their protection, PROT_NONE too.
 * Left out: the zero page and MADV_GUARD_INSTALL's pages, where the kernel tells them.
 * Of shared memory only what this process has mapped in is known: not present does not
 * mean empty there (os/resident.h).
 *
 * 0, what fn returned, or a negative errno: of open(2) where /proc refuses.  No
 * allocation, no lock; 20 KiB of stack.  1 GiB takes 3 ms, with PAGES_FILES 11; 1 TiB
 * that holds nothing some microseconds; by reading 10 ms and 0.8 s.
 */
int pages_held(uintptr_t start, uintptr_t end, pages_fn *fn, void *arg, unsigned int how)
	_must_check_ _nonnull_(3);

#endif
