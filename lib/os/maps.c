/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/mapquery.h"

#define NONE (-1)
#define UNSUPPORTED (-2)
static _Atomic int maps_fd = NONE;

/* Out of the way: a descriptor that a host has just closed must stay closed. */
#define FD_LOWEST 512

static int out_of_the_way(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_LOWEST);

	if (high < 0)
		return fd;
	close(fd);
	return high;
}

static int open_maps(void)
{
	int none = NONE;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	fd = out_of_the_way(fd);
	if (atomic_compare_exchange_strong(&maps_fd, &none, fd))
		return fd;
	close(fd); /* another thread was faster */
	return none;
}

/* Is the descriptor one of a file of proc named maps?  Then it is ours. */
static bool is_maps(int fd)
{
	char link[64], target[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strncmp(target, "/proc/", 6) == 0 && strcmp(target + n - 5, "/maps") == 0;
}

static int ask(int fd, uintptr_t addr, struct mapquery *q)
{
	*q = (struct mapquery){ .size = sizeof(*q), .addr = addr };
	return ioctl(fd, MAPQUERY, q) == 0 ? 0 : -errno;
}

static bool is_answer(int r)
{
	return r == 0 || r == -ENOENT;
}

/*
 * A kernel that does not know the question: ENOTTY, on a descriptor that is ours for
 * sure.  Any other failure may pass.
 */
static int give_up(int fd, int err)
{
	if (err == -ENOTTY && atomic_compare_exchange_strong(&maps_fd, &fd, UNSUPPORTED))
		close(fd);
	return -ENOSYS;
}

/*
 * The descriptor did not answer.  A host that closes all descriptors closed ours too, and
 * the number may be another's now: it is left alone, and a new one is opened.
 */
static int ask_anew(int old, uintptr_t addr, struct mapquery *q)
{
	bool was_ours = old >= 0 && is_maps(old);
	int none = old;
	int fd, r;

	if (atomic_compare_exchange_strong(&maps_fd, &none, NONE) && was_ours)
		close(old);
	fd = open_maps();
	if (fd < 0)
		return -ENOSYS;
	r = ask(fd, addr, q);
	return is_answer(r) ? r : give_up(fd, r);
}

int maps_at(uintptr_t addr, struct maps_entry *entry)
{
	int fd = atomic_load_explicit(&maps_fd, memory_order_relaxed);
	struct mapquery q;
	int r;

	if (fd == UNSUPPORTED)
		return -ENOSYS;
	r = fd == NONE ? -EBADF : ask(fd, addr, &q);
	if (!is_answer(r))
		r = ask_anew(fd, addr, &q);
	if (r)
		return r;
	*entry = (struct maps_entry){
		.start = (uintptr_t)q.start,
		.end = (uintptr_t)q.end,
		.offset = q.offset,
		.inode = q.inode,
		.device = (uint64_t)q.major << 32 | q.minor,
		.prot = (int)(q.vma_flags & MAPQUERY_PROT),
	};
	return 0;
}

void maps_open(void)
{
	if (atomic_load(&maps_fd) == NONE)
		(void)open_maps();
}

void maps_after_fork(void)
{
	int fd = atomic_exchange(&maps_fd, NONE);

	if (fd >= 0)
		close(fd);
	else if (fd == UNSUPPORTED)
		atomic_store(&maps_fd, UNSUPPORTED);
}
