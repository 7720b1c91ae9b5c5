// SPDX-License-Identifier: BSD-2-Clause
/*
 * Variables of programs in an arena: of programs that the test writes itself, at the
 * beginning and at the end, and of one that clang and libbpf have made (bpf/shelf.bpf.c).
 */
#include "support_btf.h"

#include <linux/types.h>

#include "shelf.h"

#define PAGES 4
#define SECTION ".addr_space.1"

/* The one pointer of the test into the arena. */
static const void *volatile kept;

static int new_arena(void)
{
	return arena_map(free_address(), PAGES);
}

/* ------------------------------------------------------------ programs of the test's own */

/* What libbpf loads: a function, and variables in a section of the arena. */
struct globals_draft {
	struct btf *btf;
	int function;
	const char *section;
	__u32 bytes; /* of the section */
};

/* "hits" at its beginning, "level" at its end. */
static struct globals_draft draft_of(const char *section, __u32 bytes)
{
	struct globals_draft draft = {
		.btf = btf__new_empty(),
		.section = section,
		.bytes = bytes,
	};
	int wide, narrow, proto, hits, level;

	assert_non_null(draft.btf);
	libbpf_set_print(NULL);
	wide = btf__add_int(draft.btf, "__u64", 8, 0);
	narrow = btf__add_int(draft.btf, "__s32", 4, BTF_INT_SIGNED);
	proto = btf__add_func_proto(draft.btf, narrow);
	draft.function = btf__add_func(draft.btf, "user", BTF_FUNC_GLOBAL, proto);
	hits = btf__add_var(draft.btf, "hits", BTF_VAR_GLOBAL_ALLOCATED, wide);
	level = btf__add_var(draft.btf, "level", BTF_VAR_GLOBAL_ALLOCATED, narrow);
	assert_true(btf__add_datasec(draft.btf, section, bytes) > 0);
	assert_int_equal(btf__add_datasec_var_info(draft.btf, hits, 0, 8), 0);
	assert_int_equal(btf__add_datasec_var_info(draft.btf, level, bytes - 4, 4), 0);
	return draft;
}

static void load_btf(const struct globals_draft *draft)
{
	int r = btf__load_into_kernel(draft->btf);

	skip_without_bpf(r, "BTF");
	assert_int_equal(r, 0);
}

/* A program that refers to these two places of the arena; btf may be NULL. */
static int program(int arena, __u32 first, __u32 last, const struct globals_draft *draft)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = 1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = arena },
		{ .imm = (__s32)first },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = 1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = arena },
		{ .imm = (__s32)last },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_func_info func = { .type_id = draft ? (__u32)draft->function : 0 };
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int fd;

	if (draft) {
		opts.prog_btf_fd = (__u32)btf__fd(draft->btf);
		opts.func_info = &func;
		opts.func_info_cnt = 1;
		opts.func_info_rec_size = sizeof(func);
	}
	fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "user", "Dual BSD/GPL", insns,
			   COUNT_OF(insns), &opts);
	skip_without_bpf(fd, "a program");
	if (fd < 0)
		test_say("no program: %s", strerror(-fd));
	assert_true(fd >= 0);
	return fd;
}

/* With BTF of a section of so many bytes. */
static int program_with(int arena, __u32 first, __u32 last, const char *section,
			__u32 bytes)
{
	struct globals_draft draft = draft_of(section, bytes);
	int fd;

	load_btf(&draft);
	fd = program(arena, first, last, &draft);
	btf__free(draft.btf);
	return fd;
}

/* The same, of a section that begins there. */
static int program_of(int arena, __u64 place, __u32 bytes)
{
	return program_with(arena, (__u32)place, (__u32)place + bytes - 4, SECTION,
			    bytes);
}

static struct foster_datasec *datasec(int arena)
{
	struct foster_datasec *ds = foster_datasec(arena);

	assert_given(ds);
	return ds;
}

