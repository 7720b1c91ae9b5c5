/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libfoster shows to the other libraries of foster and to nobody else: version node
 * FOSTER_PRIVATE, which may change with every release.  They are built from one tree.
 */
#ifndef FOSTER_SOURCE_PRIVATE_H
#define FOSTER_SOURCE_PRIVATE_H

#include <foster/foster.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attributes.h"

/* foster_mmap() of another enum foster_source. */
void *foster_private_map(size_t len, int prot, int flags, int fd, off_t off, unsigned int source)
	_must_check_;

/*
 * Lays a mapping over whole pages of a region that nobody else knows yet: of the same file, at the
 * same place in it, so that the region stays what it was for (region/identity.h).  0 or a negative
 * errno; -ENOTRECOVERABLE: the pages may be somebody else's now.
 */
int foster_private_lay(void *addr, size_t len, int prot, int flags, int fd, off_t off) _must_check_;

/* foster_adopt() of another enum foster_source: 0 or a negative errno. */
int foster_private_adopt(void *addr, size_t len, foster_release_fn *release, void *arg,
			 unsigned int source) _must_check_;

#endif
