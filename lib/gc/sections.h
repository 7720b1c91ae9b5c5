/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libgc's list of the sections of its heap, each an address and a length.
 *
 * Adjacent sections are one to who allocates, so a region may lie across the beginning of one, which
 * then stands in the list for as long as the process lives.
 */
#ifndef FOSTER_GC_SECTIONS_H
#define FOSTER_GC_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* Where the list is, if libgc shows its tables.  Context: no lock of libgc's is held. */
void sections_find(void);

/* Is the word at addr in the list?  Context: as gc_holder(). */
bool sections_have(uintptr_t addr);

/* Does one of them meet [start, end)?  1, 0, or -ENOSYS: the list cannot be read.  Any context. */
int sections_meet(uintptr_t start, uintptr_t end) _must_check_;

#endif
