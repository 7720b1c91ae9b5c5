// SPDX-License-Identifier: BSD-2-Clause
/*
 * Skeletons of libbpf: their pointers to data become pointers into tracked memory. What
 * is read and written of them is in libbpf's public structures, whose sizes they tell.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <foster/bpf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/result.h"
#include "bpf/known.h"
#include "bpf/map.h"
#include "bpf/reason.h"

/* Up to the members that are used here; later libbpfs have more. */
#define OBJECT_BYTES (offsetof(struct bpf_object_skeleton, maps) + sizeof(void *))
#define MAP_BYTES (offsetof(struct bpf_map_skeleton, mmaped) + sizeof(void *))
#define SUB_BYTES (offsetof(struct bpf_object_subskeleton, vars) + sizeof(void *))
#define VAR_BYTES (offsetof(struct bpf_var_skeleton, addr) + sizeof(void *))

/*
 * What is to be stored, once all of it is mapped. It lies in malloc's memory, where
 * pointers are seen.
 */
struct change {
	const struct bpf_map *map;
	const char *name; /* of the map, by the program */
	void **slot;	  /* of a pointer in the skeleton */
	void *memory;	  /* of the map; NULL: the slot stays as it is */
	size_t offset;
	bool mine; /* mapped for this change, not for one before it */
};

struct changes {
	struct change *change;
	size_t count;
	const struct bpf_object *object;
};

/* ----------------------------------------------------------------------------- changes */

static int changes_init(struct changes *c, int count)
{
	c->count = 0;
	c->change = calloc((size_t)count + 1, sizeof(*c->change));
	if (!c->change)
		return reason_set(ENOMEM, "no memory for the pointers of a skeleton");
	return 0;
}

/* Freed memory is read for pointers too. */
static void changes_done(struct changes *c)
{
	if (c->change)
		explicit_bzero(c->change, c->count * sizeof(*c->change));
	free(c->change);
}

static void store(const struct changes *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->change[i].memory)
			*c->change[i].slot =
				(char *)c->change[i].memory + c->change[i].offset;
}

static void take_back(const struct changes *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->change[i].mine)
			(void)foster_close(c->change[i].memory);
}

static int finish(struct changes *c, int r)
{
	if (r < 0)
		take_back(c);
	else
		store(c);
	changes_done(c);
	return r;
}

/* -------------------------------------------------------------------------------- maps */

/*
 * A map that was made by somebody else may be smaller than the section of this program,
 * whose variables would lie behind its end. The map may have another name, too: name is
 * that which the program gave it, "program.bss".
 */
static int check_size(const struct bpf_object *object, const char *name,
		      const struct bpf_map_info *info)
{
	const struct btf *btf = object ? bpf_object__btf(object) : NULL;
	const char *section = name ? strchr(name, '.') : NULL;
	int id = btf && section ? btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC)
				: -ENOENT;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	if (type && type->size > info->value_size)
		return reason_set(EMSGSIZE,
				  "%s of the program has %u bytes, and map \"%s\" has %u",
				  section, type->size, info->name, info->value_size);
	return 0;
}

static bool is_mappable(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_ARRAY && info->map_flags & BPF_F_MMAPABLE;
}

/* Is the pointer into memory that foster has of this map? */
static bool is_ours(const void *p, const struct bpf_map_info *info)
{
	struct known_map known;

	return p && known_find(p, &known) == 0 && known.map_id == info->id;
}

/* Of a map that libbpf was told not to make there is no memory. */
static int describe(const struct bpf_map *map, struct bpf_map_info *info)
{
	int fd = bpf_map__fd(map);

	if (fd < 0 && !bpf_map__autocreate(map)) {
		info->type = BPF_MAP_TYPE_UNSPEC;
		return 0;
	}
	if (fd < 0)
		return reason_set(EBADF, "map \"%s\" is not in the kernel yet",
				  bpf_map__name(map));
	return map_describe(fd, info);
}

/* The memory of the change before it that is of the same map. */
static void *mapped_before(const struct changes *c, const struct bpf_map *map)
{
	for (size_t i = c->count; i-- > 0;)
		if (c->change[i].map == map)
			return c->change[i].memory;
	return NULL;
}

static int map_for(struct changes *c, struct change *change,
		   const struct bpf_map_info *info)
{
	int r;

	change->memory = mapped_before(c, change->map);
	if (change->memory)
		return 0;
	r = check_size(c->object, change->name, info);
	if (r == 0)
		r = map_memory(bpf_map__fd(change->map), info, &change->memory);
	change->mine = r == 0;
	return r;
}

