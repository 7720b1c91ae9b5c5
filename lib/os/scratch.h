/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for one round of the sweep: taken in one piece before, given back after, nothing
 * in between can fail halfway.  It holds plain addresses of regions, so it is never read as
 * evidence (layout_read() leaves it out).
 */
#ifndef FOSTER_OS_SCRATCH_H
#define FOSTER_OS_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct scratch {
	uintptr_t base;
	size_t size;
	size_t used;
	bool shared;
};

/* Reserves bytes of zeroed memory; costs address space, and memory once touched.  -ENOMEM. */
int scratch_open(struct scratch *s, size_t bytes) _must_check_ _nonnull_all_;

/* The same, of memory that a snapshot of the process goes on sharing (os/snapshot.h). */
int scratch_open_shared(struct scratch *s, size_t bytes) _must_check_ _nonnull_all_;

/* A zeroed piece, aligned to 64 bytes; NULL: no room is left.  Any context, no lock. */
void *scratch_take(struct scratch *s, size_t bytes) _must_check_ _nonnull_all_;

/* Bytes that scratch_take() would still give. */
size_t scratch_room(const struct scratch *s) _nonnull_all_;

/*
 * Empties it and gives back the memory behind it, but not the addresses.  A negative errno: the kernel
 * refused, and what would be taken from it now is neither zeroed nor sure to be accessible.
 */
int scratch_reset(struct scratch *s) _must_check_ _nonnull_all_;

void scratch_close(struct scratch *s) _nonnull_all_;

#endif
