// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which types of C match which types of BTF, and with which errno the others are refused.
 * The variables are made up, so that the kernel has each kind there is.
 */
#include "support_btf.h"

/* ------------------------------------------------------------------------ made-up BTF */

/* Adds a variable at the next multiple of 16. */
static __u32 place;
static void put(struct draft *draft, const char *name, int type, __u32 bytes)
{
	draft_variable(draft, name, type, place, bytes);
	place += (bytes + 15) & ~15u;
}

static void put_integers(struct draft *draft)
{
	struct btf *btf = draft->btf;

	put(draft, "s8", btf__add_int(btf, "signed char", 1, BTF_INT_SIGNED), 1);
	put(draft, "s16", btf__add_int(btf, "short", 2, BTF_INT_SIGNED), 2);
	put(draft, "s32", btf__add_int(btf, "int", 4, BTF_INT_SIGNED), 4);
	put(draft, "s64", btf__add_int(btf, "long long", 8, BTF_INT_SIGNED), 8);
	put(draft, "u8", btf__add_int(btf, "unsigned char", 1, 0), 1);
	put(draft, "u16", btf__add_int(btf, "unsigned short", 2, 0), 2);
	put(draft, "u32", btf__add_int(btf, "unsigned int", 4, 0), 4);
	put(draft, "u64", btf__add_int(btf, "unsigned long long", 8, 0), 8);
	put(draft, "u128", btf__add_int(btf, "unsigned __int128", 16, 0), 16);
	put(draft, "letter", btf__add_int(btf, "char", 1, BTF_INT_CHAR), 1);
	put(draft, "flag", btf__add_int(btf, "_Bool", 1, BTF_INT_BOOL), 1);
}

static int add_enum(struct btf *btf)
{
	int id = btf__add_enum(btf, "mode", 4);

	assert_int_equal(btf__add_enum_value(btf, "OFF", 0), 0);
	assert_int_equal(btf__add_enum_value(btf, "ON", 1), 0);
	return id;
}

static int add_pair(struct btf *btf, int u64, int s32)
{
	int id = btf__add_struct(btf, "pair", 16);

	assert_int_equal(btf__add_field(btf, "a", u64, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "b", s32, 64, 0), 0);
	return id;
}

static int add_union(struct btf *btf, int u64, int s32)
{
	int id = btf__add_union(btf, "either", 8);

	assert_int_equal(btf__add_field(btf, "a", u64, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "b", s32, 0, 0), 0);
	return id;
}

static void put_others(struct draft *draft)
{
	struct btf *btf = draft->btf;
	const int u64 = btf__add_int(btf, "__u64", 8, 0);
	const int s32 = btf__add_int(btf, "__s32", 4, BTF_INT_SIGNED);
	const int row = btf__add_array(btf, u64, s32, 4);

	put(draft, "f32", btf__add_float(btf, "float", 4), 4);
	put(draft, "f64", btf__add_float(btf, "double", 8), 8);
	put(draft, "pointer", btf__add_ptr(btf, 0), 8);
	put(draft, "mode", add_enum(btf), 4);
	put(draft, "pair", add_pair(btf, u64, s32), 16);
	put(draft, "either", add_union(btf, u64, s32), 8);
	put(draft, "row", row, 16);
	put(draft, "grid", btf__add_array(btf, u64, row, 3), 48);
	put(draft, "named", btf__add_typedef(btf, "tick_t", btf__add_volatile(btf, u64)),
	    8);
	put(draft, "fixed", btf__add_const(btf, u64), 8);
	put(draft, "fixed_row", btf__add_array(btf, u64, btf__add_const(btf, s32), 2), 8);
}

static struct foster_datasec *all_kinds(void)
{
	struct draft draft;

	place = 0;
	draft_begin(&draft);
	put_integers(&draft);
	put_others(&draft);
	return draft_datasec(&draft, ".bss", place, 0);
}

/*
 * --------------------------------------------------------------------------- the table
 */

struct pair {
	__u64 a;
	__s32 b;
};

struct other {
	double x, y;
};

union either {
	__u64 a;
	__s32 b;
};

enum mode {
	OFF,
	ON,
};

struct row {
	const char *variable;
	const struct foster_type *type;
	int error; /* 0: it matches */
};

