/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/mapquery.h"

#include <errno.h>
#include <string.h>

#include "os/raw.h"

static int ask(int fd, struct mapquery *q, uintptr_t addr, char *name)
{
	*q = (struct mapquery){
		.size = sizeof(*q),
		.flags = MAPQUERY_OR_NEXT,
		.addr = addr,
		.name = (uintptr_t)name,
		.name_size = name ? MAPQUERY_NAME : 0,
	};
	return (int)raw(SYS_ioctl, (uintptr_t)fd, MAPQUERY, (uintptr_t)q);
}

int mapquery_next(int fd, uintptr_t addr, struct mapline *m, char name[MAPQUERY_NAME])
{
	struct mapquery q;
	int r = ask(fd, &q, addr, name);

	if (r == -ENAMETOOLONG) {
		/* Nothing that is known by its name has one as long. */
		r = ask(fd, &q, addr, NULL);
		strcpy(name, "/");
		q.name_size = 2;
	}
	if (r)
		return r;
	*m = (struct mapline){
		.start = (uintptr_t)q.start,
		.end = (uintptr_t)q.end,
		.offset = q.offset,
		.device = (uint64_t)q.major << 32 | q.minor,
		.inode = q.inode,
		.name = name,
		.name_len = q.name_size ? q.name_size - 1 : 0,
		.prot = (uint8_t)(q.vma_flags & MAPQUERY_PROT),
		.shared = (q.vma_flags & MAPQUERY_SHARED) != 0,
	};
	return 0;
}