static void find_at(__u64 place, __u32 bytes)
{
	struct foster_datasec_info info = FOSTER_DATASEC_INFO_INIT;
	int arena = new_arena(), user;
	char *base = foster_bpf_map(arena);
	struct foster_datasec *ds;

	assert_non_null(base);
	user = program_of(arena, place, bytes);
	ds = datasec(arena);
	assert_ptr_equal(FOSTER_VAR(ds, __u64, hits), base + place);
	assert_ptr_equal(FOSTER_VAR(ds, __s32, level), base + place + bytes - 4);
	assert_int_equal(foster_datasec_info(ds, &info), 0);
	assert_string_equal(info.name, SECTION);
	assert_ptr_equal(info.base, base + place);
	assert_int_equal(info.bytes, bytes);
	assert_int_equal(info.variables, 2);
	assert_int_equal(info.map_id, map_id(arena));
	close(user);
	close(arena);
}

TEST(variables_at_the_beginning_of_an_arena_are_found)
{
	find_at(0, 64);
	find_at(0, (__u32)page_size() + 8);
}

TEST(variables_in_the_last_pages_of_an_arena_are_found)
{
	find_at((PAGES - 1) * page_size(), 64);
	find_at((PAGES - 2) * page_size(), (__u32)page_size() + 8);
}

TEST(variables_that_fill_an_arena_are_found)
{
	find_at(0, (__u32)(PAGES * page_size()));
}

TEST(types_of_variables_in_an_arena_are_compared)
{
	int arena = new_arena(), user = program_of(arena, 0, 64);
	struct foster_datasec *ds = datasec(arena);

	assert_refuses(EMSGSIZE, "hits", FOSTER_VAR(ds, __u32, hits));
	assert_refuses(EDOM, "level", FOSTER_VAR(ds, __u32, level));
	assert_refuses(ENOENT, "hits", FOSTER_VAR(ds, __u64, hit));
	close(user);
	close(arena);
}

static NOINLINE struct mark keep_variable(int arena, int user)
{
	__u64 *hits = FOSTER_VAR(datasec(arena), __u64, hits);

	assert_non_null(hits);
	*hits = 7;
	kept = hits;
	close(user);
	return mark_of(hits);
}

TEST(a_variable_keeps_its_arena_without_program_and_descriptor)
{
	int arena = new_arena();
	const __u32 id = map_id(arena);
	struct mark mark =
		keep_variable(arena, program_of(arena, (PAGES - 1) * page_size(), 64));

	close(arena);
	assert_stays(&mark);
	assert_int_equal(*(const __u64 *)kept, 7);
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
}

static void look_in_child(void *arg)
{
	const __u64 *hits = FOSTER_VAR(foster_datasec(*(int *)arg), const __u64, hits);

	child_check(hits);
	child_check(*hits == 5);
}

TEST(another_process_finds_the_variables)
{
	int arena = new_arena(), user = program_of(arena, 0, 64);

	*FOSTER_VAR(datasec(arena), __u64, hits) = 5;
	assert_child_passes(look_in_child, &arena);
	close(user);
	close(arena);
}

/* ------------------------------------------------------------------------------ refused */

TEST(an_arena_that_no_program_uses_has_no_variables)
{
	int arena = new_arena();

	assert_refuses(ENODATA, "no program", foster_datasec(arena));
	close(arena);
}

TEST(a_program_without_btf_has_no_names)
{
	int arena = new_arena(), user = program(arena, 0, 8, NULL);

	assert_refuses(ENODATA, "no BTF", foster_datasec(arena));
	close(user);
	close(arena);
}

TEST(programs_of_two_objects_are_not_told_apart)
{
	int arena = new_arena(), one = program_of(arena, 0, 64),
	    two = program_of(arena, 0, 128);

	assert_refuses(ENOTUNIQ, "different objects", foster_datasec(arena));
	close(one);
	assert_non_null(datasec(arena));
	close(two);
	close(arena);
}

TEST(btf_without_the_section_has_no_variables)
{
	int arena = new_arena(), user = program_with(arena, 0, 8, ".data.other", 64);

	assert_refuses(ENODATA, SECTION, foster_datasec(arena));
	close(user);
	close(arena);
}

