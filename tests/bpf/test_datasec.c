// SPDX-License-Identifier: BSD-2-Clause
/*
 * foster_datasec(): of which maps it is made, what it says of its variables, and how long
 * it and its memory live.
 */
#include "support_btf.h"

#include <fcntl.h>

static void *volatile kept;
static struct foster_datasec *volatile section;

static int add_u64(struct draft *draft)
{
	return btf__add_int(draft->btf, "__u64", 8, 0);
}

/* ---------------------------------------------------------------------------- refused */

TEST(what_is_no_map_has_no_variables)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_refuses(EBADF, "descriptor -1 is not open", foster_datasec(-1));
	assert_refuses(EBADF, "is not open", foster_datasec(INT_MAX));
	assert_refuses(EINVAL, "is not a BPF map", foster_datasec(file));
	assert_refuses(EINVAL, "is not a BPF map", foster_datasec(small_program()));
}

TEST(a_map_of_another_type_has_no_variables)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "test_hash", 4, 8, 4, NULL);

	skip_without_bpf(fd, "a hash map");
	assert_refuses(ENOTSUP, "is of type hash", foster_datasec(fd));
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_array", 4, 8, 1, NULL);
	assert_refuses(ENOTSUP, "without BPF_F_MMAPABLE", foster_datasec(fd));
}

TEST(a_map_whose_btf_was_stripped_has_no_variables)
{
	int fd = array_map(8, 1, 0);

	assert_refuses(ENODATA, "has no BTF", foster_datasec(fd));
	assert_non_null(strstr(foster_bpf_strerror(), "FOSTER_AT()"));
	assert_int_equal(mapped_maps(), 0);
}

TEST(a_map_whose_values_are_no_section_has_no_variables)
{
	struct draft draft;
	int fd;

	draft_begin(&draft);
	fd = draft_array(&draft, add_u64(&draft), 8, 4, 0);
	assert_refuses(ENOTSUP, "is no data section: its values are __u64",
		       foster_datasec(fd));
	assert_int_equal(mapped_maps(), 0);
}

TEST(what_is_refused_leaves_no_descriptor_and_no_region)
{
	int fd = array_map(8, 1, 0);
	size_t open_before;

	assert_int_equal(foster_init(NULL), 0);
	open_before = fd_count();
	for (int i = 0; i < 10; i++)
		assert_null_with(ENODATA, foster_datasec(fd));
	assert_int_equal(fd_count(), open_before);
	assert_int_equal(stats_now().mapped, 0);
}

TEST(what_is_made_keeps_no_descriptor)
{
	int fd = small_section(0);
	size_t open_before;
	struct foster_datasec *ds;

	assert_int_equal(foster_init(NULL), 0);
	open_before = fd_count();
	ds = foster_datasec(fd);
	assert_non_null(ds);
	assert_int_equal(fd_count(), open_before);
}

TEST(null_is_no_datasec)
{
	struct foster_datasec_info info = FOSTER_DATASEC_INFO_INIT;
	struct foster_variable variable = FOSTER_VARIABLE_INIT;

	assert_refuses(EINVAL, "NULL is no datasec", FOSTER_VAR(NULL, __u64, hits));
	assert_refuses(EINVAL, "NULL is no datasec",
		       FOSTER_ARRAY(NULL, __u64, hits, NULL));
	assert_denies(EINVAL, "NULL is no datasec", foster_datasec_info(NULL, &info));
	assert_denies(EINVAL, "NULL is no datasec",
		      foster_datasec_variable(NULL, 0, &variable));
	assert_denies(EINVAL, "NULL is no datasec",
		      foster_datasec_find(NULL, "a", &variable));
	assert_refuses(EINVAL, "NULL is no map", foster_datasec_of(NULL));
	assert_refuses(EINVAL, "NULL is no name",
		       foster_var(small_datasec(), NULL, FOSTER_TYPE(__u64)));
}

TEST(memory_that_is_no_datasec_is_refused)
{
	uint64_t words[8] = { 1, 2, 3 };
	const struct foster_datasec *ds = (const void *)words;

	assert_refuses(EINVAL, "is no datasec", FOSTER_VAR(ds, __u64, hits));
	ds = (const void *)((const char *)small_datasec() + 1);
	assert_refuses(EINVAL, "is no datasec", FOSTER_VAR(ds, __u64, hits));
}

/* ------------------------------------------------------------------------------- told */