static void check(const struct row *rows, size_t count)
{
	struct foster_datasec *ds = all_kinds();

	for (size_t i = 0; i < count; i++) {
		const void *p;
		int error;

		errno = 0;
		p = foster_var(ds, rows[i].variable, rows[i].type);
		error = p ? 0 : errno;
		if (error != rows[i].error)
			test_say("%s as %s: %s (%s)", rows[i].variable,
				 rows[i].type->name, strerror(error),
				 p ? "" : foster_bpf_strerror());
		assert_int_equal(error, rows[i].error);
	}
}

#define CHECK(rows) check(rows, COUNT_OF(rows))

TEST(an_integer_is_had_as_one_of_its_width_and_sign)
{
	const struct row rows[] = {
		{ "s8", FOSTER_TYPE(signed char), 0 },
		{ "s16", FOSTER_TYPE(short), 0 },
		{ "s32", FOSTER_TYPE(int), 0 },
		{ "s64", FOSTER_TYPE(long), 0 },
		{ "s64", FOSTER_TYPE(long long), 0 },
		{ "u8", FOSTER_TYPE(unsigned char), 0 },
		{ "u16", FOSTER_TYPE(unsigned short), 0 },
		{ "u32", FOSTER_TYPE(unsigned int), 0 },
		{ "u64", FOSTER_TYPE(unsigned long), 0 },
		{ "u64", FOSTER_TYPE(size_t), 0 },
		{ "u64", FOSTER_TYPE(unsigned long long), 0 },
		{ "u128", FOSTER_TYPE(unsigned __int128), 0 },
	};

	CHECK(rows);
}

TEST(an_integer_of_another_width_is_refused)
{
	const struct row rows[] = {
		{ "s8", FOSTER_TYPE(short), EMSGSIZE },
		{ "s16", FOSTER_TYPE(signed char), EMSGSIZE },
		{ "s32", FOSTER_TYPE(long), EMSGSIZE },
		{ "s64", FOSTER_TYPE(int), EMSGSIZE },
		{ "u8", FOSTER_TYPE(unsigned int), EMSGSIZE },
		{ "u16", FOSTER_TYPE(unsigned char), EMSGSIZE },
		{ "u32", FOSTER_TYPE(unsigned long), EMSGSIZE },
		{ "u64", FOSTER_TYPE(unsigned int), EMSGSIZE },
		{ "u64", FOSTER_TYPE(unsigned __int128), EMSGSIZE },
		{ "u128", FOSTER_TYPE(unsigned long), EMSGSIZE },
	};

	CHECK(rows);
}

TEST(an_integer_of_the_other_sign_is_refused)
{
	const struct row rows[] = {
		{ "s8", FOSTER_TYPE(unsigned char), EDOM },
		{ "s16", FOSTER_TYPE(unsigned short), EDOM },
		{ "s32", FOSTER_TYPE(unsigned int), EDOM },
		{ "s64", FOSTER_TYPE(unsigned long), EDOM },
		{ "u8", FOSTER_TYPE(signed char), EDOM },
		{ "u16", FOSTER_TYPE(short), EDOM },
		{ "u32", FOSTER_TYPE(int), EDOM },
		{ "u64", FOSTER_TYPE(long), EDOM },
		{ "u128", FOSTER_TYPE(__int128), EDOM },
	};

	CHECK(rows);
}

TEST(a_letter_fits_either_sign)
{
	const struct row rows[] = {
		{ "letter", FOSTER_TYPE(char), 0 },
		{ "letter", FOSTER_TYPE(signed char), 0 },
		{ "letter", FOSTER_TYPE(unsigned char), 0 },
		{ "s8", FOSTER_TYPE(char), 0 },
		{ "u8", FOSTER_TYPE(char), 0 },
		{ "s16", FOSTER_TYPE(char), EMSGSIZE },
	};

	CHECK(rows);
}

TEST(a_bool_is_had_as_a_bool_only)
{
	const struct row rows[] = {
		{ "flag", FOSTER_TYPE(bool), 0 },
		{ "flag", FOSTER_TYPE(unsigned char), EPROTOTYPE },
		{ "flag", FOSTER_TYPE(char), EPROTOTYPE },
		{ "u8", FOSTER_TYPE(bool), EPROTOTYPE },
		{ "letter", FOSTER_TYPE(bool), EPROTOTYPE },
		{ "mode", FOSTER_TYPE(bool), EPROTOTYPE },
	};

	CHECK(rows);
}

