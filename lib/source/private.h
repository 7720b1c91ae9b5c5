/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libfoster shows to the other libraries of foster and to nobody else: version node
 * FOSTER_PRIVATE, which may change with every release.  They are built from one tree.
 */
#ifndef FOSTER_SOURCE_PRIVATE_H
#define FOSTER_SOURCE_PRIVATE_H

#include <foster/foster.h>
#include <stdbool.h>
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

/*
 * Maps len bytes of fd at addr, where nothing may be (-EEXIST), or where the kernel wants them (NULL),
 * and adopts them; they are unmapped when no pointer is left, all at once.  0 or a negative errno.
 */
int foster_private_map_at(void *addr, size_t len, int prot, int fd, unsigned int source, void **ret)
	_must_check_;

/*
 * Is [addr, addr + len) one mapping, of the same file as fd?  Of anonymous inodes all have the same.
 * Where the kernel does not tell, whatever is mapped there will do.
 */
bool foster_private_is_of(const void *addr, size_t len, int fd) _must_check_;

/* Lays inaccessible memory over whole pages that are no region.  Best effort. */
void foster_private_forbid(void *addr, size_t len);

#endif
