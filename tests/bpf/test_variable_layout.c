// SPDX-License-Identifier: BSD-2-Clause
/* FOSTER_STRUCT(): structs compared member by member. */
#include "support_btf.h"

/* ------------------------------------------------------------------------ made-up BTF */

/* The structs below as BTF has them, unless a test says otherwise. */
struct ids {
	int u64, u32, s32, bits, inner, outer;
};

static int add_inner(struct draft *draft, const struct ids *ids)
{
	int id = btf__add_struct(draft->btf, "inner", 8);

	btf__add_field(draft->btf, "x", ids->u32, 0, 0);
	btf__add_field(draft->btf, "y", ids->s32, 32, 0);
	return id;
}

static int add_bits(struct draft *draft, const struct ids *ids)
{
	int id = btf__add_struct(draft->btf, "bits", 8);

	btf__add_field(draft->btf, "low", ids->u32, 0, 3);
	btf__add_field(draft->btf, "signed_one", ids->s32, 3, 7);
	btf__add_field(draft->btf, "plain", ids->u32, 32, 0);
	return id;
}

/* A union without a name inside the struct. */
static int add_unnamed(struct draft *draft, const struct ids *ids)
{
	int id = btf__add_union(draft->btf, NULL, 8);

	btf__add_field(draft->btf, "number", ids->u64, 0, 0);
	btf__add_field(draft->btf, "half", ids->u32, 0, 0);
	return id;
}

static int add_outer(struct draft *draft, const struct ids *ids)
{
	int row = btf__add_array(draft->btf, ids->u32, ids->inner, 3);
	int unnamed = add_unnamed(draft, ids);
	int id = btf__add_struct(draft->btf, "outer", 56);

	btf__add_field(draft->btf, "hits", ids->u64, 0, 0);
	btf__add_field(draft->btf, "one", ids->inner, 64, 0);
	btf__add_field(draft->btf, "many", row, 128, 0);
	btf__add_field(draft->btf, "", unnamed, 320, 0);
	btf__add_field(draft->btf, "bits", ids->bits, 384, 0);
	return id;
}

static struct ids add_structs(struct draft *draft)
{
	struct ids ids = { 0 };

	ids.u64 = btf__add_int(draft->btf, "__u64", 8, 0);
	ids.u32 = btf__add_int(draft->btf, "__u32", 4, 0);
	ids.s32 = btf__add_int(draft->btf, "__s32", 4, BTF_INT_SIGNED);
	ids.inner = add_inner(draft, &ids);
	ids.bits = add_bits(draft, &ids);
	ids.outer = add_outer(draft, &ids);
	return ids;
}

static struct foster_datasec *structs(void)
{
	struct draft draft;
	struct ids ids;

	draft_begin(&draft);
	ids = add_structs(&draft);
	draft_variable(&draft, "outer", ids.outer, 0, 56);
	draft_variable(&draft, "inner", ids.inner, 56, 8);
	draft_variable(&draft, "bits", ids.bits, 64, 8);
	draft_variable(&draft, "row", btf__add_array(draft.btf, ids.u32, ids.inner, 4),
		       72, 32);
	return draft_datasec(&draft, ".bss", 104, 0);
}

struct inner {
	__u32 x;
	__s32 y;
};

struct bits {
	__u32 low : 3;
	__s32 signed_one : 7;
	__u32 plain;
};

struct outer {
	__u64 hits;
	struct inner one;
	struct inner many[3];
	union {
		__u64 number;
		__u32 half;
	};
	struct bits bits;
};

#define INNER FOSTER_STRUCT(struct inner, x, y)

/* --------------------------------------------------------------------------- the same */

TEST(a_struct_with_the_same_members_matches)
{
	assert_non_null(FOSTER_VAR(structs(), FOSTER_STRUCT(struct inner, x, y), inner));
}

TEST(a_layout_written_once_stands_for_the_type)
{
	struct foster_datasec *ds = structs();
	struct inner *inner = FOSTER_VAR(ds, INNER, inner);
	const struct inner *same = FOSTER_VAR(ds, const INNER, inner);
	size_t count = 0;
	struct inner *row = FOSTER_ARRAY(ds, INNER, row, &count);

	assert_non_null(inner);
	assert_ptr_equal(inner, same);
	assert_non_null(row);
	assert_int_equal(count, 4);
}

TEST(members_are_named_by_paths)
{
	assert_non_null(FOSTER_VAR(structs(),
				   FOSTER_STRUCT(struct outer, hits, one.x, one.y, many,
						 many[0].x, many[2].y, bits.plain),
				   outer));
}

TEST(members_of_an_unnamed_union_are_those_of_its_struct)
{
	assert_non_null(
		FOSTER_VAR(structs(), FOSTER_STRUCT(struct outer, number, half), outer));
}

