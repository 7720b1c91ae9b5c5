/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses that are no evidence.
 *
 * A collector, and foster's own search, take every word that looks like a pointer for
 * one.  What foster remembers about a region must not be the region's last reference, so
 * addresses rest in memory complemented: the complement of a user address has its top
 * bits set and is no address of user space.  (libgc hides pointers in the same way:
 * GC_HIDE_POINTER.)
 */
#ifndef FOSTER_BASE_HIDDEN_H
#define FOSTER_BASE_HIDDEN_H

#include <stdint.h>

typedef struct {
	uintptr_t complement;
} hidden_addr;

static inline hidden_addr hide(uintptr_t addr)
{
	return (hidden_addr){ ~addr };
}

static inline uintptr_t reveal(hidden_addr h)
{
	return ~h.complement;
}

#endif
