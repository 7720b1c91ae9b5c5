/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A question to the kernel about one mapping (PROCMAP_QUERY, Linux 6.11): what a line of
 * /proc/self/maps tells, without the lines before it.
 */
#ifndef FOSTER_OS_MAPQUERY_H
#define FOSTER_OS_MAPQUERY_H

#include <stdint.h>
#include <sys/ioctl.h>

#include "base/attributes.h"
#include "os/mapline.h"

/* Of linux/fs.h, which Debian 12's headers do not have yet. */
struct mapquery {
	uint64_t size;
	uint64_t flags;
	uint64_t addr;
	uint64_t start;
	uint64_t end;
	uint64_t vma_flags;
	uint64_t page_size;
	uint64_t offset;
	uint64_t inode;
	uint32_t major;
	uint32_t minor;
	uint32_t name_size;
	uint32_t build_id_size;
	uint64_t name;
	uint64_t build_id;
};
#define MAPQUERY_PROT 7u   /* of vma_flags: PROT_READ, PROT_WRITE, PROT_EXEC */
#define MAPQUERY_SHARED 8u /* of vma_flags */
#define MAPQUERY_OR_NEXT 16u /* of flags */
#define MAPQUERY _IOWR('f', 17, struct mapquery)

/* So long a name at most; of a longer one (it is a path) its beginning is told. */
#define MAPQUERY_NAME 512u

/*
 * The mapping around addr, or the next above it; fd: a file maps of proc.  m->name is in name.  No
 * allocation, no lock.  0; -ENOENT: there is none; -ENOTTY: the kernel does not know the question;
 * -EBADF, ...
 */
int mapquery_next(int fd, uintptr_t addr, struct mapline *m, char name[MAPQUERY_NAME])
	_must_check_ _nonnull_(3, 4);

#endif