TEST(bit_fields_are_compared_by_their_bits)
{
	struct foster_datasec *ds = structs();

	assert_non_null(FOSTER_VAR(ds,
				   FOSTER_STRUCT(struct bits, FOSTER_BITS(low),
						 FOSTER_BITS(signed_one), plain),
				   bits));
	assert_non_null(FOSTER_VAR(ds, FOSTER_STRUCT(struct outer, FOSTER_BITS(bits.low)),
				   outer));
}

TEST(members_that_are_not_listed_are_not_compared)
{
	struct near {
		__u32 x;
		float other;
	};

	assert_non_null(FOSTER_VAR(structs(), FOSTER_STRUCT(struct near, x), inner));
}

TEST(a_description_can_be_kept)
{
	const struct foster_type *type = FOSTER_TYPE(INNER);

	assert_non_null(foster_var(structs(), "inner", type));
}

/*
 * --------------------------------------------------------------------------- not the
 * same
 */

TEST(a_struct_of_another_size_is_refused_before_its_members)
{
	struct longer {
		__u32 x;
		__s32 y, z;
	};

	assert_refuses(EMSGSIZE, "is struct inner of 8 bytes, not struct longer of 12",
		       FOSTER_VAR(structs(), FOSTER_STRUCT(struct longer, x, y), inner));
}

TEST(a_member_of_another_name_is_refused_with_the_nearest)
{
	struct wrong {
		__u64 hitz;
		char rest[48];
	};

	assert_refuses(EPROTO, "has no member \"hitz\"; \"hits\" is the nearest",
		       FOSTER_VAR(structs(), FOSTER_STRUCT(struct wrong, hitz), outer));
}

TEST(a_member_unlike_any_is_refused)
{
	struct wrong {
		__u32 latitude;
		__s32 y;
	};

	assert_refuses(EPROTO,
		       "member \"latitude\" of variable \"inner\" of .bss does not exist",
		       FOSTER_VAR(structs(), FOSTER_STRUCT(struct wrong, latitude),
				  inner));
}

TEST(a_member_elsewhere_is_refused)
{
	struct wrong {
		__s32 y;
		__u32 x;
	};

	assert_refuses(EPROTO,
		       "member \"x\" of variable \"inner\" of .bss is at offset 0, not 4",
		       FOSTER_VAR(structs(), FOSTER_STRUCT(struct wrong, x), inner));
}

TEST(a_member_of_another_type_is_refused)
{
	struct wrong {
		float x;
		__u32 y;
	};
	struct short_one {
		__u16 x;
		__s32 y;
	};
	struct foster_datasec *ds = structs();

	assert_refuses(EPROTO, "member \"x\" of inner is __u32, not",
		       FOSTER_VAR(ds, FOSTER_STRUCT(struct wrong, x), inner));
	assert_refuses(EPROTO, "member \"y\" of inner is __s32, which is signed, unlike",
		       FOSTER_VAR(ds, FOSTER_STRUCT(struct wrong, y), inner));
	assert_refuses(EPROTO, "member \"x\" of inner is __u32 of 4 bytes, not",
		       FOSTER_VAR(ds, FOSTER_STRUCT(struct short_one, x), inner));
}

TEST(a_member_array_of_another_length_is_refused)
{
	struct wrong {
		__u64 hits;
		struct inner one;
		struct inner many[2];
		__u64 rest[3];
	};

	assert_refuses(EPROTO,
		       "is struct inner[3] of 24 bytes, not the type asked for of 16",
		       FOSTER_VAR(structs(), FOSTER_STRUCT(struct wrong, many), outer));
}

TEST(an_element_behind_the_end_of_a_member_array_is_refused)
{
	struct wrong {
		__u64 hits;
		struct inner one;
		struct inner many[4];
		__u64 rest;
	};

	assert_refuses(
		EPROTO, "member \"many[3].x\" of variable \"outer\" of .bss is behind",
		FOSTER_VAR(structs(), FOSTER_STRUCT(struct wrong, many[3].x), outer));
}

TEST(a_bit_field_of_other_bits_is_refused)
{
	struct wrong {
		__u32 low : 4;
		__s32 signed_one : 7;
		__u32 plain;
	};

	assert_refuses(EPROTO, "is 3 bits at bit 0, not 4 at 0",
		       FOSTER_VAR(structs(),
				  FOSTER_STRUCT(struct wrong, FOSTER_BITS(low)), bits));
	assert_refuses(EPROTO, "is 7 bits at bit 3, not 7 at 4",
		       FOSTER_VAR(structs(),
				  FOSTER_STRUCT(struct wrong, FOSTER_BITS(signed_one)),
				  bits));
}

