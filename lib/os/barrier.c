// SPDX-License-Identifier: BSD-2-Clause
#include "os/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) < 0 ? -errno : 0;
}

/* A filter of system calls may let the one through and not the other: both are tried. */
int barrier_ready(void)
{
	const int r = call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

	return r < 0 ? r : call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

/* The child of fork(2) has not registered yet. */
int barrier_all(void)
{
	const int r = call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);

	return r == -EPERM ? barrier_ready() : r;
}