TEST(a_float_is_had_as_a_float_of_its_width)
{
	const struct row rows[] = {
		{ "f32", FOSTER_TYPE(float), 0 },
		{ "f64", FOSTER_TYPE(double), 0 },
		{ "f32", FOSTER_TYPE(double), EMSGSIZE },
		{ "f64", FOSTER_TYPE(float), EMSGSIZE },
		{ "f64", FOSTER_TYPE(long double), EMSGSIZE },
		{ "f32", FOSTER_TYPE(int), EPROTOTYPE },
		{ "s32", FOSTER_TYPE(float), EPROTOTYPE },
		{ "u64", FOSTER_TYPE(double), EPROTOTYPE },
	};

	CHECK(rows);
}

TEST(a_pointer_is_had_as_a_pointer_to_anything)
{
	const struct row rows[] = {
		{ "pointer", FOSTER_TYPE(void *), 0 },
		{ "pointer", FOSTER_TYPE(const char *), 0 },
		{ "pointer", FOSTER_TYPE(struct nobody_knows *), 0 },
		{ "pointer", FOSTER_TYPE(int (*)(void)), 0 },
		{ "pointer", FOSTER_TYPE(unsigned long), EPROTOTYPE },
		{ "u64", FOSTER_TYPE(void *), EPROTOTYPE },
		{ "pair", FOSTER_TYPE(void *), EPROTOTYPE },
	};

	CHECK(rows);
}

/* C does not say which integer an enum is. */
TEST(an_enum_is_an_integer_of_its_size)
{
	const struct row rows[] = {
		{ "mode", FOSTER_TYPE(enum mode), 0 },
		{ "mode", FOSTER_TYPE(unsigned int), 0 },
		{ "mode", FOSTER_TYPE(int), 0 },
		{ "mode", FOSTER_TYPE(unsigned char), EMSGSIZE },
		{ "mode", FOSTER_TYPE(float), EPROTOTYPE },
		{ "u32", FOSTER_TYPE(enum mode), 0 },
	};

	CHECK(rows);
}

TEST(a_struct_is_had_as_a_struct_of_its_size)
{
	const struct row rows[] = {
		{ "pair", FOSTER_TYPE(struct pair), 0 },
		{ "pair", FOSTER_TYPE(struct other), 0 },
		{ "pair", FOSTER_TYPE(union either), EPROTOTYPE },
		{ "pair", FOSTER_TYPE(unsigned __int128), EPROTOTYPE },
		{ "pair", FOSTER_TYPE(char[16]), EPROTOTYPE },
		{ "u128", FOSTER_TYPE(struct pair), EPROTOTYPE },
		{ "row", FOSTER_TYPE(struct pair), EPROTOTYPE },
	};

	CHECK(rows);
}

TEST(a_union_is_had_as_a_union_of_its_size)
{
	const struct row rows[] = {
		{ "either", FOSTER_TYPE(union either), 0 },
		{ "either", FOSTER_TYPE(union { char a; }), EMSGSIZE },
		{ "either", FOSTER_TYPE(struct pair), EPROTOTYPE },
		{ "either", FOSTER_TYPE(unsigned long), EPROTOTYPE },
	};

	CHECK(rows);
}

TEST(an_array_is_had_with_all_its_dimensions)
{
	const struct row rows[] = {
		{ "row", FOSTER_TYPE(int[4]), 0 },
		{ "row", FOSTER_TYPE(const int[4]), 0 },
		{ "grid", FOSTER_TYPE(int[3][4]), 0 },
		{ "row", FOSTER_TYPE(int[3]), EMSGSIZE },
		{ "row", FOSTER_TYPE(int[5]), EMSGSIZE },
		{ "grid", FOSTER_TYPE(int[4][3]), EMSGSIZE },
		{ "grid", FOSTER_TYPE(int[2][4]), EMSGSIZE },
	};

	CHECK(rows);
}