/* Lists what is to change in a skeleton, up to so many; then all of it changes, or none. */
static int change_all(const struct bpf_object *object, int count,
		      int (*list)(struct changes *c, const void *skeleton),
		      const void *skeleton)
{
	struct changes c = { 0 };
	int r = changes_init(&c, count);

	if (r < 0)
		return r;
	c.object = object;
	return finish(&c, list(&c, skeleton));
}

/* ---------------------------------------------------------------------------- skeleton */

static int add_map(struct changes *c, const struct bpf_map_skeleton *s)
{
	struct change *change = &c->change[c->count];
	struct bpf_map_info info = { 0 };
	int r;

	if (!s->mmaped)
		return 0;
	*change = (struct change){ .map = *s->map, .name = s->name, .slot = s->mmaped };
	r = describe(change->map, &info);
	if (r == 0 && is_mappable(&info) && !is_ours(*s->mmaped, &info))
		r = map_for(c, change, &info);
	c->count += r == 0;
	return r;
}

static int check_skeleton(const struct bpf_object_skeleton *s)
{
	if (!s)
		return reason_set(EINVAL, "NULL is no skeleton");
	if (s->sz < OBJECT_BYTES || s->map_cnt < 0 ||
	    (s->map_cnt && (s->map_skel_sz < (int)MAP_BYTES || !s->maps)))
		return reason_set(EINVAL, "the skeleton is of no libbpf that is known");
	return 0;
}

static int list_maps(struct changes *c, const void *skeleton)
{
	const struct bpf_object_skeleton *s = skeleton;
	int r = 0;

	for (int i = 0; r == 0 && i < s->map_cnt; i++)
		r = add_map(c,
			    (const void *)((const char *)s->maps + i * s->map_skel_sz));
	return r;
}

FOSTER_EXPORT int foster_bpf_skeleton(struct bpf_object_skeleton *s)
{
	int r = check_skeleton(s);

	if (r == 0)
		r = change_all(s->obj ? *s->obj : NULL, s->map_cnt, list_maps, s);
	return result(r);
}

/* ------------------------------------------------------------------------- subskeleton */

/* The variable is where libbpf has the memory of its map, and the same of ours. */
static int offset_of(const struct bpf_var_skeleton *s, size_t *offset)
{
	size_t bytes = 0;
	const char *theirs = bpf_map__initial_value(*s->map, &bytes);

	*offset = (size_t)((uintptr_t)*s->addr - (uintptr_t)theirs);
	if (!theirs || *offset >= bytes)
		return reason_set(EADDRNOTAVAIL,
				  "libbpf has variable \"%s\" elsewhere than map \"%s\"",
				  s->name, bpf_map__name(*s->map));
	return 0;
}

static int add_variable(struct changes *c, const struct bpf_var_skeleton *s)
{
	struct change *change = &c->change[c->count];
	struct bpf_map_info info = { 0 };
	int r;

	if (!*s->map || !*s->addr) /* a weak one that is not there */
		return 0;
	*change = (struct change){ .map = *s->map,
				   .name = bpf_map__name(*s->map),
				   .slot = s->addr };
	r = describe(change->map, &info);
	if (r < 0 || !is_mappable(&info) || is_ours(*s->addr, &info))
		return r;
	r = offset_of(s, &change->offset);
	if (r == 0)
		r = map_for(c, change, &info);
	c->count += r == 0;
	return r;
}

static int check_subskeleton(const struct bpf_object_subskeleton *s)
{
	if (!s)
		return reason_set(EINVAL, "NULL is no subskeleton");
	if (s->sz < SUB_BYTES || s->var_cnt < 0 ||
	    (s->var_cnt && (s->var_skel_sz < (int)VAR_BYTES || !s->vars)))
		return reason_set(EINVAL,
				  "the subskeleton is of no libbpf that is known");
	return 0;
}

static int list_variables(struct changes *c, const void *subskeleton)
{
	const struct bpf_object_subskeleton *s = subskeleton;
	int r = 0;

	for (int i = 0; r == 0 && i < s->var_cnt; i++)
		r = add_variable(
			c, (const void *)((const char *)s->vars + i * s->var_skel_sz));
	return r;
}

FOSTER_EXPORT int foster_bpf_subskeleton(struct bpf_object_subskeleton *s)
{
	int r = check_subskeleton(s);

	if (r == 0)
		r = change_all(s->obj, s->var_cnt, list_variables, s);
	return result(r);
}
