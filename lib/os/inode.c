/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/inode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define WANTED (STATX_TYPE | STATX_INO | STATX_SIZE)

/* Sandboxes older than statx(2) refuse it. */
static int ask_with_times(int fd, struct inode *inode)
{
	struct stat told;

	if (fstat(fd, &told))
		return -errno;
	*inode = (struct inode){
		.device = told.st_dev,
		.number = told.st_ino,
		.size = (uint64_t)told.st_size,
		.mode = told.st_mode & S_IFMT,
	};
	return 0;
}

int inode_ask(int fd, struct inode *inode)
{
	struct statx told;

	if (statx(fd, "", AT_EMPTY_PATH, WANTED, &told) || (told.stx_mask & WANTED) != WANTED)
		return ask_with_times(fd, inode);
	*inode = (struct inode){
		.device = makedev(told.stx_dev_major, told.stx_dev_minor),
		.number = told.stx_ino,
		.size = told.stx_size,
		.mode = told.stx_mode & S_IFMT,
	};
	return 0;
}
