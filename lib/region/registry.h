/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From any address to the region there.
 *
 * A trie over the bits of the address, as the processor's page tables: five levels of
 * nine bits, down to 4096 bytes; a region that covers a whole entry of an upper level is
 * entered there, so that 900 MiB cost some hundred stores and not a quarter of a million.
 *
 *     bits   56..48    47..39    38..30    29..21    20..12
 *            [root] -> [node] -> [node] -> [node] -> [node]      entry: 0 nothing
 *                                                                       a node
 *                                                                       a region
 *                                                                       a region, page revoked
 *
 * Entries are numbers, never addresses, so nothing here is evidence.  Nodes are numbered
 * and type-stable (base/stable.h) and go back only when all their entries are nothing, so
 * a reader that is overtaken finds nothing, or another region, whose range it must
 * compare anyway.  (The idea of a tree that is read where no lock can be taken is the
 * Linux kernel's, latched trees for addresses of modules; a trie does without the second
 * copy.)
 */
#ifndef FOSTER_REGION_REGISTRY_H
#define FOSTER_REGION_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define REGISTRY_GRAIN 4096u /* bytes of the smallest entry */

/* What stands at an address. */
struct registry_found {
	uint32_t region; /* its number; 0: nothing */
	bool revoked;	 /* this page has been revoked */
};

/* Wait-free, in any context.  The region may be gone by now: compare its range. */
struct registry_found registry_find(uintptr_t addr);

/*
 * Makes sure that the next registry_set() cannot fail.  0 or -ENOMEM. Context of this and
 * all below: the region lock is held, from here to that registry_set().
 */
int registry_reserve(void) _must_check_;

/*
 * Enters what for all of [start, end), multiples of the grain below 2^57.  Needs a
 * registry_reserve() before, unless the range is a whole region's that is entered
 * already. Returns the bytes that changed from not revoked to revoked.
 */
size_t registry_set(uintptr_t start, uintptr_t end, struct registry_found what);

/* For tests: nodes in use, the root not counted. */
size_t registry_nodes(void);

#endif
