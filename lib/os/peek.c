/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/peek.h"

#include <errno.h>

#include "os/procfile.h"
#include "os/raw.h"

static struct procfile memory = PROCFILE("/proc/self/mem");

void peek_open(void)
{
	procfile_open(&memory);
}

void peek_after_fork(void)
{
	procfile_close(&memory);
	peek_open();
}

ssize_t peek_read(uintptr_t addr, void *buf, size_t n)
{
	int fd = procfile_fd(&memory);
	long r;

	if (fd < 0)
		return fd;
	do
		r = raw(SYS_pread64, (uintptr_t)fd, (uintptr_t)buf, n, addr);
	while (r == -EINTR);
	return r == -EIO || r == -EFAULT ? 0 : r;
}
