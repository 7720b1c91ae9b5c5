/* SPDX-License-Identifier: BSD-2-Clause */
/* What a type of BTF comes down to below its names, qualifiers and dimensions. */
#ifndef FOSTER_BPF_SHAPE_H
#define FOSTER_BPF_SHAPE_H

#include "bpf/types.h"

/* A type that is no array. */
struct leaf {
	int kind; /* of BTF; BTF_KIND_UNKN: void, or a part of an integer */
	uint32_t bytes;
	uint32_t encoding; /* BTF_INT_*, of an integer; CHAR of all called char */
};

/* 0 or -EBADMSG. */
int leaf_of(struct types *types, uint32_t id, struct leaf *leaf)
	_must_check_ _nonnull_all_;

struct shape {
	uint32_t kind;	/* enum foster_kind, of the innermost element */
	uint32_t bytes; /* of it */
	uint64_t count; /* elements in all dimensions; 1 of what is no array */
	uint32_t dimensions;
};

/* 0 or -EBADMSG. */
int shape_of(struct types *types, uint32_t id, struct shape *shape)
	_must_check_ _nonnull_all_;

static inline bool leaf_is_bool(const struct leaf *leaf)
{
	return leaf->kind == BTF_KIND_INT && leaf->encoding & BTF_INT_BOOL;
}

/* An integer for C: an enum is one too. */
static inline bool leaf_is_integer(const struct leaf *leaf)
{
	return (leaf->kind == BTF_KIND_INT && !leaf_is_bool(leaf)) ||
	       leaf->kind == BTF_KIND_ENUM || leaf->kind == BTF_KIND_ENUM64;
}

#endif
