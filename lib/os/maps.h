/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says is mapped at an address. */
#ifndef FOSTER_OS_MAPS_H
#define FOSTER_OS_MAPS_H

#include <stdint.h>

#include "base/attributes.h"

struct maps_entry {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset; /* in the file, of start */
	uint64_t inode;	 /* 0: no file */
	uint64_t device; /* major << 32 | minor */
	int prot;	 /* PROT_* */
};

/*
 * The mapping around addr.  -ENOENT: there is none; -ENOSYS: the kernel is older than
 * 6.11, or
 * /proc is not there.  Half a microsecond, whatever the number of mappings; keeps a descriptor.
 * Any thread, no lock.
 */
int maps_at(uintptr_t addr, struct maps_entry *entry) _must_check_ _nonnull_all_;

/* Opens the descriptor now, while the process may; best effort. */
void maps_open(void);

/* In the child of fork: what was open describes the parent. */
void maps_after_fork(void);

#endif
