/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A data section in memory: what is known of its variables, all in one piece.
 *
 *   [ struct foster_datasec | variables | slots of names | places of types | raw BTF ]
 *
 * The one pointer in it is that to the memory of the map, and it is a plain one: who
 * looks for pointers finds it, so a datasec keeps the memory. All else are offsets.
 * Nothing in it changes once it is made, and any number of threads may ask.
 */
#ifndef FOSTER_BPF_SECTION_H
#define FOSTER_BPF_SECTION_H

#include <foster/bpf.h>

#include "bpf/names.h"
#include "bpf/types.h"

#define SECTION_MAP_NAME 16

/* Where the memory comes from. */
struct section_source {
	void *memory;
	uint32_t bytes;
	uint32_t map_id;
	uint32_t btf_id;
	int prot;
	char map_name[SECTION_MAP_NAME];
};

/* Small: who looks for a name meets it in memory that is not in the cache. */
struct variable {
	uint32_t name;	 /* among the strings */
	uint32_t offset; /* in the section */
	uint32_t bytes;
	uint32_t type : 24;
	uint32_t flags : 8; /* VARIABLE_* */
};

#define VARIABLE_STATIC 0x1u
#define VARIABLE_MANY 0x2u /* others have the name too */

/* Of a variable whose type is not among the types. */
#define VARIABLE_NO_TYPE 0xffffffu

/* A datasec about to be made; section_plan_clear() after either answer. */
struct section_plan {
	struct types types;
	uint32_t *where;
	const void *raw;
	size_t raw_bytes;
	uint32_t value_type;
	uint32_t count; /* of variables */
	size_t bytes;	/* of the datasec */
};

/*
 * raw stays until the plan is cleared. Returns 0; or with a reason -EBADMSG, -ENOMEM or
 * -ENOTSUP (the type is no data section, or BTF is too new).
 */
int section_plan(const void *raw, size_t raw_bytes, uint32_t value_type,
		 const char *map_name, struct section_plan *plan)
	_must_check_ _nonnull_all_;
/* The same for a section of that name.  Also -ENODATA: there is none. */
int section_plan_named(const void *raw, size_t raw_bytes, const char *section,
		       const char *map_name, struct section_plan *plan)
	_must_check_ _nonnull_all_;
void section_plan_clear(struct section_plan *plan) _nonnull_all_;

/* Of the section, as BTF says. */
uint32_t section_plan_bytes(const struct section_plan *plan) _nonnull_all_;

/* room: plan->bytes of zeros, aligned as malloc() does. */
struct foster_datasec *section_make(const struct section_plan *plan,
				    const struct section_source *source, void *room)
	_nonnull_all_;

/* A datasec with its offsets turned into pointers, for the time of a call. */
struct section {
	const struct foster_datasec *ds;
	const struct section_source *source;
	const struct variable *variables;
	uint32_t count;
	struct names names; /* numbers are those of variables */
	struct types types; /* with the steps of one question */
};

/* Returns 0; or with a reason -EINVAL: that is no datasec. */
int section_open(const struct foster_datasec *ds, struct section *section)
	_must_check_ _nonnull_(2);

/* Of the section: ".bss". */
const char *section_title(const struct section *section) _nonnull_all_;

static inline const char *section_name_of(const struct section *section,
					  const struct variable *variable)
{
	return types_string(&section->types, variable->name);
}

#endif
