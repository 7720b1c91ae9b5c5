// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/types.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "bpf/reason.h"

/* A struct of 65,535 members can be looked through 16 times. */
#define STEPS (1u << 20)

/* As the kernel's own limit; more does not fit a number. */
#define TYPES_MAX BTF_MAX_TYPE

/* Bytes behind the head of a type: some once, some for each of its "vlen" parts. */
struct tail {
	uint8_t once, each;
	bool known;
};

static const struct tail tails[] = {
	[BTF_KIND_INT] = { 4, 0, true },
	[BTF_KIND_PTR] = { 0, 0, true },
	[BTF_KIND_ARRAY] = { sizeof(struct btf_array), 0, true },
	[BTF_KIND_STRUCT] = { 0, sizeof(struct btf_member), true },
	[BTF_KIND_UNION] = { 0, sizeof(struct btf_member), true },
	[BTF_KIND_ENUM] = { 0, sizeof(struct btf_enum), true },
	[BTF_KIND_FWD] = { 0, 0, true },
	[BTF_KIND_TYPEDEF] = { 0, 0, true },
	[BTF_KIND_VOLATILE] = { 0, 0, true },
	[BTF_KIND_CONST] = { 0, 0, true },
	[BTF_KIND_RESTRICT] = { 0, 0, true },
	[BTF_KIND_FUNC] = { 0, 0, true },
	[BTF_KIND_FUNC_PROTO] = { 0, sizeof(struct btf_param), true },
	[BTF_KIND_VAR] = { sizeof(struct btf_var), 0, true },
	[BTF_KIND_DATASEC] = { 0, sizeof(struct btf_var_secinfo), true },
	[BTF_KIND_FLOAT] = { 0, 0, true },
	[BTF_KIND_DECL_TAG] = { sizeof(struct btf_decl_tag), 0, true },
	[BTF_KIND_TYPE_TAG] = { 0, 0, true },
	[BTF_KIND_ENUM64] = { 0, sizeof(struct btf_enum64), true },
};

static int malformed(const char *what)
{
	return reason_set(EBADMSG, "the BTF is malformed: %s", what);
}

static const struct btf_type *type_here(const struct types *types, uint32_t offset)
{
	return (const void *)(types->section + offset);
}

/* The offset behind the type at an offset.  0, or with a reason -EBADMSG or -ENOTSUP. */
static int type_end(const struct types *types, uint32_t offset, uint32_t *end)
{
	uint64_t bytes = sizeof(struct btf_type);
	uint32_t kind;

	if (types->section_bytes - offset < bytes)
		return malformed("its last type is cut off");
	kind = BTF_INFO_KIND(type_here(types, offset)->info);
	if (kind >= sizeof(tails) / sizeof(tails[0]))
		return reason_set(
			ENOTSUP, "the BTF has a type of kind %u, newer than this library",
			kind);
	if (!tails[kind].known)
		return malformed("a type of no kind");
	bytes += tails[kind].once;
	bytes += (uint64_t)tails[kind].each *
		 BTF_INFO_VLEN(type_here(types, offset)->info);
	if (types->section_bytes - offset < bytes)
		return malformed("its last type is cut off");
	*end = offset + (uint32_t)bytes;
	return 0;
}

static int count_types(struct types *types)
{
	uint32_t offset = 0;

	for (types->count = 1; offset < types->section_bytes; types->count++) {
		int r = type_end(types, offset, &offset);

		if (r < 0)
			return r;
		if (types->count == TYPES_MAX)
			return malformed("too many types");
	}
	return 0;
}

/* Does a part of the bytes behind the header lie inside them? */
static bool part_fits(uint32_t offset, uint32_t bytes, size_t rest)
{
	return offset <= rest && bytes <= rest - offset;
}