TEST(a_datasec_says_what_it_is)
{
	int fd = small_section(0);
	struct foster_datasec *ds = foster_datasec(fd);
	struct foster_datasec_info info = FOSTER_DATASEC_INFO_INIT;

	assert_int_equal(foster_datasec_info(ds, &info), 0);
	assert_string_equal(info.name, ".bss");
	assert_string_equal(info.map_name, "test.map");
	assert_ptr_equal(info.base, FOSTER_VAR(ds, __u64, hits));
	assert_int_equal(info.bytes, 8);
	assert_int_equal(info.variables, 1);
	assert_int_equal(info.map_id, map_id(fd));
	assert_true(info.btf_id != 0);
	assert_int_equal(info.prot, PROT_READ | PROT_WRITE);
}

TEST(variables_come_one_after_the_other)
{
	struct foster_variable variable = FOSTER_VARIABLE_INIT;
	struct foster_datasec *ds;
	struct draft draft;
	int u64, row;

	draft_begin(&draft);
	u64 = add_u64(&draft);
	row = btf__add_array(draft.btf, u64, u64, 3);
	draft_variable(&draft, "first", u64, 0, 8);
	draft_static(&draft, "second", row, 8, 24);
	ds = draft_datasec(&draft, ".data", 32, 0);
	assert_int_equal(foster_datasec_variable(ds, 0, &variable), 0);
	assert_string_equal(variable.name, "first");
	assert_int_equal(variable.flags, 0);
	assert_int_equal(foster_datasec_variable(ds, 1, &variable), 0);
	assert_string_equal(variable.name, "second");
	assert_string_equal(variable.type, "__u64[3]");
	assert_int_equal(variable.offset, 8);
	assert_int_equal(variable.bytes, 24);
	assert_int_equal(variable.count, 3);
	assert_int_equal(variable.element_bytes, 8);
	assert_int_equal(variable.kind, FOSTER_KIND_UNSIGNED);
	assert_int_equal(variable.dimensions, 1);
	assert_int_equal(variable.type_id, row);
	assert_int_equal(variable.flags, FOSTER_VARIABLE_STATIC);
	assert_denies(ENOENT, ".data has 2 variables, none of number 2",
		      foster_datasec_variable(ds, 2, &variable));
	assert_denies(ENOENT, "none of number",
		      foster_datasec_variable(ds, SIZE_MAX, &variable));
}

TEST(a_variable_of_read_only_memory_says_so)
{
	struct foster_datasec *ds = foster_datasec(small_section(BPF_F_RDONLY_PROG));
	struct foster_variable variable = FOSTER_VARIABLE_INIT;

	assert_int_equal(foster_datasec_find(ds, "hits", &variable), 0);
	assert_int_equal(variable.flags, FOSTER_VARIABLE_READ_ONLY);
	assert_non_null(variable.addr);
}

TEST(a_struct_that_is_too_small_is_refused_and_a_longer_one_filled)
{
	struct foster_datasec *ds = small_datasec();
	struct foster_datasec_info info = { .size = sizeof(size_t) };
	struct {
		struct foster_variable known;
		uint64_t more;
	} variable = { .known.size = sizeof(variable), .more = 1 };

	assert_denies(EINVAL, "too small", foster_datasec_info(ds, &info));
	assert_int_equal(foster_datasec_find(ds, "hits", &variable.known), 0);
	assert_int_equal(variable.known.size, sizeof(variable));
	assert_int_equal(variable.more, 0);
	variable.known.size = 8;
	assert_denies(EINVAL, "too small",
		      foster_datasec_find(ds, "hits", &variable.known));
}

/* ------------------------------------------------------------------------------ names */

static struct foster_datasec *named(void)
{
	struct draft draft;
	int u64;

	draft_begin(&draft);
	u64 = add_u64(&draft);
	draft_variable(&draft, "packets_seen", u64, 0, 8);
	draft_variable(&draft, "packets_sent", u64, 8, 8);
	draft_static(&draft, "calls", u64, 16, 8);
	draft_static(&draft, "calls", u64, 24, 8);
	draft_static(&draft, "state", u64, 32, 8);
	draft_variable(&draft, "state", u64, 40, 8);
	draft_static(&draft, "state", u64, 48, 8);
	draft_static(&draft, "filter.calls", u64, 56, 8);
	return draft_datasec(&draft, ".bss", 64, 0);
}

