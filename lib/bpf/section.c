// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/section.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "bpf/reason.h"
#include "bpf/spelling.h"

/* No address of user space. */
#define MAGIC UINT64_C(0xf057e4da7a5ec001)

/* Offsets of the parts. */
struct parts {
	uint64_t variables, slots, where, raw, end;
};

struct foster_datasec {
	uint64_t magic;
	struct section_source source;
	uint64_t secret; /* of the names */
	struct parts parts;
	uint32_t value_type;
	uint32_t count;	     /* of variables */
	uint32_t slot_count; /* of names */
	/* The types, from where the raw BTF begins. */
	uint32_t type_count;
	uint32_t types_offset, types_bytes;
	uint32_t strings_offset, strings_bytes;
};

static struct parts parts_of(uint32_t variables, uint32_t types, size_t raw_bytes)
{
	struct parts parts = { .variables = sizeof(struct foster_datasec) };

	parts.slots = parts.variables + (uint64_t)variables * sizeof(struct variable);
	parts.where =
		parts.slots + (uint64_t)names_slots(variables) * sizeof(struct name_slot);
	parts.raw = parts.where + (uint64_t)types * sizeof(uint32_t);
	/* Raw BTF is aligned as malloc() aligns. */
	parts.raw = (parts.raw + 15) & ~UINT64_C(15);
	parts.end = parts.raw + raw_bytes;
	return parts;
}

/* -------------------------------------------------------------------------- planning */

/* The value type must be a data section, each of its entries a variable. */
static int plan_variables(struct section_plan *plan, const char *map_name)
{
	const struct btf_type *section = types_at(&plan->types, plan->value_type);
	const struct btf_var_secinfo *entry;

	if (!section || BTF_INFO_KIND(section->info) != BTF_KIND_DATASEC)
		return reason_set(ENOTSUP,
				  "map \"%s\" is no data section: its values are %s",
				  map_name,
				  spelling_of(&plan->types, plan->value_type).text);
	plan->count = BTF_INFO_VLEN(section->info);
	entry = types_behind(section);
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct btf_type *type = types_at(&plan->types, entry[i].type);

		if (!type || BTF_INFO_KIND(type->info) != BTF_KIND_VAR)
			return reason_set(EBADMSG,
					  "the BTF is malformed: a data section has "
					  "something that is no variable");
	}
	return 0;
}

/* The types, looked through and numbered. */
static int plan_types(const void *raw, size_t raw_bytes, const char *map_name,
		      struct section_plan *plan)
{
	int r;

	*plan = (struct section_plan){ .raw = raw, .raw_bytes = raw_bytes };
	r = types_open(raw, raw_bytes, &plan->types);
	if (r < 0)
		return r;
	plan->where = malloc(plan->types.count * sizeof(*plan->where));
	if (!plan->where)
		return reason_set(ENOMEM, "no memory for the types of map \"%s\"",
				  map_name);
	types_index(&plan->types, plan->where);
	return 0;
}

static int plan_section(struct section_plan *plan, uint32_t value_type,
			const char *map_name)
{
	int r;

	plan->value_type = value_type;
	r = plan_variables(plan, map_name);
	if (r == 0)
		plan->bytes =
			parts_of(plan->count, plan->types.count, plan->raw_bytes).end;
	return r;
}

int section_plan(const void *raw, size_t raw_bytes, uint32_t value_type,
		 const char *map_name, struct section_plan *plan)
{
	int r = plan_types(raw, raw_bytes, map_name, plan);

	return r < 0 ? r : plan_section(plan, value_type, map_name);
}

static uint32_t find_section(const struct types *types, const char *section)
{
	for (uint32_t id = 1; id < types->count; id++) {
		const struct btf_type *type = types_at(types, id);

		if (BTF_INFO_KIND(type->info) == BTF_KIND_DATASEC &&
		    strcmp(types_string(types, type->name_off), section) == 0)
			return id;
	}
	return 0;
}

int section_plan_named(const void *raw, size_t raw_bytes, const char *section,
		       const char *map_name, struct section_plan *plan)
{
	int r = plan_types(raw, raw_bytes, map_name, plan);
	uint32_t id;

	if (r < 0)
		return r;
	id = find_section(&plan->types, section);
	if (!id)
		return reason_set(ENODATA,
				  "the BTF of the programs of map \"%s\" has no %s",
				  map_name, section);
	return plan_section(plan, id, map_name);
}

uint32_t section_plan_bytes(const struct section_plan *plan)
{
	return types_at(&plan->types, plan->value_type)->size;
}

void section_plan_clear(struct section_plan *plan)
{
	free(plan->where);
	plan->where = NULL;
}

/* ---------------------------------------------------------------------------- making */

_Static_assert(BTF_MAX_TYPE < VARIABLE_NO_TYPE, "the number of a type fits a variable");