static void refuse_section(__u32 first, __u32 last, __u32 bytes, const char *words)
{
	int arena = new_arena(), user = program_with(arena, first, last, SECTION, bytes);

	assert_refuses(ENODATA, words, foster_datasec(arena));
	close(user);
	close(arena);
}

TEST(a_section_that_could_be_at_either_end_is_not_guessed)
{
	const __u32 page = (__u32)page_size();

	refuse_section(page, 3 * page - 4, 3 * page, "at which end");
}

TEST(variables_elsewhere_in_an_arena_are_not_found)
{
	const __u32 page = (__u32)page_size();

	refuse_section(page, 2 * page, 64, "not where");
	refuse_section(0, (PAGES - 1) * page, 64, "not where");
	refuse_section(0, 8, (PAGES + 1) * page, "not where");
}

/* ------------------------------------------------------------------- of clang and libbpf */

#define OBJECT "bpf/shelf.bpf.o"

static struct bpf_object *load_shelf(void)
{
	struct bpf_object *object;
	int r;

	if (access(OBJECT, R_OK) < 0)
		test_skip("no " OBJECT " here: it takes a clang that knows arenas");
	libbpf_set_print(NULL);
	assert_int_equal(foster_init(NULL), 0);
	object = bpf_object__open_file(OBJECT, NULL);
	if (!object)
		test_skip("libbpf %s does not know variables in an arena",
			  libbpf_version_string());
	r = bpf_object__load(object);
	if (r < 0)
		test_skip("no such program with an arena can be loaded here: %s",
			  strerror(-r));
	return object;
}

static struct bpf_map *arena_of(const struct bpf_object *object)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, "arena");

	assert_non_null(map);
	return map;
}

static struct foster_datasec *shelf_of(const struct bpf_object *object)
{
	struct foster_datasec *ds = foster_datasec_of(arena_of(object));

	assert_given(ds);
	return ds;
}

TEST(variables_of_a_program_are_there_by_name_and_type)
{
	struct bpf_object *object = load_shelf();
	struct foster_datasec *ds = shelf_of(object);
	const struct tally *tally = FOSTER_VAR(
		ds, FOSTER_STRUCT(const struct tally, runs, books, last), tally);
	struct book *const *first = FOSTER_VAR(ds, struct book *const, first);
	size_t count = 0;
	const struct book *books = FOSTER_ARRAY(
		ds, FOSTER_STRUCT(const struct book, next, number), books, &count);

	assert_non_null(tally);
	assert_non_null(first);
	assert_non_null(books);
	assert_int_equal(count, SHELF_BOOKS);
	assert_int_equal(tally->last, -1); /* as in the source */
	run_syscall(bpf_object__next_program(object, NULL));
	assert_int_equal(tally->runs, 1);
	assert_int_equal(tally->books, SHELF_BOOKS);
	assert_int_equal(tally->last, SHELF_BOOKS - 1);
	assert_ptr_equal(*first, &books[SHELF_BOOKS - 1]);
	assert_int_equal(foster_bpf_object_close(object), 1);
}

static NOINLINE __u32 walk_half_and_close(void)
{
	struct bpf_object *object = load_shelf();
	const __u32 id = map_id(bpf_map__fd(arena_of(object)));
	const struct book *book;

	run_syscall(bpf_object__next_program(object, NULL));
	book = *FOSTER_VAR(shelf_of(object), struct book *const, first);
	for (int i = 0; i < SHELF_BOOKS / 2; i++)
		book = book->next;
	kept = book;
	assert_int_equal(foster_bpf_object_close(object), 1);
	return id;
}

TEST(an_object_is_closed_in_the_middle_of_a_walk_over_its_variables)
{
	__u32 id = walk_half_and_close();
	const struct book *book = kept;
	__u64 number = SHELF_BOOKS / 2;

	collect_times(ROUNDS);
	for (; book; book = book->next)
		assert_int_equal(book->number, --number);
	assert_int_equal(number, 0);
	assert_true(kernel_lists_map(id));
	kept = NULL;
	assert_map_goes(id);
}
