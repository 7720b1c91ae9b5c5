/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/check.h"
#include "os/raw.h"

#define LOWEST 512

static int identify(struct descriptor *d)
{
	struct stat st;
	long err = raw(SYS_fstat, (uintptr_t)d->fd, (uintptr_t)&st);

	d->device = err ? 0 : st.st_dev;
	d->inode = err ? 0 : st.st_ino;
	return (int)err;
}

int descriptor_keep(struct descriptor *d, int fd)
{
	long high;
	int err;

	fo_assert(fd >= 0);
	high = raw(SYS_fcntl, (uintptr_t)fd, F_DUPFD_CLOEXEC, LOWEST);
	if (high >= 0)
		(void)raw(SYS_close, (uintptr_t)fd);
	d->fd = high >= 0 ? (int)high : fd;
	err = identify(d);
	if (err) {
		(void)raw(SYS_close, (uintptr_t)d->fd);
		d->fd = -1;
	}
	return err;
}

bool descriptor_is_ours(const struct descriptor *d)
{
	struct descriptor now = { .fd = d->fd };

	return d->fd >= 0 && identify(&now) == 0 && now.device == d->device &&
	       now.inode == d->inode;
}

void descriptor_close(struct descriptor *d)
{
	if (descriptor_is_ours(d))
		(void)raw(SYS_close, (uintptr_t)d->fd);
	*d = (struct descriptor){ .fd = -1 };
}