TEST(an_unknown_name_is_refused_with_the_nearest)
{
	struct foster_datasec *ds = named();

	assert_refuses(ENOENT, ".bss has no variable \"packets_sen\"; \"packets_se",
		       FOSTER_VAR(ds, __u64, packets_sen));
	assert_refuses(ENOENT, "\"packets_sent\" is the nearest",
		       FOSTER_VAR(ds, __u64, packet_sent));
	assert_refuses(ENOENT, "\"packets_seen\" is the nearest",
		       FOSTER_VAR(ds, __u64, pakcets_seen));
	assert_refuses(ENOENT, "nor one like it, among its 8",
		       FOSTER_VAR(ds, __u64, temperature));
	assert_refuses(ENOENT, "has no variable \"\"",
		       foster_var(ds, "", FOSTER_TYPE(__u64)));
}

TEST(a_name_is_not_its_beginning)
{
	struct foster_datasec *ds = named();

	assert_null_with(ENOENT, FOSTER_VAR(ds, __u64, packets));
	assert_null_with(ENOENT, FOSTER_VAR(ds, __u64, packets_seen_));
	assert_null_with(ENOENT, FOSTER_VAR(ds, __u64, Packets_seen));
}

TEST(a_global_variable_goes_before_static_ones_of_its_name)
{
	struct foster_datasec *ds = named();
	struct foster_variable variable = FOSTER_VARIABLE_INIT;

	assert_int_equal(foster_datasec_find(ds, "state", &variable), 0);
	assert_int_equal(variable.offset, 40);
	assert_ptr_equal(FOSTER_VAR(ds, __u64, state), variable.addr);
}

TEST(static_variables_of_one_name_are_told_apart_by_their_number_only)
{
	struct foster_datasec *ds = named();
	struct foster_variable variable = FOSTER_VARIABLE_INIT;

	assert_refuses(ENOTUNIQ, "several static variables \"calls\"",
		       FOSTER_VAR(ds, __u64, calls));
	assert_denies(ENOTUNIQ, "several", foster_datasec_find(ds, "calls", &variable));
	assert_int_equal(foster_datasec_variable(ds, 3, &variable), 0);
	assert_string_equal(variable.name, "calls");
	assert_int_equal(variable.offset, 24);
}

TEST(a_static_variable_of_a_function_has_the_name_of_both)
{
	assert_non_null(foster_var(named(), "filter.calls", FOSTER_TYPE(__u64)));
}

TEST(a_reason_has_no_control_characters_of_a_name)
{
	assert_null_with(ENOENT, foster_var(named(), "a\nb\033[1m", FOSTER_TYPE(__u64)));
	assert_null(strpbrk(foster_bpf_strerror(), "\n\033"));
}

TEST(a_very_long_name_is_refused_and_the_reason_cut)
{
	char name[5000];

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	assert_null_with(ENOENT, foster_var(named(), name, FOSTER_TYPE(__u64)));
	assert_true(strlen(foster_bpf_strerror()) < 1024);
}

/* -------------------------------------------------------------------------- spellings */

struct spelled {
	const char *name, *type;
};

static void put(struct draft *draft, const char *name, int type, __u32 offset,
		__u32 bytes)
{
	draft_variable(draft, name, type, offset, bytes);
}

static struct foster_datasec *spellings(void)
{
	struct draft draft;
	struct btf *btf;
	int s32, row, slot;

	draft_begin(&draft);
	btf = draft.btf;
	s32 = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	row = btf__add_array(btf, s32, s32, 4);
	slot = btf__add_struct(btf, "slot", 4);
	put(&draft, "a", btf__add_const(btf, s32), 0, 4);
	put(&draft, "b", btf__add_ptr(btf, btf__add_const(btf, slot)), 8, 8);
	put(&draft, "c", btf__add_array(btf, s32, row, 3), 16, 48);
	put(&draft, "d", btf__add_array(btf, s32, btf__add_ptr(btf, slot), 2), 64, 16);
	put(&draft, "e", btf__add_const(btf, btf__add_ptr(btf, 0)), 80, 8);
	put(&draft, "f", btf__add_typedef(btf, "tick_t", s32), 88, 4);
	put(&draft, "g", btf__add_struct(btf, NULL, 4), 92, 4);
	put(&draft, "h", btf__add_volatile(btf, btf__add_enum(btf, "mode", 4)), 96, 4);
	return draft_datasec(&draft, ".bss", 104, 0);
}

TEST(types_are_spelled_as_in_c)
{
	static const struct spelled expected[] = {
		{ "a", "const int" },	 { "b", "const struct slot *" },
		{ "c", "int[3][4]" },	 { "d", "struct slot *[2]" },
		{ "e", "void *const" },	 { "f", "tick_t" },
		{ "g", "struct {...}" }, { "h", "volatile enum mode" },
	};
	struct foster_datasec *ds = spellings();

	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		struct foster_variable variable = FOSTER_VARIABLE_INIT;

		assert_int_equal(foster_datasec_find(ds, expected[i].name, &variable), 0);
		assert_string_equal(variable.type, expected[i].type);
	}
}

