/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* PROCMAP_QUERY of linux/fs.h, which Debian 12's headers do not have yet. */
struct query {
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
#define QUERY _IOWR('f', 17, struct query)

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

static int ask(int fd, uintptr_t addr, struct query *q)
{
	*q = (struct query){ .size = sizeof(*q), .addr = addr };
	return ioctl(fd, QUERY, q) == 0 ? 0 : -errno;
}

/* A host that closes all descriptors closed ours too, and the number may be another's now. */
static int ask_anew(int old, uintptr_t addr, struct query *q)
{
	int fd, r;

	(void)atomic_compare_exchange_strong(&maps_fd, &old, NONE);
	fd = open_maps();
	if (fd < 0)
		return -ENOSYS;
	r = ask(fd, addr, q);
	if (r == 0 || r == -ENOENT)
		return r;
	if (atomic_compare_exchange_strong(&maps_fd, &fd, UNSUPPORTED))
		close(fd);
	return -ENOSYS;
}

int maps_at(uintptr_t addr, struct maps_entry *entry)
{
	int fd = atomic_load_explicit(&maps_fd, memory_order_relaxed);
	struct query q;
	int r;

	if (fd == UNSUPPORTED)
		return -ENOSYS;
	r = fd == NONE ? -EBADF : ask(fd, addr, &q);
	if (r && r != -ENOENT)
		r = ask_anew(fd, addr, &q);
	if (r)
		return r;
	*entry = (struct maps_entry){
		.start = (uintptr_t)q.start,
		.end = (uintptr_t)q.end,
		.offset = q.offset,
		.inode = q.inode,
		.device = (uint64_t)q.major << 32 | q.minor,
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
