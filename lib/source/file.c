/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_map_file(). */
#include <errno.h>
#include <fcntl.h>
#include <foster/foster.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/result.h"
#include "os/inode.h"
#include "os/vm.h"
#include "source/mapping.h"

#define OPTS_V1 offsetof(struct foster_map_opts, on_damage)
#define FLAGS (FOSTER_MAP_WRITE | FOSTER_MAP_PRIVATE | FOSTER_MAP_POPULATE | FOSTER_MAP_SURVIVE)

static const int harmless_advice[] = {
	MADV_NORMAL, MADV_RANDOM,     MADV_SEQUENTIAL, MADV_WILLNEED, MADV_COLD,      MADV_HUGEPAGE,
	MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,	MADV_MERGEABLE, MADV_UNMERGEABLE,
};

static bool advice_is_harmless(int advice)
{
	for (size_t i = 0; i < sizeof(harmless_advice) / sizeof(*harmless_advice); i++)
		if (harmless_advice[i] == advice)
			return true;
	return false;
}

static int take_opts(struct foster_map_opts *mine, const struct foster_map_opts *opts)
{
	int r = 0;

	*mine = (struct foster_map_opts)FOSTER_MAP_OPTS_INIT;
	if (opts)
		r = sized_in(mine, sizeof(*mine), opts, OPTS_V1);
	if (!r && (mine->flags & ~FLAGS || !advice_is_harmless(mine->advice)))
		r = -EINVAL;
	return r;
}

/*
 * Without waiting for the other end of a FIFO, and without becoming a terminal's session.
 */
static int open_file(const char *path, unsigned int flags)
{
	bool shared = (flags & FOSTER_MAP_WRITE) && !(flags & FOSTER_MAP_PRIVATE);
	int fd = open(path, (shared ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	return errno == ENXIO ? -ENODEV : -errno; /* a socket has no other end to open */
}

/* Bytes of a regular file or a block device. */
static int size_of(int fd, uint64_t *size)
{
	struct inode file;
	off_t end;
	int err = inode_ask(fd, &file);

	if (err)
		return err;
	if (S_ISDIR(file.mode))
		return -EISDIR;
	if (!S_ISREG(file.mode) && !S_ISBLK(file.mode))
		return -ENODEV;
	*size = file.size;
	if (S_ISREG(file.mode))
		return 0;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return -errno;
	*size = (uint64_t)end;
	return 0;
}

/* The window in a file of size bytes; length 0 becomes the rest. */
static int fit_window(struct foster_map_opts *o, uint64_t size)
{
	uint64_t rest = size - o->offset;

	if (o->offset + o->length < o->offset)
		return -EOVERFLOW;
	if (o->offset > size || o->length > rest)
		return -ERANGE;
	if (!o->length && rest > SIZE_MAX)
		return -EOVERFLOW;
	if (!o->length)
		o->length = (size_t)rest;
	return o->length ? 0 : -ENODATA;
}

static int map_window(int fd, const struct foster_map_opts *o, void **ret)
{
	bool private = o->flags & FOSTER_MAP_PRIVATE;
	struct mapping_request rq = {
		.what = {
			.prot = PROT_READ | (o->flags & FOSTER_MAP_WRITE ? PROT_WRITE : 0),
			.flags = (private ? MAP_PRIVATE : MAP_SHARED) |
				 (o->flags & FOSTER_MAP_POPULATE ? MAP_POPULATE : 0),
			.fd = fd,
		},
		.delta = (size_t)(o->offset % vm_page_size()),
		.len = o->length,
		.source = FOSTER_SOURCE_PATH,
		.advice = o->advice,
		.survives = o->flags & FOSTER_MAP_SURVIVE,
		.on_damage = o->on_damage,
		.damage_arg = o->damage_arg,
	};

	rq.what.off = (off_t)(o->offset - rq.delta);
	return mapping_new(&rq, ret);
}

static int map_fd(int fd, struct foster_map_opts *o, void **ret)
{
	uint64_t size = 0;
	int r = size_of(fd, &size);

	if (!r)
		r = fit_window(o, size);
	if (!r)
		r = map_window(fd, o, ret);
	return r;
}

FOSTER_EXPORT void *foster_map_file(const char *path, const struct foster_map_opts *opts)
{
	struct foster_map_opts mine;
	void *p = NULL;
	int fd;
	int r = take_opts(&mine, opts);

	if (r)
		return result_null(r);
	fd = open_file(path, mine.flags);
	if (fd < 0)
		return result_null(fd);
	r = map_fd(fd, &mine, &p);
	close(fd);
	return r ? result_null(r) : p;
}
