// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/arena.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <foster/bpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/result.h"
#include "bpf/known.h"
#include "bpf/map.h"
#include "bpf/object.h"
#include "bpf/reason.h"
#include "bpf/single.h"
#include "source/private.h"

/* Another thread that has mapped an arena and not yet said so is waited for. */
#define TRIES 1000

size_t arena_bytes(const struct bpf_map_info *info)
{
	return (size_t)info->max_entries * (size_t)sysconf(_SC_PAGESIZE);
}

/* What is to be known of an arena; made before it is mapped, so that nothing fails after. */
struct note {
	struct known *known;
	struct single *single;
};

static void single_free(struct single *single)
{
	free(single);
}

static void single_forked(struct single *single)
{
	single->absent = true;
}

static void note_free(const struct note *note)
{
	known_free(note->known);
	free(note->single);
}

static int note_new(const struct bpf_map_info *info, struct note *note)
{
	note->known = known_new(info);
	note->single = calloc(1, sizeof(*note->single));
	if (note->known && note->single) {
		note->single->free = single_free;
		note->single->forked = single_forked;
		return 0;
	}
	note_free(note);
	return reason_set(ENOMEM, "no memory for what is known of arena \"%s\"",
			  info->name);
}

static void note_add(const struct note *note, const struct bpf_map_info *info, void *p)
{
	known_add(note->known, p);
	if (single_add(note->single, info->id,
		       p)) { /* at the same address: it is the same */
		single_have(p);
		free(note->single);
	}
}

static bool is_known(const struct bpf_map_info *info)
{
	void *p = single_find(info->id);

	if (p)
		single_have(p);
	return p;
}

int arena_introduce(const struct bpf_map_info *info, void *p)
{
	struct note note;
	int r;

	if (is_known(info))
		return 0;
	r = note_new(info, &note);
	if (r == 0)
		note_add(&note, info, p);
	return r;
}

/* What somebody else has mapped stays when foster lets go of it: they unmap it. */
static void leave(void *addr, size_t len, void *arg)
{
	(void)addr;
	(void)len;
	(void)arg;
}

/*
 * There is something at the one address where the arena can be. -EAGAIN: another thread
 * has just mapped it.
 */
static int adopt_there(int fd, const struct bpf_map_info *info, void *addr)
{
	int r;

	if (!foster_private_is_of(addr, arena_bytes(info), fd))
		return reason_set(
			EADDRINUSE,
			"arena \"%s\" belongs at %p, where something else is mapped",
			info->name, addr);
	/* Without its end, which may be the beginning of another mapping. */
	r = foster_private_adopt(addr, arena_bytes(info) - 1, leave, NULL,
				 FOSTER_SOURCE_BPF_MAP);
	if (r == -EEXIST)
		return -EAGAIN;
	if (r < 0)
		return reason_set(-r, "arena \"%s\" cannot be adopted: %m", info->name);
	return 0;
}

static int refused(const struct bpf_map_info *info, void *addr, int err)
{
	if (err == EINVAL && !addr)
		return reason_set(
			EADDRNOTAVAIL,
			"arena \"%s\" is mapped at an address that the kernel does "
			"not tell: use foster_arena_at()",
			info->name);
	if (err == EINVAL)
		return reason_set(EADDRNOTAVAIL, "arena \"%s\" does not belong at %p",
				  info->name, addr);
	return reason_set(err, "arena \"%s\" cannot be mapped: %m", info->name);
}

static int map_or_adopt(int fd, const struct bpf_map_info *info, void *addr, void **ret)
{
	int r = foster_private_map_at(addr, arena_bytes(info), PROT_READ | PROT_WRITE, fd,
				      FOSTER_SOURCE_BPF_MAP, ret);

	if (r == -EEXIST && addr) {
		*ret = addr;
		return adopt_there(fd, info, addr);
	}
	return r < 0 ? refused(info, addr, -r) : 0;
}

static int map_anew(int fd, const struct bpf_map_info *info, void *addr, void **ret)
{
	struct note note;
	int r = note_new(info, &note);

	if (r < 0)
		return r;
	r = map_or_adopt(fd, info, addr, ret);
	if (r < 0)
		note_free(&note);
	else
		note_add(&note, info, *ret);
	return r;
}

/* It belongs where the parent had it, also where the kernel does not say so. */
static void *place_of(const struct bpf_map_info *info, void *addr)
{
	void *absent = single_take_absent(info->id);

	if (absent)
		(void)foster_disown(absent);
	if (addr)
		return addr;
	return info->map_extra ? (void *)(uintptr_t)info->map_extra : absent;
}

/* The caller may know better than a map that was made without an address. */
int arena_memory(int fd, const struct bpf_map_info *info, void *addr, void **ret)
{
	int r = -EAGAIN;

	addr = place_of(info, addr);
	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		void *p = single_find(info->id);

		if (p) {
			*ret = p;
			single_have(p);
			return 0;
		}
		r = map_anew(fd, info, addr, ret);
		if (r == -EAGAIN)
			sched_yield();
	}
	if (r == -EAGAIN)
		r = reason_set(
			EBUSY,
			"a region that is no arena lies where arena \"%s\" belongs",
			info->name);
	return r;
}

/* ----------------------------------------------------------------------------- public */

static int describe(int fd, struct bpf_map_info *info)
{
	int r = map_describe(fd, info);

	if (r == 0 && info->type != MAP_TYPE_ARENA)
		r = reason_set(ENOTSUP, "map \"%s\" is of type %s (%u), not an arena",
			       info->name, map_type_name(info->type), info->type);
	return r;
}

FOSTER_EXPORT void *foster_arena_at(int map_fd, void *addr)
{
	struct bpf_map_info info;
	void *p = NULL;
	int r = describe(map_fd, &info);

	if (r == 0)
		r = arena_memory(map_fd, &info, addr, &p);
	if (r == 0 && addr && p != addr)
		r = reason_set(EADDRNOTAVAIL, "arena \"%s\" does not belong at %p",
			       info.name, addr);
	return r < 0 ? result_null(r) : p;
}

/* libbpf maps an arena before it loads programs; before 1.4 it knows none, and we do. */
int arena_of_libbpf(const struct bpf_map *map, void **ret)
{
	struct bpf_map_info info;
	int fd = bpf_map__fd(map);
	int r;

	if (fd < 0)
		return reason_set(EBADF, "map \"%s\" is not in the kernel yet",
				  bpf_map__name(map));
	r = describe(fd, &info);
	if (r < 0)
		return r;
	*ret = object_arena(map);
	if (!*ret)
		return arena_memory(fd, &info, NULL, ret);
	r = object_adopt(map, *ret);
	return r < 0 ? r : arena_introduce(&info, *ret);
}

FOSTER_EXPORT void *foster_arena(const struct bpf_map *map)
{
	void *p = NULL;
	int r = map ? arena_of_libbpf(map, &p) : reason_set(EINVAL, "NULL is no map");

	return r < 0 ? result_null(r) : p;
}
