// SPDX-License-Identifier: BSD-2-Clause
/* foster_datasec() and what is asked of one. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <foster/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/result.h"
#include "bpf/arena.h"
#include "bpf/globals.h"
#include "bpf/kernel_btf.h"
#include "bpf/map.h"
#include "bpf/match.h"
#include "bpf/reason.h"
#include "bpf/section.h"
#include "bpf/variable.h"

#define DATASEC_INFO_V1 sizeof(struct foster_datasec_info)
#define VARIABLE_V1 sizeof(struct foster_variable)

/* ----------------------------------------------------------------------------- making */

/* The section in memory, so many bytes of the memory of the map. */
static int describe_source(const struct bpf_map_info *info, void *memory, uint32_t bytes,
			   uint32_t btf_id, struct section_source *source)
{
	struct foster_info region = FOSTER_INFO_INIT;
	int r = foster_info(memory, &region);

	if (r < 0)
		return reason_set(ESTALE, "the memory of map \"%s\" was taken away",
				  info->name);
	*source = (struct section_source){
		.memory = memory,
		.bytes = bytes,
		.map_id = info->id,
		.btf_id = btf_id,
		.prot = region.prot,
	};
	memcpy(source->map_name, info->name, sizeof(source->map_name));
	_Static_assert(sizeof(info->name) == sizeof(source->map_name),
		       "the kernel's names");
	return 0;
}

static int make(const struct section_plan *plan, const struct section_source *source,
		struct foster_datasec **ds)
{
	void *room = foster_mmap(NULL, plan->bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED)
		return reason_set(errno, "no memory for the variables of map \"%s\": %m",
				  source->map_name);
	*ds = section_make(plan, source, room);
	return 0;
}

/* The map is mapped last: what is refused before leaves nothing to close. */
static int make_mapped(int fd, const struct bpf_map_info *info,
		       const struct section_plan *plan, struct foster_datasec **ds)
{
	struct section_source source;
	void *memory;
	int r = map_memory(fd, info, &memory);

	if (r < 0)
		return r;
	r = describe_source(info, memory, info->value_size, info->btf_id, &source);
	if (r == 0)
		r = make(plan, &source, ds);
	if (r < 0)
		(void)foster_close(memory);
	return r;
}

static int make_of_array(int fd, const struct bpf_map_info *info,
			 struct foster_datasec **ds)
{
	struct section_plan plan = { 0 };
	uint32_t bytes = 0;
	void *raw = NULL;
	int r = map_check(info);

	if (r == 0)
		r = kernel_btf(info->btf_id, info->name, &raw, &bytes);
	if (r == 0)
		r = section_plan(raw, bytes, info->btf_value_type_id, info->name, &plan);
	if (r == 0)
		r = make_mapped(fd, info, &plan, ds);
	section_plan_clear(&plan);
	free(raw);
	return r;
}

/* ----------------------------------------------------------------------- of an arena */

static int make_placed(const struct bpf_map_info *info, char *arena,
		       const struct globals *globals, const struct section_plan *plan,
		       struct foster_datasec **ds)
{
	const uint32_t bytes = section_plan_bytes(plan);
	struct section_source source;
	uint64_t offset = 0;
	int r = globals_place(globals, info->name, arena_bytes(info), bytes, &offset);

	if (r == 0)
		r = describe_source(info, arena + offset, bytes, globals->btf_id,
				    &source);
	return r < 0 ? r : make(plan, &source, ds);
}

/* The arena is mapped, and stays as long as somebody else than we points to it. */
static int make_of_arena(const struct bpf_map_info *info, void *arena,
			 struct foster_datasec **ds)
{
	struct section_plan plan = { 0 };
	struct globals globals = { 0 };
	uint32_t bytes = 0;
	void *raw = NULL;
	int r = globals_find(info->id, info->name, arena, arena_bytes(info), &globals);

	if (r == 0)
		r = kernel_btf(globals.btf_id, info->name, &raw, &bytes);
	if (r == 0)
		r = section_plan_named(raw, bytes, GLOBALS_SECTION, info->name, &plan);
	if (r == 0)
		r = make_placed(info, arena, &globals, &plan, ds);
	section_plan_clear(&plan);
	free(raw);
	return r;
}

