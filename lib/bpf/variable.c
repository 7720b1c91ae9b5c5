// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/variable.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "bpf/match.h"
#include "bpf/nearest.h"
#include "bpf/reason.h"
#include "bpf/shape.h"
#include "bpf/spelling.h"

/* How the reasons call a variable. */
#define VARIABLE_FORMAT "variable \"%s\" of %s"
#define VARIABLE(section, variable) \
	section_name_of(section, variable), section_title(section)

/*
 * ----------------------------------------------------------------------------- finding
 */

static int not_found(const struct section *section, const char *name)
{
	struct nearest near;

	nearest_begin(&near, name, strnlen(name, NEAREST_LETTERS + 1));
	for (uint32_t i = 0; i < section->count; i++)
		nearest_offer(&near, section_name_of(section, &section->variables[i]));
	if (near.best)
		return reason_set(ENOENT,
				  "%s has no variable \"%s\"; \"%s\" is the nearest",
				  section_title(section), name, near.best);
	return reason_set(ENOENT,
			  "%s has no variable \"%s\", nor one like it, among its %u",
			  section_title(section), name, section->count);
}

int variable_find(const struct section *section, const char *name,
		  const struct variable **variable)
{
	uint32_t hash;
	const struct name_slot *slot = names_slot(&section->names, name, &hash);
	const struct variable *found;

	if (!slot->number)
		return not_found(section, name);
	fo_assert(slot->number <= section->count);
	found = &section->variables[slot->number - 1];
	if (found->flags & VARIABLE_MANY)
		return reason_set(
			ENOTUNIQ,
			"%s has several static variables \"%s\": tell them apart "
			"with foster_datasec_variable()",
			section_title(section), name);
	*variable = found;
	return 0;
}

/*
 * -------------------------------------------------------------------------- describing
 */

/* Without overflow: both are below 2^32. */
static bool is_inside(const struct section *section, const struct variable *variable,
		      uint64_t bytes)
{
	return bytes <= section->source->bytes &&
	       variable->offset <= section->source->bytes - bytes;
}

static bool is_read_only(struct section *section, const struct variable *variable)
{
	return !(section->source->prot & PROT_WRITE) ||
	       match_is_const(&section->types, variable->type);
}

int variable_describe(struct section *section, const struct variable *variable,
		      struct foster_variable *out)
{
	struct shape shape;

	if (shape_of(&section->types, variable->type, &shape) < 0)
		return reason_set(EBADMSG,
				  "the BTF of " VARIABLE_FORMAT " makes no sense",
				  VARIABLE(section, variable));
	*out = (struct foster_variable){
		.size = sizeof(*out),
		.name = section_name_of(section, variable),
		.offset = variable->offset,
		.bytes = variable->bytes,
		.count = shape.count,
		.element_bytes = shape.bytes,
		.kind = shape.kind,
		.dimensions = shape.dimensions,
		.type_id = variable->type,
		.flags = (is_read_only(section, variable) ? FOSTER_VARIABLE_READ_ONLY
							  : 0) |
			 (variable->flags & VARIABLE_STATIC ? FOSTER_VARIABLE_STATIC : 0),
	};
	if (is_inside(section, variable, variable->bytes))
		out->addr = (const char *)section->source->memory + variable->offset;
	memcpy(out->type, spelling_of(&section->types, variable->type).text,
	       sizeof(out->type));
	_Static_assert(sizeof(out->type) == SPELLING_BYTES, "a spelling fits exactly");
	return 0;
}

/*
 * --------------------------------------------------------------------------- comparing
 */

static int check_range(const struct section *section, const struct variable *variable,
		       uint64_t bytes)
{
	if (!is_inside(section, variable, bytes))
		return reason_set(ERANGE,
				  VARIABLE_FORMAT
				  " reaches behind the %u bytes of the section",
				  VARIABLE(section, variable), section->source->bytes);
	if (bytes > variable->bytes)
		return reason_set(EBADMSG,
				  VARIABLE_FORMAT
				  " has %u bytes, fewer than its type has",
				  VARIABLE(section, variable), variable->bytes);
	return 0;
}

static int check_use(struct section *section, const struct variable *variable,
		     const struct foster_type *asked)
{
	if (!(asked->flags & FOSTER_TYPE_CONST) && is_read_only(section, variable))
		return reason_set(EACCES,
				  VARIABLE_FORMAT
				  " is for reading only: ask for const %s",
				  VARIABLE(section, variable), asked->name);
	if (variable->offset % asked->align)
		return reason_set(EADDRNOTAVAIL,
				  VARIABLE_FORMAT
				  " is at offset %u, and %s is aligned to %zu",
				  VARIABLE(section, variable), variable->offset,
				  asked->name, asked->align);
	return 0;
}

int variable_check(struct section *section, const struct variable *variable,
		   const struct foster_type *asked, uint64_t *count)
{
	const struct subject subject = { "variable", section_name_of(section, variable),
					 " of ", section_title(section) };
	uint64_t bytes = asked->bytes;
	int r = count ? match_array(&section->types, variable->type, asked, &subject,
				    count)
		      : match_type(&section->types, variable->type, asked, &subject);

	if (r == 0 && count && __builtin_mul_overflow(bytes, *count, &bytes))
		bytes = UINT64_MAX;
	if (r == 0)
		r = check_range(section, variable, bytes);
	if (r == 0)
		r = check_use(section, variable, asked);
	return r;
}
