// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/shape.h"

#include <errno.h>
#include <foster/type.h>
#include <string.h>

/* clang calls char a signed integer; its name tells it from signed char. */
static bool is_char(const struct types *types, const struct btf_type *type)
{
	return type->size == 1 &&
	       strcmp(types_string(types, type->name_off), "char") == 0;
}

int leaf_of(struct types *types, uint32_t id, struct leaf *leaf)
{
	bool is_const = false;
	const int kind = types_bare(types, &id, &is_const);
	const struct btf_type *type = kind > 0 ? types_at(types, id) : NULL;
	const uint32_t *ints;

	if (kind < 0)
		return kind;
	*leaf = (struct leaf){ .kind = kind };
	if (kind == BTF_KIND_PTR)
		leaf->bytes = 8;
	else if (type)
		leaf->bytes = type->size;
	if (kind != BTF_KIND_INT)
		return 0;
	ints = types_behind(type);
	leaf->encoding = BTF_INT_ENCODING(*ints);
	if (is_char(types, type))
		leaf->encoding |= BTF_INT_CHAR;
	/* A part of an integer, which only a bit-field of old BTF may be. */
	if (BTF_INT_BITS(*ints) != (uint64_t)type->size * 8 || BTF_INT_OFFSET(*ints))
		leaf->kind = BTF_KIND_UNKN;
	return 0;
}

static uint32_t kind_of(const struct leaf *leaf)
{
	static const uint32_t kinds[NR_BTF_KINDS] = {
		[BTF_KIND_PTR] = FOSTER_KIND_POINTER,
		[BTF_KIND_STRUCT] = FOSTER_KIND_STRUCT,
		[BTF_KIND_UNION] = FOSTER_KIND_UNION,
		[BTF_KIND_ENUM] = FOSTER_KIND_ENUM,
		[BTF_KIND_ENUM64] = FOSTER_KIND_ENUM,
		[BTF_KIND_FLOAT] = FOSTER_KIND_FLOAT,
	};

	if (leaf->kind != BTF_KIND_INT)
		return kinds[leaf->kind] ? kinds[leaf->kind] : FOSTER_KIND_OTHER;
	if (leaf_is_bool(leaf))
		return FOSTER_KIND_BOOL;
	if (leaf->encoding & BTF_INT_CHAR)
		return FOSTER_KIND_CHAR;
	return leaf->encoding & BTF_INT_SIGNED ? FOSTER_KIND_SIGNED
					       : FOSTER_KIND_UNSIGNED;
}

int shape_of(struct types *types, uint32_t id, struct shape *shape)
{
	bool is_const = false;
	struct leaf leaf;
	int r;

	*shape = (struct shape){ .count = 1 };
	while (types_bare(types, &id, &is_const) == BTF_KIND_ARRAY) {
		const struct btf_array *array = types_behind(types_at(types, id));

		if (__builtin_mul_overflow(shape->count, (uint64_t)array->nelems,
					   &shape->count) ||
		    ++shape->dimensions > TYPES_DEEP)
			return -EBADMSG;
		id = array->type;
	}
	r = leaf_of(types, id, &leaf);
	if (r < 0)
		return r;
	shape->kind = kind_of(&leaf);
	shape->bytes = leaf.bytes;
	return 0;
}
