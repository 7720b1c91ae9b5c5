// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/match.h"

#include <errno.h>
#include <inttypes.h>

#include "base/check.h"
#include "base/result.h"
#include "bpf/nearest.h"
#include "bpf/path.h"
#include "bpf/reason.h"
#include "bpf/shape.h"
#include "bpf/spelling.h"

#define SUBJECT_FORMAT "%s \"%s\"%s%s"
#define SUBJECT(s) (s)->what, (s)->name, (s)->of, (s)->owner

int match_take(const struct foster_type *theirs, struct foster_type *asked)
{
	int r;

	if (!theirs)
		return reason_set(EINVAL, "no type was given");
	r = sized_in(asked, sizeof(*asked), theirs, sizeof(*asked));
	if (r < 0)
		return reason_set(-r,
				  "the description of the type is not of this library");
	if (!asked->name || !asked->align || asked->align & (asked->align - 1) ||
	    asked->dimensions > FOSTER_DIMENSIONS ||
	    (asked->member_count && !asked->members))
		return reason_set(EINVAL, "the description of the type makes no sense");
	return 0;
}

/*
 * ----------------------------------------------------------------------------- reasons
 */

static int no_sense(const struct subject *subject)
{
	return reason_set(EBADMSG, "the BTF of " SUBJECT_FORMAT " makes no sense",
			  SUBJECT(subject));
}

static int no_type(const struct subject *subject)
{
	return reason_set(ENODATA,
			  "the BTF does not say of what type " SUBJECT_FORMAT " is",
			  SUBJECT(subject));
}

/* Members have no spelling of their own. */
static const char *spelled(const struct foster_type *asked)
{
	return *asked->name ? asked->name : "the type asked for";
}

static int other_kind(struct types *types, uint32_t id, const struct foster_type *asked,
		      const struct subject *subject)
{
	return reason_set(EPROTOTYPE, SUBJECT_FORMAT " is %s, not %s", SUBJECT(subject),
			  spelling_of(types, id).text, spelled(asked));
}

static int other_size(struct types *types, uint32_t id, const struct foster_type *asked,
		      const struct subject *subject)
{
	uint64_t bytes = 0;

	if (types_size(types, id, &bytes) < 0)
		return no_sense(subject);
	return reason_set(EMSGSIZE,
			  SUBJECT_FORMAT " is %s of %" PRIu64 " bytes, not %s of %zu",
			  SUBJECT(subject), spelling_of(types, id).text, bytes,
			  spelled(asked), asked->bytes);
}

static int other_sign(struct types *types, uint32_t id, const struct foster_type *asked,
		      const struct subject *subject)
{
	const char *sign = asked->kind == FOSTER_KIND_SIGNED ? "unsigned" : "signed";

	return reason_set(EDOM, SUBJECT_FORMAT " is %s, which is %s, unlike %s",
			  SUBJECT(subject), spelling_of(types, id).text, sign,
			  spelled(asked));
}

/*
 * ------------------------------------------------------------------------------ leaves
 */

static bool same_kind(uint32_t asked, const struct leaf *leaf)
{
	switch (asked) {
	case FOSTER_KIND_SIGNED:
	case FOSTER_KIND_UNSIGNED:
	case FOSTER_KIND_CHAR:
		return leaf_is_integer(leaf);
	case FOSTER_KIND_BOOL:
		return leaf_is_bool(leaf);
	case FOSTER_KIND_FLOAT:
		return leaf->kind == BTF_KIND_FLOAT;
	case FOSTER_KIND_POINTER:
		return leaf->kind == BTF_KIND_PTR;
	case FOSTER_KIND_STRUCT:
		return leaf->kind == BTF_KIND_STRUCT;
	case FOSTER_KIND_UNION:
		return leaf->kind == BTF_KIND_UNION;
	default:
		return false;
	}
}

/*
 * What C leaves open is not compared: the sign of char, and the integer that stands for
 * an enum.
 */
static bool same_sign(uint32_t asked, const struct leaf *leaf)
{
	const bool is_signed = leaf->encoding & BTF_INT_SIGNED;

	if (leaf->kind != BTF_KIND_INT || leaf->encoding & BTF_INT_CHAR)
		return true;
	if (asked == FOSTER_KIND_SIGNED)
		return is_signed;
	return asked != FOSTER_KIND_UNSIGNED || !is_signed;
}

/*
 * ----------------------------------------------------------------------------- members
 */

static int member_reason(const struct foster_member *member, const struct subject *owner,
			 const char *text)
{
	return reason_set(EPROTO, "member \"%s\" of " SUBJECT_FORMAT " %s", member->name,
			  SUBJECT(owner), text);
}

static int member_missing(int r, const struct foster_member *member,
			  const struct subject *owner, const struct nearest *near)
{
	if (r == -EBADMSG)
		return no_sense(owner);
	if (r == -EINVAL)
		return reason_set(EINVAL, "\"%s\" is no path to a member", member->name);
	if (r == -ERANGE)
		return member_reason(member, owner, "is behind the end of an array");
	if (!near->best)
		return member_reason(member, owner, "does not exist");
	return reason_set(EPROTO,
			  SUBJECT_FORMAT " has no member \"%s\"; \"%s\" is the nearest",
			  SUBJECT(owner), member->name, near->best);
}

