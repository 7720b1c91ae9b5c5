/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that foster keeps for itself, in a process whose owner does not know of
 * them: a host that closes everything closes ours too, and then the number may be another
 * file's.  So it is remembered which file ours is.
 */
#ifndef FOSTER_OS_DESCRIPTOR_H
#define FOSTER_OS_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

struct descriptor {
	int fd; /* -1: none */
	uint64_t device;
	uint64_t inode;
};

/*
 * Keeps fd, at a high number where possible: one that the host has just closed must stay
 * closed.  0; or a negative errno, fd is closed and *d holds none.  No lock, no
 * allocation, errno is left alone; in a companion too.
 */
int descriptor_keep(struct descriptor *d, int fd) _must_check_ _nonnull_all_;

/* Is it still open, and ours? */
bool descriptor_is_ours(const struct descriptor *d) _must_check_ _nonnull_all_;

/* Closes it, if it is. */
void descriptor_close(struct descriptor *d) _nonnull_all_;

#endif
