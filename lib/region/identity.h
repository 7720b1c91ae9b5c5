/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is what is mapped in a region still what its maker mapped?
 *
 * A host may unmap a tracked range, or map something else over it, behind our back; the
 * next mapping of anybody may take the addresses.  To release such a range would be to
 * unmap a stranger's memory.  Before a region's pages are given back, the kernel is asked
 * what they are: device, inode and offset must be those of the region.  Anonymous memory
 * of a stranger cannot be told from ours.
 */
#ifndef FOSTER_REGION_IDENTITY_H
#define FOSTER_REGION_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

struct region;

/* Part of a region's account. */
struct identity {
	uint64_t inode; /* 0: no file */
	uint64_t offset;
	uint32_t device; /* 12 bits of the major number, 20 of the minor: the kernel has no more */
	bool known; /* the kernel told */
};

/* Private anonymous memory, for which nobody need be asked. */
#define IDENTITY_ANONYMOUS ((struct identity){ .known = true })

/* Of the mapping that begins at start. */
struct identity identity_of(uintptr_t start);

/* The same, where the file tells; as stat(2) has device and inode. */
struct identity identity_of_file(uint64_t device, uint64_t inode, uint64_t offset);

/* The same, of a mapping that start is in. */
struct maps_entry;
struct identity identity_in(const struct maps_entry *entry, uintptr_t start) _nonnull_all_;

/*
 * Does the kernel, where it can be asked, show the same for all pages of r that have not
 * been revoked?  Context: r is held, or in RELEASING.
 */
bool identity_holds(const struct region *r) _must_check_ _nonnull_all_;

#endif