TEST(an_array_of_other_elements_is_refused)
{
	const struct row rows[] = {
		{ "row", FOSTER_TYPE(unsigned int[4]), EDOM },
		{ "row", FOSTER_TYPE(short[4]), EMSGSIZE },
		{ "row", FOSTER_TYPE(short[8]), EMSGSIZE },
		{ "row", FOSTER_TYPE(float[4]), EPROTOTYPE },
		{ "row", FOSTER_TYPE(int), EPROTOTYPE },
		{ "row", FOSTER_TYPE(int[4][1]), EPROTOTYPE },
		{ "grid", FOSTER_TYPE(int[12]), EPROTOTYPE },
		{ "grid", FOSTER_TYPE(void *[3]), EPROTOTYPE },
		{ "s32", FOSTER_TYPE(int[1]), EPROTOTYPE },
		{ "pair", FOSTER_TYPE(int[4]), EPROTOTYPE },
	};

	CHECK(rows);
}

TEST(names_and_qualifiers_of_types_make_no_difference)
{
	const struct row rows[] = {
		{ "named", FOSTER_TYPE(__u64), 0 },
		{ "named", FOSTER_TYPE(volatile unsigned long), 0 },
		{ "u64", FOSTER_TYPE(volatile __u64), 0 },
		{ "u64", FOSTER_TYPE(const __u64), 0 },
		{ "u64", FOSTER_TYPE(const volatile __u64), 0 },
		{ "named", FOSTER_TYPE(__u32), EMSGSIZE },
	};

	CHECK(rows);
}

TEST(an_atomic_type_is_one_of_its_size_and_kind)
{
	const struct row rows[] = {
		{ "u64", FOSTER_TYPE(_Atomic __u64), 0 },
		{ "s32", FOSTER_TYPE(_Atomic int), 0 },
		{ "s32", FOSTER_TYPE(atomic_int), 0 },
		{ "flag", FOSTER_TYPE(atomic_bool), 0 },
		{ "pointer", FOSTER_TYPE(_Atomic(void *)), 0 },
		{ "pair", FOSTER_TYPE(_Atomic(struct pair)), 0 },
		{ "row", FOSTER_TYPE(_Atomic int[4]), 0 },
		{ "u64", FOSTER_TYPE(_Atomic __u32), EMSGSIZE },
		{ "u64", FOSTER_TYPE(_Atomic __s64), EDOM },
		{ "f64", FOSTER_TYPE(_Atomic __u64), EPROTOTYPE },
	};

	CHECK(rows);
}

TEST(a_constant_is_had_as_a_const_type_only)
{
	const struct row rows[] = {
		{ "fixed", FOSTER_TYPE(const __u64), 0 },
		{ "fixed", FOSTER_TYPE(const volatile __u64), 0 },
		{ "fixed", FOSTER_TYPE(const _Atomic __u64), 0 },
		{ "fixed_row", FOSTER_TYPE(const int[2]), 0 },
		{ "fixed", FOSTER_TYPE(__u64), EACCES },
		{ "fixed", FOSTER_TYPE(volatile __u64), EACCES },
		{ "fixed", FOSTER_TYPE(_Atomic __u64), EACCES },
		{ "fixed_row", FOSTER_TYPE(int[2]), EACCES },
		/* What is wrong besides goes first. */
		{ "fixed", FOSTER_TYPE(__u32), EMSGSIZE },
	};

	CHECK(rows);
}

/*
 * A pointer that may be changed, to what may not: const says nothing about the variable.
 */
TEST(a_pointer_to_const_is_no_const_type)
{
	struct draft draft;
	struct foster_datasec *ds;
	int text;

	draft_begin(&draft);
	text = btf__add_ptr(draft.btf, btf__add_const(draft.btf, 0));
	draft_variable(&draft, "text", text, 0, 8);
	draft_variable(&draft, "fixed", btf__add_const(draft.btf, text), 8, 8);
	ds = draft_datasec(&draft, ".data", 16, 0);
	assert_non_null(FOSTER_VAR(ds, const void *, text));
	assert_refuses(EACCES, "is for reading only",
		       FOSTER_VAR(ds, const void *, fixed));
	assert_non_null(FOSTER_VAR(ds, const void *const, fixed));
}

/* ---------------------------------------------------------------------------- reasons */

