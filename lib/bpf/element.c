// SPDX-License-Identifier: BSD-2-Clause
/* The memory of a map by index and by offset: FOSTER_ELEM() and FOSTER_AT(). */
#include <errno.h>
#include <foster/bpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <sys/mman.h>

#include "base/result.h"
#include "bpf/known.h"
#include "bpf/map.h"
#include "bpf/match.h"
#include "bpf/reason.h"

#define MAP_INFO_V1 sizeof(struct foster_bpf_map_info)

FOSTER_EXPORT int foster_bpf_map_info(const void *p, struct foster_bpf_map_info *info)
{
	struct foster_bpf_map_info mine = { 0 };
	struct known_map map;
	int r = known_find(p, &map);

	if (r < 0)
		return result(r);
	mine = (struct foster_bpf_map_info){
		.size = sizeof(mine),
		.base = map.base,
		.count = map.count,
		.value_size = map.value_size,
		.stride = map.stride,
		.map_id = map.map_id,
		.map_type = map.map_type,
		.btf_id = map.btf_id,
		.value_type_id = map.value_type,
		.prot = map.prot,
	};
	memcpy(mine.name, map.name, sizeof(mine.name));
	_Static_assert(sizeof(mine.name) == sizeof(map.name), "the kernel's names");
	return result(reason_sized_out(info, &mine, sizeof(mine), MAP_INFO_V1,
				       "foster_bpf_map_info"));
}

/* ----------------------------------------------------------------------------- typed */

/* What both need: the map, an array, and the type. */
static int begin(const void *p, const struct foster_type *type, struct known_map *map,
		 struct foster_type *asked)
{
	int r = known_find(p, map);

	if (r == 0)
		r = match_take(type, asked);
	if (r == 0 && !map->stride)
		r = reason_set(ENOTSUP, "map \"%s\" is of type %s (%u), not an array",
			       map->name, map_type_name(map->map_type), map->map_type);
	return r;
}

static int check_use(const struct known_map *map, uint64_t offset,
		     const struct foster_type *asked, bool is_const)
{
	if (!(asked->flags & FOSTER_TYPE_CONST) &&
	    (is_const || !(map->prot & PROT_WRITE)))
		return reason_set(EACCES,
				  "map \"%s\" is for reading only: ask for const %s",
				  map->name, asked->name);
	if (offset % asked->align)
		return reason_set(EADDRNOTAVAIL,
				  "offset %" PRIu64
				  " of map \"%s\" is not aligned to %zu, as %s is",
				  offset, map->name, asked->align, asked->name);
	return 0;
}

static bool is_section(const struct types *types, uint32_t id)
{
	const struct btf_type *type = types_at(types, id);

	return type && BTF_INFO_KIND(type->info) == BTF_KIND_DATASEC;
}

/* Is a value of the map what is asked for? */
static int check_value(const struct known_map *map, const struct foster_type *asked,
		       bool *is_const)
{
	const struct subject subject = { "the value of map", map->name, "", "" };
	struct types types;
	int r = known_types(map, &types);

	if (r < 0)
		return r;
	if (is_section(&types, map->value_type))
		return reason_set(ENOTSUP,
				  "map \"%s\" is a data section: use foster_datasec()",
				  map->name);
	r = match_type(&types, map->value_type, asked, &subject);
	if (r == 0 && asked->bytes > map->value_size)
		r = reason_set(EBADMSG, "the BTF of map \"%s\" makes no sense",
			       map->name);
	*is_const = match_is_const(&types, map->value_type);
	return r;
}

static int take_element(const void *p, uint64_t index, const struct foster_type *type,
			void **ret)
{
	struct foster_type asked;
	struct known_map map;
	bool is_const = false;
	int r = begin(p, type, &map, &asked);

	if (r == 0 && index >= map.count)
		r = reason_set(ERANGE,
			       "map \"%s\" has %" PRIu64
			       " values, none of number %" PRIu64,
			       map.name, map.count, index);
	if (r == 0)
		r = check_value(&map, &asked, &is_const);
	if (r == 0)
		r = check_use(&map, index * map.stride, &asked, is_const);
	if (r == 0)
		*ret = (char *)map.base + index * map.stride;
	return r;
}

FOSTER_EXPORT void *foster_elem(const void *p, uint64_t index,
				const struct foster_type *type)
{
	void *element = NULL;
	int r = take_element(p, index, type, &element);

	return r < 0 ? result_null(r) : element;
}

static int take_at(const void *p, uint64_t offset, const struct foster_type *type,
		   void **ret)
{
	struct foster_type asked;
	struct known_map map;
	uint64_t bytes;
	int r = begin(p, type, &map, &asked);

	if (r < 0)
		return r;
	bytes = map.stride * map.count; /* no overflow, or it had not been mapped */
	if (asked.bytes > bytes || offset > bytes - asked.bytes)
		return reason_set(ERANGE,
				  "%zu bytes at offset %" PRIu64
				  " reach behind the %" PRIu64 " of map \"%s\"",
				  asked.bytes, offset, bytes, map.name);
	r = check_use(&map, offset, &asked, false);
	if (r == 0)
		*ret = (char *)map.base + offset;
	return r;
}

FOSTER_EXPORT void *foster_at(const void *p, uint64_t offset,
			      const struct foster_type *type)
{
	void *there = NULL;
	int r = take_at(p, offset, type, &there);

	return r < 0 ? result_null(r) : there;
}