static int check_header(const struct btf_header *header, size_t len)
{
	size_t rest;

	if (header->magic != BTF_MAGIC || header->version != BTF_VERSION)
		return malformed("not its magic number and version");
	if (header->hdr_len < sizeof(*header) || header->hdr_len > len)
		return malformed("the length of its header");
	rest = len - header->hdr_len;
	if (!part_fits(header->type_off, header->type_len, rest) ||
	    !part_fits(header->str_off, header->str_len, rest))
		return malformed("a part is cut off");
	if ((header->hdr_len + header->type_off) % _Alignof(struct btf_type) ||
	    header->type_len % _Alignof(struct btf_type))
		return malformed("its types are not aligned");
	if (!header->str_len)
		return malformed("no strings");
	return 0;
}

int types_open(const void *raw, size_t len, struct types *types)
{
	const struct btf_header *header = raw;
	const unsigned char *parts;
	int r;

	if (len < sizeof(*header))
		return malformed("shorter than a header");
	r = check_header(header, len);
	if (r < 0)
		return r;
	parts = (const unsigned char *)raw + header->hdr_len;
	*types = (struct types){
		.section = parts + header->type_off,
		.section_bytes = header->type_len,
		.strings = (const char *)parts + header->str_off,
		.string_bytes = header->str_len,
	};
	if (types->strings[types->string_bytes - 1])
		return malformed("its last string does not end");
	return count_types(types);
}

void types_index(struct types *types, uint32_t *where)
{
	uint32_t offset = 0, count = 1;

	where[0] = 0;
	while (offset < types->section_bytes) {
		int r;

		fo_assert(count < types->count);
		where[count++] = offset;
		r = type_end(types, offset, &offset);
		fo_assert(r == 0);
		if (r < 0) /* types_open() saw that there is none */
			break;
	}
	fo_assert(count == types->count);
	types->where = where;
}

void types_ask(struct types *types)
{
	types->steps = STEPS;
}

const struct btf_type *types_at(const struct types *types, uint32_t id)
{
	fo_assert(types->where);
	return id && id < types->count ? type_here(types, types->where[id]) : NULL;
}

const char *types_string(const struct types *types, uint32_t offset)
{
	return offset < types->string_bytes ? types->strings + offset : "";
}

static bool is_qualifier(uint32_t kind)
{
	return kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_VOLATILE ||
	       kind == BTF_KIND_CONST || kind == BTF_KIND_RESTRICT ||
	       kind == BTF_KIND_TYPE_TAG;
}

int types_bare(struct types *types, uint32_t *id, bool *is_const)
{
	for (int deep = 0; deep < TYPES_DEEP && types_step(types); deep++) {
		const struct btf_type *type = types_at(types, *id);
		uint32_t kind;

		if (!type)
			return *id ? -EBADMSG : BTF_KIND_UNKN;
		kind = BTF_INFO_KIND(type->info);
		if (!is_qualifier(kind))
			return (int)kind;
		*is_const |= kind == BTF_KIND_CONST;
		*id = type->type;
	}
	return -EBADMSG;
}

int types_size(struct types *types, uint32_t id, uint64_t *bytes)
{
	uint64_t count = 1;
	bool is_const = false;

	for (int deep = 0; deep < TYPES_DEEP; deep++) {
		const int kind = types_bare(types, &id, &is_const);
		const struct btf_array *array;

		switch (kind) {
		case BTF_KIND_ARRAY:
			array = types_behind(types_at(types, id));
			if (__builtin_mul_overflow(count, (uint64_t)array->nelems,
						   &count))
				return -EBADMSG;
			id = array->type;
			continue;
		case BTF_KIND_PTR:
			/* Of BPF, whatever a pointer of ours has. */
			return __builtin_mul_overflow(count, UINT64_C(8), bytes)
				       ? -EBADMSG
				       : 0;
		case BTF_KIND_INT:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_FLOAT:
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
			return __builtin_mul_overflow(
				       count, (uint64_t)types_at(types, id)->size, bytes)
				       ? -EBADMSG
				       : 0;
		default:
			return -EBADMSG;
		}
	}
	return -EBADMSG;
}