static int match_bits(struct types *types, const struct foster_member *member,
		      const struct place *place, const struct subject *owner)
{
	struct leaf leaf;
	bool is_signed;

	if (!place->bits)
		return member_reason(member, owner, "is no bit-field");
	if (place->bit != member->bit || place->bits != member->bits)
		return reason_set(EPROTO,
				  "member \"%s\" of " SUBJECT_FORMAT
				  " is %u bits at bit %" PRIu64 ", not %u at %zu",
				  member->name, SUBJECT(owner), place->bits, place->bit,
				  member->bits, member->bit);
	if (leaf_of(types, place->id, &leaf) < 0)
		return no_sense(owner);
	is_signed = leaf.encoding & BTF_INT_SIGNED;
	if (leaf.kind == BTF_KIND_INT &&
	    is_signed != (member->kind == FOSTER_KIND_SIGNED))
		return member_reason(member, owner, "has the other sign");
	return 0;
}

static int match_place(struct types *types, const struct foster_member *member,
		       const struct place *place, const struct subject *owner)
{
	const struct subject subject = { "member", member->name, " of ", owner->name };
	struct foster_type asked;
	int r;

	if (place->bits)
		return member_reason(member, owner, "is a bit-field");
	if (place->bit != (uint64_t)member->offset * 8)
		return reason_set(EPROTO,
				  "member \"%s\" of " SUBJECT_FORMAT
				  " is at offset %" PRIu64 ", not %zu",
				  member->name, SUBJECT(owner), place->bit / 8,
				  member->offset);
	r = match_take(member->type, &asked);
	if (r < 0)
		return r;
	asked.member_count = 0; /* its own members are asked for by paths */
	r = match_type(types, place->id, &asked, &subject);
	return r == -EBADMSG || r == 0 ? r : -EPROTO;
}

static int match_member(struct types *types, uint32_t id,
			const struct foster_member *member, const struct subject *owner)
{
	struct nearest near;
	struct place place;
	int r;

	if (!member->name)
		return reason_set(EINVAL, "a member has no name");
	r = path_find(types, id, member->name, &place, &near);
	if (r < 0)
		return member_missing(r, member, owner, &near);
	return member->type ? match_place(types, member, &place, owner)
			    : match_bits(types, member, &place, owner);
}

static int match_members(struct types *types, uint32_t id,
			 const struct foster_type *asked, const struct subject *subject)
{
	for (uint32_t i = 0; i < asked->member_count; i++) {
		const int r = match_member(types, id, &asked->members[i], subject);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * ------------------------------------------------------------------------------- types
 */

/*
 * One dimension of an array. Returns 1 and its element in *id; 0: another number of
 * elements; -EPROTOTYPE: no array.
 */
static int enter_array(struct types *types, uint32_t *id, uint64_t outer, uint64_t inner)
{
	bool is_const = false;
	const int kind = types_bare(types, id, &is_const);
	const struct btf_array *array;

	if (kind != BTF_KIND_ARRAY)
		return kind < 0 ? kind : -EPROTOTYPE;
	array = types_behind(types_at(types, *id));
	*id = array->type;
	return !inner || (uint64_t)array->nelems == outer / inner;
}

/* Goes through the dimensions that were asked for; r as enter_array(). */
static int enter_dimensions(struct types *types, uint32_t *id,
			    const struct foster_type *asked)
{
	uint64_t outer = asked->bytes;
	int r = 1;

	for (uint32_t i = 0; i < asked->dimensions; i++) {
		const int same = enter_array(types, id, outer, asked->element[i]);

		if (same < 0)
			return same;
		r &= same;
		outer = asked->element[i];
	}
	return r;
}

static uint64_t innermost_bytes(const struct foster_type *asked)
{
	return asked->dimensions ? asked->element[asked->dimensions - 1] : asked->bytes;
}

int match_type(struct types *types, uint32_t id, const struct foster_type *asked,
	       const struct subject *subject)
{
	uint32_t inner = id;
	const int same_shape = enter_dimensions(types, &inner, asked);
	struct leaf leaf;

	fo_assert(asked->dimensions <= FOSTER_DIMENSIONS);
	if (same_shape == -EPROTOTYPE)
		return other_kind(types, id, asked, subject);
	if (same_shape < 0 || leaf_of(types, inner, &leaf) < 0)
		return no_sense(subject);
	if (!leaf.kind && !asked->dimensions && !leaf.bytes)
		return no_type(subject);
	if (!same_kind(asked->kind, &leaf))
		return other_kind(types, id, asked, subject);
	if (!same_shape || leaf.bytes != innermost_bytes(asked))
		return other_size(types, id, asked, subject);
	if (!same_sign(asked->kind, &leaf))
		return other_sign(types, id, asked, subject);
	return match_members(types, inner, asked, subject);
}

int match_array(struct types *types, uint32_t id, const struct foster_type *asked,
		const struct subject *subject, uint64_t *count)
{
	const struct subject element = { "an element of", subject->name, subject->of,
					 subject->owner };
	uint32_t inner = id;
	bool is_const = false;
	const int kind = types_bare(types, &inner, &is_const);
	const struct btf_array *array;

	if (kind < 0)
		return no_sense(subject);
	if (kind == BTF_KIND_UNKN)
		return no_type(subject);
	if (kind != BTF_KIND_ARRAY)
		return reason_set(EPROTOTYPE, SUBJECT_FORMAT " is %s, no array",
				  SUBJECT(subject), spelling_of(types, id).text);
	array = types_behind(types_at(types, inner));
	*count = array->nelems;
	return match_type(types, array->type, asked, &element);
}

bool match_is_const(struct types *types, uint32_t id)
{
	bool is_const = false;

	for (int deep = 0; deep < TYPES_DEEP; deep++) {
		if (types_bare(types, &id, &is_const) != BTF_KIND_ARRAY)
			break;
		id = ((const struct btf_array *)types_behind(types_at(types, id)))->type;
	}
	return is_const;
}
