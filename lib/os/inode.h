/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which file a descriptor is of.
 *
 * Not by fstat(2), which tells the times of a file as well.  A kernel with timestamps of several grains
 * (from 6.13) then has to make the next change differ from what was told: the first write through a
 * mapping after it reads a fine clock and enters the time anew, which costs more than the question itself.
 */
#ifndef FOSTER_OS_INODE_H
#define FOSTER_OS_INODE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

struct inode {
	dev_t device;
	uint64_t number;
	uint64_t size;
	mode_t mode; /* the kind of file alone */
};

/* 0, or a negative errno of fstat(2).  Context: any. */
int inode_ask(int fd, struct inode *inode) _must_check_ _nonnull_all_;

#endif
