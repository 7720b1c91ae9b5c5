/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw BTF, read in place.
 *
 * The kernel checks what is loaded, but the bytes may also come from elsewhere, and a
 * type may be built to take long: nothing here trusts an index, an offset or a length,
 * and every question has a number of steps that it may take (types_ask()).
 *
 *   raw      [ header | ... types ... | ... strings ... ]
 *   where    for each number of a type its place among the types; number 0 is void
 */
#ifndef FOSTER_BPF_TYPES_H
#define FOSTER_BPF_TYPES_H

#include <linux/btf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * So many names and qualifiers lead to what they are about, and so many dimensions to an
 * element: the kernel takes 32 in all, and a type that goes round in a circle has no end.
 */
#define TYPES_DEEP 64

struct types {
	const unsigned char *section; /* the types, one after the other */
	const char *strings;	      /* the last byte is 0 */
	const uint32_t *where;	      /* count numbers; NULL before types_index() */
	uint32_t section_bytes;
	uint32_t string_bytes;
	uint32_t count; /* numbers of types are below it */
	uint32_t steps; /* left for this question */
};

/*
 * Looks through all of it once; raw is aligned as malloc() does and stays in place.
 * Returns 0; or with a reason -EBADMSG, or -ENOTSUP for a kind of type that is too new.
 */
int types_open(const void *raw, size_t len, struct types *types)
	_must_check_ _nonnull_all_;

/* Fills where, with room for types->count numbers, and uses it from now on. */
void types_index(struct types *types, uint32_t *where) _nonnull_all_;

/* Gives the next question its steps. */
void types_ask(struct types *types) _nonnull_all_;

/* Takes one of them.  False: none is left, and the answer is -EBADMSG. */
static inline bool types_step(struct types *types)
{
	return types->steps && types->steps--;
}

/* A type; NULL for void and for numbers that are none. */
const struct btf_type *types_at(const struct types *types, uint32_t id) _nonnull_all_;

/* What stands behind the head of a type: its members, enumerators, array. */
static inline const void *types_behind(const struct btf_type *type)
{
	return type + 1;
}

/* A string; "" where the offset is none. */
const char *types_string(const struct types *types, uint32_t offset) _nonnull_all_;

/*
 * Follows names and qualifiers (typedef, const, volatile, restrict, type tags) from *id
 * to what they are about, and notes whether const was among them; *is_const is set, never
 * cleared.
 * Returns the kind (BTF_KIND_UNKN: void), or -EBADMSG.
 */
int types_bare(struct types *types, uint32_t *id, bool *is_const)
	_must_check_ _nonnull_all_;

/* Bytes of a type.  0, or -EBADMSG: it has no size, or one that does not fit. */
int types_size(struct types *types, uint32_t id, uint64_t *bytes)
	_must_check_ _nonnull_all_;

#endif
