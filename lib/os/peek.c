/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "os/raw.h"

#define NONE (-1)
/* Out of the way: a descriptor that a host has just closed must stay closed. */
#define FD_LOWEST 512

static _Atomic int mem_fd = NONE;

void peek_open(void)
{
	int none = NONE;
	int fd, high;

	if (atomic_load(&mem_fd) != NONE)
		return;
	fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_LOWEST);
	if (high >= 0) {
		close(fd);
		fd = high;
	}
	if (!atomic_compare_exchange_strong(&mem_fd, &none, fd))
		close(fd); /* another thread was faster */
}

void peek_after_fork(void)
{
	int fd = atomic_exchange(&mem_fd, NONE);

	if (fd >= 0)
		close(fd);
	peek_open();
}

ssize_t peek_read(uintptr_t addr, void *buf, size_t n)
{
	long r;

	do
		r = raw(SYS_pread64, (uintptr_t)atomic_load(&mem_fd), (uintptr_t)buf, n, addr);
	while (r == -EINTR);
	return r == -EIO || r == -EFAULT ? 0 : r;
}