/* map: what libbpf knows of it; NULL: nothing. */
static int make_of_map(int fd, const struct bpf_map *map, struct foster_datasec **ds)
{
	struct bpf_map_info info;
	void *arena = NULL;
	int r = map_describe(fd, &info);

	if (r < 0)
		return r;
	if (info.type != MAP_TYPE_ARENA)
		return make_of_array(fd, &info, ds);
	r = map ? arena_of_libbpf(map, &arena) : arena_memory(fd, &info, NULL, &arena);
	return r < 0 ? r : make_of_arena(&info, arena, ds);
}

static struct foster_datasec *datasec_of(int fd, const struct bpf_map *map)
{
	struct foster_datasec *ds = NULL;
	int r = make_of_map(fd, map, &ds);

	return r < 0 ? result_null(r) : ds;
}

/* ---------------------------------------------------------------------------- public */

FOSTER_EXPORT struct foster_datasec *foster_datasec(int map_fd)
{
	return datasec_of(map_fd, NULL);
}

FOSTER_EXPORT struct foster_datasec *foster_datasec_of(const struct bpf_map *map)
{
	int fd;

	if (!map)
		return result_null(reason_set(EINVAL, "NULL is no map"));
	fd = bpf_map__fd(map);
	if (fd < 0)
		return result_null(reason_set(EBADF,
					      "map \"%s\" is not in the kernel yet",
					      bpf_map__name(map)));
	return datasec_of(fd, map);
}

/* ---------------------------------------------------------------------------- looking */

FOSTER_EXPORT int foster_datasec_info(const struct foster_datasec *ds,
				      struct foster_datasec_info *info)
{
	struct foster_datasec_info mine;
	struct section section;
	int r = section_open(ds, &section);

	if (r < 0)
		return result(r);
	mine = (struct foster_datasec_info){
		.size = sizeof(mine),
		.name = section_title(&section),
		.map_name = section.source->map_name,
		.base = section.source->memory,
		.bytes = section.source->bytes,
		.variables = section.count,
		.map_id = section.source->map_id,
		.btf_id = section.source->btf_id,
		.prot = section.source->prot,
	};
	return result(reason_sized_out(info, &mine, sizeof(mine), DATASEC_INFO_V1,
				       "foster_datasec_info"));
}

static int describe(struct section *section, const struct variable *variable,
		    struct foster_variable *out)
{
	struct foster_variable mine;
	int r = variable_describe(section, variable, &mine);

	if (r < 0)
		return r;
	return reason_sized_out(out, &mine, sizeof(mine), VARIABLE_V1, "foster_variable");
}

FOSTER_EXPORT int foster_datasec_variable(const struct foster_datasec *ds, size_t index,
					  struct foster_variable *variable)
{
	struct section section;
	int r = section_open(ds, &section);

	if (r < 0)
		return result(r);
	if (index >= section.count)
		return result(reason_set(ENOENT,
					 "%s has %u variables, none of number %zu",
					 section_title(&section), section.count, index));
	return result(describe(&section, &section.variables[index], variable));
}

FOSTER_EXPORT int foster_datasec_find(const struct foster_datasec *ds, const char *name,
				      struct foster_variable *variable)
{
	const struct variable *found;
	struct section section;
	int r = section_open(ds, &section);

	if (r == 0)
		r = variable_find(&section, name, &found);
	if (r == 0)
		r = describe(&section, found, variable);
	return result(r);
}

/* ----------------------------------------------------------------------------- typed */

static int take(const struct foster_datasec *ds, const char *name,
		const struct foster_type *type, uint64_t *count, void **ret)
{
	const struct variable *variable;
	struct foster_type asked;
	struct section section;
	int r = section_open(ds, &section);

	if (r == 0 && !name)
		r = reason_set(EINVAL, "NULL is no name");
	if (r == 0)
		r = match_take(type, &asked);
	if (r == 0)
		r = variable_find(&section, name, &variable);
	if (r == 0)
		r = variable_check(&section, variable, &asked, count);
	if (r == 0)
		*ret = (char *)section.source->memory + variable->offset;
	return r;
}

FOSTER_EXPORT void *foster_var(const struct foster_datasec *ds, const char *name,
			       const struct foster_type *type)
{
	void *p = NULL;
	int r = take(ds, name, type, NULL, &p);

	return r < 0 ? result_null(r) : p;
}

FOSTER_EXPORT void *foster_array(const struct foster_datasec *ds, const char *name,
				 const struct foster_type *type, size_t *count)
{
	uint64_t elements;
	void *p = NULL;
	int r = take(ds, name, type, &elements, &p);

	if (r < 0)
		return result_null(r);
	if (count)
		*count = elements;
	return p;
}
