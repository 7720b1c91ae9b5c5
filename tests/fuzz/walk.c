// SPDX-License-Identifier: BSD-2-Clause
#include "walk.h"

#include <foster/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/match.h"
#include "bpf/section.h"
#include "bpf/variable.h"

/* Each question is bounded; so is how many are asked of one input. */
#define VARIABLES 8

#define SECTION_BYTES 4096

struct part {
	uint64_t hits;
	uint32_t low : 3;
	uint32_t row[4];
};

static void *copy_of(const void *data, size_t len)
{
	/* Aligned as BTF is, and not one byte longer: a look behind the end is seen. */
	void *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, data, len);
	return copy;
}

static uint32_t compare(struct section *section, const struct variable *variable,
			const struct foster_type *type)
{
	uint64_t count;
	struct foster_type asked;
	uint32_t matched = 0;

	if (match_take(type, &asked) < 0)
		return 0;
	types_ask(&section->types);
	matched += variable_check(section, variable, &asked, NULL) == 0;
	types_ask(&section->types);
	matched += variable_check(section, variable, &asked, &count) == 0;
	return matched;
}

/* path: as a member of type "unsigned long", of 4 bytes, and as a bit-field. */
static uint32_t compare_with_path(struct section *section,
				  const struct variable *variable, const char *path)
{
	const struct foster_member members[] = {
		{ path, 0, FOSTER_TYPE(uint64_t), 0, 0, 0 },
		{ path, 8, FOSTER_TYPE(int[4]), 0, 0, 0 },
		{ path, 0, NULL, 64, 3, FOSTER_KIND_UNSIGNED },
	};
	struct foster_type type = *FOSTER_TYPE(struct part);
	uint32_t matched = 0;

	type.member_count = 1;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		type.members = &members[i];
		matched += compare(section, variable, &type);
	}
	return matched;
}

static uint32_t compare_all(struct section *section, const struct variable *variable)
{
	const struct foster_type *const types[] = {
		FOSTER_TYPE(int),
		FOSTER_TYPE(const char),
		FOSTER_TYPE(uint64_t),
		FOSTER_TYPE(_Bool),
		FOSTER_TYPE(double),
		FOSTER_TYPE(void *),
		FOSTER_TYPE(int[3][4]),
		FOSTER_TYPE(uint64_t[0]),
		FOSTER_TYPE(
			FOSTER_STRUCT(struct part, hits, FOSTER_BITS(low), row, row[3])),
		FOSTER_TYPE(union { uint64_t whole; }),
	};
	uint32_t matched = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		matched += compare(section, variable, types[i]);
	return matched;
}

static void ask(struct section *section, const char *string, struct walked *walked)
{
	const struct variable *variable;

	for (uint32_t i = 0; i < section->count && i < VARIABLES; i++) {
		struct foster_variable told;

		variable = &section->variables[i];
		types_ask(&section->types);
		walked->described += variable_describe(section, variable, &told) == 0;
		walked->matched += compare_all(section, variable);
		walked->matched += compare_with_path(section, variable, string);
		(void)!variable_find(section, section_name_of(section, variable),
				     &variable);
	}
	(void)!variable_find(section, string, &variable);
	(void)section_title(section);
}

static void make(const struct section_plan *plan, uint32_t string, struct walked *walked)
{
	static char memory[SECTION_BYTES];
	const struct section_source source = {
		.memory = memory,
		.bytes = SECTION_BYTES,
		.prot = PROT_READ | PROT_WRITE,
	};
	struct section section;
	void *room = calloc(1, plan->bytes);

	if (!room)
		abort();
	if (section_open(section_make(plan, &source, room), &section) < 0)
		abort();
	walked->variables = section.count;
	ask(&section, types_string(&section.types, string), walked);
	free(room);
}

struct walked walk_btf(const uint8_t *data, size_t len)
{
	uint32_t head[WALK_HEAD / sizeof(uint32_t)];
	struct section_plan plan = { 0 };
	struct walked walked = { 0 };
	void *raw;

	if (len < WALK_HEAD)
		return walked;
	memcpy(head, data, WALK_HEAD);
	raw = copy_of(data + WALK_HEAD, len - WALK_HEAD);
	walked.made = section_plan(raw, len - WALK_HEAD, head[0], "walked", &plan);
	if (walked.made == 0)
		make(&plan, head[1], &walked);
	section_plan_clear(&plan);
	free(raw);
	return walked;
}