/* ------------------------------------------------------------------------------ lives */

/* No pointer is left in the frame of the caller. */
static NOINLINE struct mark keep_variable(void)
{
	kept = FOSTER_VAR(small_datasec(), __u64, hits);
	assert_non_null(kept);
	return mark_of(kept);
}

static NOINLINE struct mark keep_section(struct mark *memory)
{
	section = small_datasec();
	*memory = mark_of(FOSTER_VAR(section, __u64, hits));
	return mark_of(section);
}

TEST(a_variable_keeps_the_memory_without_the_datasec)
{
	struct mark mark = keep_variable();

	forget();
	assert_stays(&mark);
	assert_int_equal(stats_now().regions, 1);
	FOSTER_WRITE(*(__u64 *)kept, 3);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 3);
}

TEST(a_datasec_keeps_its_memory)
{
	struct mark memory, mark = keep_section(&memory);

	forget();
	assert_stays(&memory);
	assert_stays(&mark);
	assert_non_null(FOSTER_VAR(section, __u64, hits));
}

TEST(a_name_keeps_the_datasec)
{
	struct foster_variable variable = FOSTER_VARIABLE_INIT;
	struct mark memory, mark = keep_section(&memory);

	assert_int_equal(foster_datasec_variable(section, 0, &variable), 0);
	kept = (void *)(uintptr_t)variable.name;
	section = NULL;
	memset(&variable, 0, sizeof(variable));
	forget();
	assert_stays(&mark);
	assert_string_equal(kept, "hits");
}

TEST(a_datasec_and_its_memory_go_together)
{
	struct mark memory, mark = keep_section(&memory);

	section = NULL;
	assert_goes(&mark);
	assert_goes(&memory);
	assert_int_equal(mapped_maps(), 0);
}

TEST(the_memory_goes_after_the_last_variable)
{
	struct mark mark = keep_variable();

	kept = NULL;
	assert_goes(&mark);
}

#define MANY 300

static NOINLINE void make_many(int fd, __u64 *volatile *pointers)
{
	for (int i = 0; i < MANY; i++) {
		pointers[i] = FOSTER_VAR(foster_datasec(fd), __u64, hits);
		assert_non_null(pointers[i]);
	}
}

static bool none_live(void *arg UNUSED)
{
	return stats_now().regions == 0;
}

TEST(many_datasecs_of_one_map_read_one_memory_and_go)
{
	static __u64 *volatile pointers[MANY];
	int fd = small_section(0);
	const __u64 value = 8;

	make_many(fd, pointers);
	kernel_puts(fd, 0, &value);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(FOSTER_READ(*pointers[i]), 8);
	memset((void *)(uintptr_t)pointers, 0, sizeof(pointers));
	forget();
	assert_true(collecting_until(none_live, NULL, ROUNDS));
	assert_int_equal(mapped_maps(), 0);
}

/*
 * ------------------------------------------------------------------------ threads, fork
 */

static _Atomic unsigned int wrong;

static void *look_up(void *arg)
{
	struct foster_datasec *ds = arg;

	for (int i = 0; i < 2000; i++) {
		if (!FOSTER_VAR(ds, __u64, packets_seen) ||
		    FOSTER_VAR(ds, __u32, packets_seen) || errno != EMSGSIZE ||
		    !strstr(foster_bpf_strerror(), "of 8 bytes"))
			wrong++;
	}
	return NULL;
}

TEST(any_number_of_threads_may_ask_at_once)
{
	struct foster_datasec *ds = named();
	pthread_t thread[8];

	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(look_up, ds);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(wrong, 0);
}

static void ask_in_child(void *arg)
{
	struct foster_datasec *ds = arg;
	__u64 *hits = FOSTER_VAR(ds, __u64, hits);

	child_check(hits);
	FOSTER_WRITE(*hits, FOSTER_READ(*hits) + 1);
	child_check(!FOSTER_VAR(ds, __u32, hits) && errno == EMSGSIZE);
}

TEST(the_child_of_fork_has_the_variables_and_their_memory)
{
	section = small_datasec();
	kept = FOSTER_VAR(section, __u64, hits);
	FOSTER_WRITE(*(__u64 *)kept, 41);
	assert_child_passes(ask_in_child, section);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 42);
}
