// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <foster/bpf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/result.h"
#include "bpf/arena.h"
#include "bpf/known.h"
#include "bpf/reason.h"
#include "bpf/ringbuf.h"
#include "source/private.h"

/* More than a process has addresses; here it is a sentence. */
#define TOO_LONG (UINT64_C(1) << 47)

const char *map_type_name(unsigned int type)
{
	const char *name = libbpf_bpf_map_type_str((enum bpf_map_type)type);

	if (!name && type == MAP_TYPE_ARENA)
		name = "arena";
	return name ? name : "?";
}

/*
 * Two questions that only maps answer, asked without a place for the answer, so that
 * neither changes or copies anything.  What is no map gives EINVAL to both (a descriptor
 * of O_PATH: EBADF); of the types of map some give it to one (an arena has nothing to
 * look up, a queue has no keys), none to both.  Any other errno comes after the kernel
 * has found a map: EPERM of one opened for writing only, for example.
 */
static bool is_map(int fd)
{
	int r = bpf_map_lookup_elem(fd, NULL, NULL);

	if (r == -EINVAL)
		r = bpf_map_get_next_key(fd, NULL, NULL);
	return r != -EINVAL && r != -EBADF;
}

int map_describe(int fd, struct bpf_map_info *info)
{
	__u32 size = sizeof(*info);
	int r;

	if (fcntl(fd, F_GETFD) < 0)
		return reason_set(EBADF, "descriptor %d is not open", fd);
	if (!is_map(fd))
		return reason_set(EINVAL, "descriptor %d is not a BPF map", fd);
	memset(info, 0, sizeof(*info));
	r = bpf_obj_get_info_by_fd(fd, info, &size);
	if (r < 0)
		return reason_set(-r, "the kernel tells nothing of descriptor %d: %m",
				  fd);
	return 0;
}

int map_length(const struct bpf_map_info *info, size_t *len)
{
	uint64_t stride = ((uint64_t)info->value_size + 7) & ~UINT64_C(7);
	uint64_t bytes;

	if (__builtin_mul_overflow(stride, (uint64_t)info->max_entries, &bytes) ||
	    bytes >= TOO_LONG)
		return reason_set(ENOTSUP,
				  "map \"%s\" has %" PRIu32 " values of %" PRIu64
				  " bytes: more than there are addresses",
				  info->name, info->max_entries, stride);
	*len = bytes;
	return 0;
}

int map_check(const struct bpf_map_info *info)
{
	if (info->type != BPF_MAP_TYPE_ARRAY)
		return reason_set(ENOTSUP, "map \"%s\" is of type %s (%u), not an array",
				  info->name, map_type_name(info->type), info->type);
	if (!(info->map_flags & BPF_F_MMAPABLE))
		return reason_set(ENOTSUP,
				  "array map \"%s\" was made without BPF_F_MMAPABLE",
				  info->name);
	return 0;
}

static void *map_with(int fd, size_t len, int prot)
{
	return foster_private_map(len, prot, MAP_SHARED, fd, 0, FOSTER_SOURCE_BPF_MAP);
}

/*
 * Writable if the kernel lets us, else read-only.  A frozen map says EPERM, one of
 * BPF_F_RDONLY_PROG says EACCES, and a map may be frozen at any moment; so it is tried,
 * not worked out from flags.  A descriptor that was opened for reading only or writing
 * only cannot be mapped at all: the kernel takes a shared mapping of one for a private
 * one, and maps of BPF have none (EINVAL).
 */
static void *map_values(int fd, size_t len)
{
	void *p = map_with(fd, len, PROT_READ | PROT_WRITE);
	int refused = errno;

	if (p != MAP_FAILED || (refused != EPERM && refused != EACCES))
		return p;
	p = map_with(fd, len, PROT_READ);
	if (p == MAP_FAILED && errno == EINVAL)
		errno = refused;
	return p;
}

static int map_reason(const struct bpf_map_info *info, int fd, int err)
{
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return reason_set(
			err, "descriptor %d was not opened for reading and writing", fd);
	return reason_set(err, "array map \"%s\" cannot be mapped: %m", info->name);
}

int map_memory(int fd, const struct bpf_map_info *info, void **ret)
{
	struct known *known;
	size_t len = 0;
	void *p;
	int r = map_length(info, &len);

	if (r < 0)
		return r;
	known = known_new(info);
	if (!known)
		return reason_set(ENOMEM, "no memory for what is known of map \"%s\"",
				  info->name);
	p = map_values(fd, len);
	if (p == MAP_FAILED) {
		r = map_reason(info, fd, errno);
		known_free(known);
		return r;
	}
	known_add(known, p);
	*ret = p;
	return 0;
}

static int array_memory(int fd, const struct bpf_map_info *info, void **ret)
{
	int r = map_check(info);

	return r < 0 ? r : map_memory(fd, info, ret);
}

/* Whose memory can be mapped at all; of the others array_memory() says so. */
static int any_memory(int fd, const struct bpf_map_info *info, void **ret)
{
	switch (info->type) {
	case BPF_MAP_TYPE_RINGBUF:
		return ringbuf_memory(fd, info, ret);
	case MAP_TYPE_ARENA:
		return arena_memory(fd, info, NULL, ret);
	default:
		return array_memory(fd, info, ret);
	}
}

FOSTER_EXPORT void *foster_bpf_map(int map_fd)
{
	struct bpf_map_info info;
	void *p = NULL;
	int r = map_describe(map_fd, &info);

	if (r == 0)
		r = any_memory(map_fd, &info, &p);
	return r < 0 ? result_null(r) : p;
}
