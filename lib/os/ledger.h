/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of foster's own accounts.  No word in it is evidence, so no sweep reads it (layout_read()
 * leaves it out): with many regions it would be most of what there is to read.
 */
#ifndef FOSTER_OS_LEDGER_H
#define FOSTER_OS_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define LEDGER_PARTS 96u

struct ledger_part {
	uintptr_t start;
	uintptr_t end;
};

/*
 * Zeroed memory, aligned to 64 bytes, for ever; NULL: there is none, or LEDGER_PARTS have been taken.
 * Addresses of regions in it keep nothing, and its own keeps nothing that lies beside it.  Context: one
 * caller at a time.
 */
void *ledger_take(size_t bytes) _must_check_;

/*
 * What has been taken so far, by address, and how much that is.  Any context; what is taken meanwhile
 * may be missing.
 */
size_t ledger_parts(struct ledger_part part[LEDGER_PARTS]) _nonnull_all_;

#endif
