/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From any address to the region there.
 *
 * A trie over the bits of the address, as the processor's page tables: five levels of
 * nine bits, down to pages of 4096 bytes; a region that covers a whole entry of an upper
 * level is entered there, so that 900 MiB cost some hundred stores and not a quarter of a
 * million.  Only where a region begins or ends within a page does it go on below: nine
 * bits to granules of 8 bytes, and where it begins or ends within a granule, three more.
 *
 *     bits   56..48    47..39    38..30    29..21    20..12     11..3        2..0
 *            [root] -> [node] -> [node] -> [node] -> [node] -> [node] -> [granule]
 *
 *     entry  0 nothing         a region
 *            a node            a region, page revoked (never set for less than a page)
 *            a granule, only in a node of the last level
 *
 * A node is 2 KiB, a granule 36 bytes.  So a region of bytes costs up to two granules,
 * and its share of the node of its page: 70 to 90 bytes where regions stand close
 * together, 2 KiB where it is the only one of its page.
 *
 * Entries are numbers, never addresses, so nothing here is evidence.  Nodes and granules
 * are numbered and type-stable (base/stable.h), an entry says which of them it numbers,
 * and they go back only when all their entries are nothing.  So a reader that is
 * overtaken finds nothing, or another region, whose range it must compare anyway.  (The
 * idea of a tree that is read where no lock can be taken is the Linux kernel's, latched
 * trees for addresses of modules; a trie does without the second copy.)
 */
#ifndef FOSTER_REGION_REGISTRY_H
#define FOSTER_REGION_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define REGISTRY_GRAIN 1u   /* bytes of the smallest entry */
#define REGISTRY_PAGE 4096u /* what can be revoked: multiples of this */

/* What stands at an address. */
struct registry_found {
	uint32_t region; /* its number; 0: nothing */
	bool revoked;	 /* this page has been revoked */
};

/* Wait-free, in any context.  The region may be gone by now: compare its range. */
struct registry_found registry_find(uintptr_t addr);

/* Does any region stand on the page around addr?  As registry_find(). */
bool registry_has_page(uintptr_t addr);

/*
 * Makes sure that the next registry_set() cannot fail.  0 or -ENOMEM. Context of this and
 * all below: the region lock is held, from here to that registry_set().
 */
int registry_reserve(void) _must_check_;

/*
 * Enters what for all of [start, end), any bytes below 2^57; pages when what is revoked.
 * Needs a registry_reserve() before, unless the range is a whole region's that is entered
 * already. Returns the bytes that changed from not revoked to revoked.
 */
size_t registry_set(uintptr_t start, uintptr_t end, struct registry_found what);

/*
 * The number of the first region at or after *addr and before end, with the first such
 * address of it in *addr; 0, and *addr unchanged, where there is none.  Looks at no more
 * than the nodes at both edges and the way down to what it finds.
 */
uint32_t registry_next(uintptr_t *addr, uintptr_t end) _nonnull_all_;

/* Does any region stand in [start, end)?  As quick as registry_next(). */
bool registry_overlaps(uintptr_t start, uintptr_t end);

/* For tests: nodes and granules in use, the root not counted. */
size_t registry_nodes(void);

#endif