static void make_variables(const struct section_plan *plan, struct variable *variables)
{
	const struct btf_var_secinfo *entry =
		types_behind(types_at(&plan->types, plan->value_type));

	for (uint32_t i = 0; i < plan->count; i++) {
		const struct btf_type *type = types_at(&plan->types, entry[i].type);
		const struct btf_var *var = types_behind(type);

		variables[i] = (struct variable){
			.name = type->name_off,
			.type = type->type < plan->types.count ? type->type
							       : VARIABLE_NO_TYPE,
			.offset = entry[i].offset,
			.bytes = entry[i].size,
			.flags = var->linkage == BTF_VAR_STATIC ? VARIABLE_STATIC : 0,
		};
	}
}

/*
 * Files that were linked into one program may have static variables of one name. The
 * global one goes before them; among static ones none does.
 */
static void make_name(const struct names *names, struct variable *variables,
		      uint32_t number, const char *name)
{
	struct variable *mine = &variables[number];
	uint32_t hash;
	struct name_slot *slot = names_slot(names, name, &hash);
	struct variable *other = slot->number ? &variables[slot->number - 1] : NULL;

	if (!other ||
	    (other->flags & VARIABLE_STATIC && !(mine->flags & VARIABLE_STATIC)))
		*slot = (struct name_slot){ hash, number + 1 };
	else if (mine->flags & VARIABLE_STATIC && !(other->flags & VARIABLE_STATIC))
		return;
	else
		other->flags |= VARIABLE_MANY;
}

static void make_names(const struct section *section, struct variable *variables)
{
	for (uint32_t i = 0; i < section->count; i++) {
		const char *name = section_name_of(section, &variables[i]);

		if (*name)
			make_name(&section->names, variables, i, name);
	}
}

static uint32_t offset_in(const void *raw, const void *part)
{
	return (uint32_t)((const char *)part - (const char *)raw);
}

struct foster_datasec *section_make(const struct section_plan *plan,
				    const struct section_source *source, void *room)
{
	const struct parts parts =
		parts_of(plan->count, plan->types.count, plan->raw_bytes);
	struct foster_datasec *ds = room;
	struct variable *variables = (void *)((char *)room + parts.variables);
	struct section section;
	int r;

	*ds = (struct foster_datasec){
		.magic = MAGIC,
		.source = *source,
		.secret = names_secret(),
		.parts = parts,
		.value_type = plan->value_type,
		.count = plan->count,
		.slot_count = names_slots(plan->count),
		.type_count = plan->types.count,
		.types_offset = offset_in(plan->raw, plan->types.section),
		.types_bytes = plan->types.section_bytes,
		.strings_offset = offset_in(plan->raw, plan->types.strings),
		.strings_bytes = plan->types.string_bytes,
	};
	memcpy((char *)room + parts.where, plan->where,
	       plan->types.count * sizeof(*plan->where));
	memcpy((char *)room + parts.raw, plan->raw, plan->raw_bytes);
	make_variables(plan, variables);
	r = section_open(ds, &section);
	fo_assert(r == 0);
	if (r == 0)
		make_names(&section, variables);
	return ds;
}

/* --------------------------------------------------------------------------- looking */

static const char *name_of(const void *owner, uint32_t number)
{
	const struct section *section = owner;

	fo_assert(number < section->count);
	return section_name_of(section, &section->variables[number]);
}

/* As types_open() and types_index() left them when it was made. */
static void open_types(const struct foster_datasec *ds, struct types *types)
{
	const char *raw = (const char *)ds + ds->parts.raw;

	types->section = (const unsigned char *)raw + ds->types_offset;
	types->section_bytes = ds->types_bytes;
	types->strings = raw + ds->strings_offset;
	types->string_bytes = ds->strings_bytes;
	types->where = (const void *)((const char *)ds + ds->parts.where);
	types->count = ds->type_count;
	types_ask(types);
}

int section_open(const struct foster_datasec *ds, struct section *section)
{
	if (!ds)
		return reason_set(EINVAL, "NULL is no datasec");
	if ((uintptr_t)ds % _Alignof(struct foster_datasec) || ds->magic != MAGIC)
		return reason_set(EINVAL, "%p is no datasec", (const void *)ds);
	section->ds = ds;
	section->source = &ds->source;
	section->variables = (const void *)((const char *)ds + ds->parts.variables);
	section->count = ds->count;
	section->names.slots = (struct name_slot *)((const char *)ds + ds->parts.slots);
	section->names.slot_count = ds->slot_count;
	section->names.secret = ds->secret;
	section->names.name_of = name_of;
	section->names.owner = section;
	open_types(ds, &section->types);
	return 0;
}

const char *section_title(const struct section *section)
{
	const struct btf_type *type = types_at(&section->types, section->ds->value_type);

	return types_string(&section->types, type->name_off);
}