TEST(a_bit_field_of_the_other_sign_is_refused)
{
	struct wrong {
		__s32 low : 3;
		__u32 signed_one : 7;
		__u32 plain;
	};
	struct foster_datasec *ds = structs();

	assert_refuses(
		EPROTO, "member \"low\" of variable \"bits\" of .bss has the other sign",
		FOSTER_VAR(ds, FOSTER_STRUCT(struct wrong, FOSTER_BITS(low)), bits));
	assert_refuses(EPROTO, "has the other sign",
		       FOSTER_VAR(ds,
				  FOSTER_STRUCT(struct wrong, FOSTER_BITS(signed_one)),
				  bits));
}

TEST(a_bit_field_and_a_plain_member_do_not_match)
{
	struct plain {
		__u32 low;
		__u32 plain;
	};
	struct field {
		__u32 low : 3;
		__u32 plain : 32;
	};
	struct foster_datasec *ds = structs();

	assert_refuses(EPROTO, "is a bit-field",
		       FOSTER_VAR(ds, FOSTER_STRUCT(struct plain, low), bits));
	assert_refuses(EPROTO, "is no bit-field",
		       FOSTER_VAR(ds, FOSTER_STRUCT(struct field, FOSTER_BITS(plain)),
				  bits));
}

TEST(a_path_through_what_is_no_struct_is_refused)
{
	const struct foster_member member = { "hits.x", 0, FOSTER_TYPE(__u32), 0, 0, 0 };
	const struct foster_member index = { "hits[0]", 0, FOSTER_TYPE(__u32), 0, 0, 0 };
	struct foster_type type = *FOSTER_TYPE(struct outer);

	type.members = &member;
	type.member_count = 1;
	assert_refuses(EPROTO, "does not exist", foster_var(structs(), "outer", &type));
	type.members = &index;
	assert_refuses(EPROTO, "does not exist", foster_var(structs(), "outer", &type));
}

TEST(a_path_that_is_none_is_refused)
{
	static const char *const paths[] = {
		"",
		".",
		"one.",
		".one",
		"one..x",
		"many[",
		"many[]",
		"many[x]",
		"many[1",
		"many[-1]",
		"many[12345678901]",
		"many[1]]",
		"[0]",
		"many[0].",
	};
	struct foster_member member = { "", 0, FOSTER_TYPE(__u32), 0, 0, 0 };
	struct foster_type type = *FOSTER_TYPE(struct outer);
	struct foster_datasec *ds = structs();

	type.members = &member;
	type.member_count = 1;
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		member.name = paths[i];
		assert_refuses(EINVAL, "is no path to a member",
			       foster_var(ds, "outer", &type));
	}
	member.name = NULL;
	assert_refuses(EINVAL, "a member has no name", foster_var(ds, "outer", &type));
	type.members = NULL;
	assert_refuses(EINVAL, "makes no sense", foster_var(ds, "outer", &type));
}

/*
 * ---------------------------------------------------------------------------- older BTF
 */

/* Before 5.0 the width of a bit-field was in its type. */
TEST(a_bit_field_of_old_btf_matches)
{
	struct old {
		__u32 low : 3;
		__u32 : 5;
		__u32 high : 3;
	};
	struct draft draft;
	struct foster_datasec *ds;
	int part, id;

	draft_begin(&draft);
	part = btf__add_int(draft.btf, "__u32", 4, 0);
	/* 3 bits, from the first of its 4 bytes. */
	((__u32 *)(btf__type_by_id(draft.btf, (__u32)part) + 1))[0] = 3;
	id = btf__add_struct(draft.btf, "bits", 4);
	btf__add_field(draft.btf, "low", part, 0, 0);
	btf__add_field(draft.btf, "high", part, 8, 0);
	draft_variable(&draft, "bits", id, 0, 4);
	ds = draft_datasec(&draft, ".bss", 4, 0);
	assert_non_null(FOSTER_VAR(
		ds, FOSTER_STRUCT(struct old, FOSTER_BITS(low), FOSTER_BITS(high)),
		bits));
}

/* ----------------------------------------------------------------------- many members */

#define SIXTEEN(m)                                                                    \
	m##0, m##1, m##2, m##3, m##4, m##5, m##6, m##7, m##8, m##9, m##a, m##b, m##c, \
		m##d, m##e, m##f

TEST(up_to_64_members_can_be_listed)
{
	struct many {
		__u32 SIXTEEN(a), SIXTEEN(b), SIXTEEN(c), SIXTEEN(d);
	};
	const struct foster_type *type = FOSTER_TYPE(FOSTER_STRUCT(
		struct many, SIXTEEN(a), SIXTEEN(b), SIXTEEN(c), SIXTEEN(d)));

	assert_int_equal(type->member_count, 64);
	assert_string_equal(type->members[0].name, "a0");
	assert_string_equal(type->members[63].name, "df");
	assert_int_equal(type->members[63].offset, 252);
}