TEST(the_reason_names_the_variable_and_both_types)
{
	struct foster_datasec *ds = all_kinds();

	assert_refuses(EPROTOTYPE, "variable \"f32\" of .bss is float, not int",
		       FOSTER_VAR(ds, int, f32));
	assert_refuses(EMSGSIZE,
		       "variable \"u64\" of .bss is unsigned long long of 8 bytes, not "
		       "unsigned int of 4",
		       FOSTER_VAR(ds, unsigned int, u64));
	assert_refuses(EDOM, "is int, which is signed, unlike unsigned int",
		       FOSTER_VAR(ds, unsigned int, s32));
	assert_refuses(EACCES, "is for reading only: ask for const __u64",
		       FOSTER_VAR(ds, __u64, fixed));
	assert_refuses(EMSGSIZE, "is __s32[3][4] of 48 bytes, not int[4][3] of 48",
		       FOSTER_VAR(ds, int[4][3], grid));
	assert_refuses(EPROTOTYPE, "is union either, not struct pair",
		       FOSTER_VAR(ds, struct pair, either));
}

/* ----------------------------------------------------------------------------- arrays */

TEST(an_array_gives_its_first_element_and_its_length)
{
	struct foster_datasec *ds = all_kinds();
	int(*row)[4] = FOSTER_VAR(ds, int[4], row);
	size_t count = 0;
	int *first = FOSTER_ARRAY(ds, int, row, &count);

	assert_non_null(row);
	assert_ptr_equal(first, &(*row)[0]);
	assert_int_equal(count, 4);
}

TEST(an_array_of_arrays_gives_its_first_row)
{
	struct foster_datasec *ds = all_kinds();
	size_t count = 0;
	int(*rows)[4] = FOSTER_ARRAY(ds, int[4], grid, &count);

	assert_non_null(rows);
	assert_int_equal(count, 3);
}

TEST(the_length_of_an_array_need_not_be_asked_for)
{
	assert_non_null(FOSTER_ARRAY(all_kinds(), int, row, NULL));
}

TEST(a_refused_array_leaves_the_length_alone)
{
	struct foster_datasec *ds = all_kinds();
	size_t count = 77;

	assert_refuses(EDOM, "an element of \"row\" of .bss is __s32, which is signed",
		       FOSTER_ARRAY(ds, unsigned int, row, &count));
	assert_refuses(EMSGSIZE, "an element of", FOSTER_ARRAY(ds, short, row, &count));
	assert_refuses(EPROTOTYPE, "\"grid\" of .bss is __s32[4], not int",
		       FOSTER_ARRAY(ds, int, grid, &count));
	assert_refuses(EPROTOTYPE, "is int, no array",
		       FOSTER_ARRAY(ds, int, s32, &count));
	assert_refuses(EACCES, "is for reading only",
		       FOSTER_ARRAY(ds, int, fixed_row, &count));
	assert_int_equal(count, 77);
}

/* ------------------------------------------------------------------- bad descriptions */

TEST(a_description_that_is_none_is_refused)
{
	struct foster_datasec *ds = small_datasec();
	struct foster_type type = *FOSTER_TYPE(__u64);

	assert_refuses(EINVAL, "no type was given", foster_var(ds, "hits", NULL));
	type.size = 8;
	assert_refuses(EINVAL, "not of this library", foster_var(ds, "hits", &type));
	type = *FOSTER_TYPE(__u64);
	type.align = 3;
	assert_refuses(EINVAL, "makes no sense", foster_var(ds, "hits", &type));
	type = *FOSTER_TYPE(__u64);
	type.dimensions = FOSTER_DIMENSIONS + 1;
	assert_refuses(EINVAL, "makes no sense", foster_var(ds, "hits", &type));
	type = *FOSTER_TYPE(__u64);
	type.name = NULL;
	assert_refuses(EINVAL, "makes no sense", foster_var(ds, "hits", &type));
}

TEST(a_description_of_a_newer_header_is_refused_when_it_says_more)
{
	struct {
		struct foster_type known;
		size_t more;
	} type = { *FOSTER_TYPE(__u64), 0 };
	struct foster_datasec *ds = small_datasec();

	type.known.size = sizeof(type);
	assert_non_null(foster_var(ds, "hits", &type.known));
	type.more = 1;
	assert_refuses(E2BIG, "not of this library", foster_var(ds, "hits", &type.known));
}

TEST(a_kind_that_no_variable_has_is_refused)
{
	struct foster_type type = *FOSTER_TYPE(__u64);

	type.kind = FOSTER_KIND_OTHER;
	assert_refuses(EPROTOTYPE, "is __u64, not",
		       foster_var(small_datasec(), "hits", &type));
	type.kind = 4711;
	assert_refuses(EPROTOTYPE, "is __u64, not",
		       foster_var(small_datasec(), "hits", &type));
}
