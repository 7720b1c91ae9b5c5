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
#include "bpf/kernel_btf.h"
#include "bpf/map.h"
#include "bpf/match.h"
#include "bpf/reason.h"
#include "bpf/section.h"
#include "bpf/variable.h"

#define DATASEC_INFO_V1 sizeof(struct foster_datasec_info)
#define VARIABLE_V1 sizeof(struct foster_variable)

/* ----------------------------------------------------------------------------- making */

/* The memory of the map, and what foster says of it. */
static int map_source(int fd, const struct bpf_map_info *info,
		      struct section_source *source)
{
	struct foster_info region = FOSTER_INFO_INIT;
	int r = map_memory(fd, info, &source->memory);

	if (r < 0)
		return r;
	r = foster_info(source->memory, &region);
	if (r < 0)
		return reason_set(ESTALE, "the memory of map \"%s\" was taken away",
				  info->name);
	source->prot = region.prot;
	source->bytes = info->value_size;
	source->map_id = info->id;
	source->btf_id = info->btf_id;
	memcpy(source->map_name, info->name, sizeof(source->map_name));
	_Static_assert(sizeof(info->name) == sizeof(source->map_name),
		       "the kernel's names");
	return 0;
}

static int make(int fd, const struct bpf_map_info *info, const struct section_plan *plan,
		struct foster_datasec **ds)
{
	struct section_source source;
	int r = map_source(fd, info, &source);
	void *room;

	if (r < 0)
		return r;
	room = foster_mmap(NULL, plan->bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED) {
		r = reason_set(errno, "no memory for the variables of map \"%s\": %m",
			       info->name);
		(void)foster_close(source.memory);
		return r;
	}
	*ds = section_make(plan, &source, room);
	return 0;
}

/* The map is mapped last: what is refused before leaves nothing to close. */
static int make_of_map(int fd, struct foster_datasec **ds)
{
	struct section_plan plan = { 0 };
	struct bpf_map_info info;
	uint32_t bytes = 0;
	void *raw = NULL;
	int r = map_describe(fd, &info);

	if (r == 0)
		r = map_check(&info);
	if (r == 0)
		r = kernel_btf(info.btf_id, info.name, &raw, &bytes);
	if (r == 0)
		r = section_plan(raw, bytes, info.btf_value_type_id, info.name, &plan);
	if (r == 0)
		r = make(fd, &info, &plan, ds);
	section_plan_clear(&plan);
	free(raw);
	return r;
}

FOSTER_EXPORT struct foster_datasec *foster_datasec(int map_fd)
{
	struct foster_datasec *ds = NULL;
	int r = make_of_map(map_fd, &ds);

	return r < 0 ? result_null(r) : ds;
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
	return foster_datasec(fd);
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
	r = sized_out(info, &mine, sizeof(mine), DATASEC_INFO_V1);
	if (r < 0)
		reason_set(-r, "the struct foster_datasec_info is too small");
	return result(r);
}

static int describe(struct section *section, const struct variable *variable,
		    struct foster_variable *out)
{
	struct foster_variable mine;
	int r = variable_describe(section, variable, &mine);

	if (r < 0)
		return r;
	r = sized_out(out, &mine, sizeof(mine), VARIABLE_V1);
	if (r < 0)
		reason_set(-r, "the struct foster_variable is too small");
	return r;
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
