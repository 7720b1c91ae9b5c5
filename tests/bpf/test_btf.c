// SPDX-License-Identifier: BSD-2-Clause
/*
 * BTF that no kernel would load: cut, bent, endless and huge. It is refused, or answered,
 * in bounded time, and never read behind its end; memory of the exact size shows that
 * under sanitizers and valgrind.
 */
#include "support_btf.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../fuzz/walk.h"
#include "bpf/section.h"
#include "bpf/variable.h"

/* --------------------------------------------------------------------------- inputs */

struct input {
	uint8_t *data;
	size_t len;
};

/* A draft without a kernel: the section is the value type. */
static struct input input_of(struct draft *draft, __u32 bytes, const char *string)
{
	struct input input;
	__u32 head[2], len;
	int number[DRAFT_VARIABLES], section;
	const void *raw;

	for (size_t i = 0; i < draft->count; i++)
		number[i] = btf__add_var(draft->btf, draft->variable[i].name,
					 draft->variable[i].linkage,
					 draft->variable[i].type);
	section = btf__add_datasec(draft->btf, ".bss", bytes);
	for (size_t i = 0; i < draft->count; i++)
		btf__add_datasec_var_info(draft->btf, number[i],
					  draft->variable[i].offset,
					  draft->variable[i].bytes);
	head[0] = (__u32)section;
	head[1] = (__u32)btf__add_str(draft->btf, string);
	raw = btf__raw_data(draft->btf, &len);
	assert_non_null(raw);
	input.len = WALK_HEAD + len;
	input.data = malloc(input.len);
	assert_non_null(input.data);
	memcpy(input.data, head, WALK_HEAD);
	memcpy(input.data + WALK_HEAD, raw, len);
	btf__free(draft->btf);
	return input;
}

static struct btf_header *header_of(const struct input *input)
{
	return (void *)(input->data + WALK_HEAD);
}

/* The one variable "x", of 8 bytes and unsigned. */
static struct input simple(void)
{
	struct draft draft;

	draft_begin(&draft);
	draft_variable(&draft, "x", btf__add_int(draft.btf, "__u64", 8, 0), 0, 8);
	return input_of(&draft, 8, "x");
}

/* One variable "x" of the type. */
static struct input variable_of(struct draft *draft, int type)
{
	draft_variable(draft, "x", type, 0, 8);
	return input_of(draft, 8, "x");
}

static void assert_malformed(const struct input *input, const char *words)
{
	assert_int_equal(walk_btf(input->data, input->len).made, -EBADMSG);
	if (!strstr(foster_bpf_strerror(), words))
		test_say("the reason is \"%s\"", foster_bpf_strerror());
	assert_non_null(strstr(foster_bpf_strerror(), words));
}

/* ------------------------------------------------------------------------------ good */

TEST(good_btf_is_walked)
{
	const struct input input = simple();
	const struct walked walked = walk_btf(input.data, input.len);

	assert_int_equal(walked.made, 0);
	assert_int_equal(walked.variables, 1);
	assert_int_equal(walked.described, 1);
	assert_int_equal(walked.matched, 1);
}

/* ------------------------------------------------------------------------------- cut */

TEST(btf_cut_anywhere_is_refused_or_walked)
{
	const struct input input = simple();

	for (size_t len = WALK_HEAD; len < input.len; len++)
		assert_true(walk_btf(input.data, len).made < 0);
}

/* Each bit of a small one turned, one at a time. */
TEST(btf_with_any_bit_turned_is_refused_or_walked)
{
	const struct input input = simple();

	for (size_t bit = 0; bit < input.len * 8; bit++) {
		int made;

		input.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		made = walk_btf(input.data, input.len).made;
		assert_true(made == 0 || made == -EBADMSG || made == -ENOTSUP);
		input.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

TEST(a_header_that_makes_no_sense_is_refused)
{
	struct input input = simple();

	header_of(&input)->magic = 0x9fea;
	assert_malformed(&input, "its magic number and version");
	input = simple();
	header_of(&input)->version = 2;
	assert_malformed(&input, "its magic number and version");
	input = simple();
	header_of(&input)->hdr_len = 8;
	assert_malformed(&input, "the length of its header");
	input = simple();
	header_of(&input)->hdr_len = UINT32_MAX;
	assert_malformed(&input, "the length of its header");
}

TEST(parts_behind_the_end_are_refused)
{
	struct input input = simple();

	header_of(&input)->type_len += 4096;
	assert_malformed(&input, "a part is cut off");
	input = simple();
	header_of(&input)->type_off = UINT32_MAX - 3;
	assert_malformed(&input, "a part is cut off");
	input = simple();
	header_of(&input)->str_len = UINT32_MAX;
	assert_malformed(&input, "a part is cut off");
	input = simple();
	header_of(&input)->str_off = UINT32_MAX;
	assert_malformed(&input, "a part is cut off");
}

TEST(types_between_words_are_refused)
{
	struct input input = simple();

	header_of(&input)->type_off = 2;
	header_of(&input)->type_len -= 4;
	assert_malformed(&input, "not aligned");
	input = simple();
	header_of(&input)->type_len -= 1;
	assert_malformed(&input, "not aligned");
}

TEST(strings_that_do_not_end_are_refused)
{
	struct input input = simple();

	header_of(&input)->str_len -= 1;
	assert_malformed(&input, "its last string does not end");
	input = simple();
	header_of(&input)->str_len = 0;
	assert_malformed(&input, "no strings");
}

TEST(a_type_of_a_kind_to_come_is_unsupported)
{
	struct input input = simple();
	struct btf_type *type = (void *)(header_of(&input) + 1);

	type->info = 31u << 24;
	assert_int_equal(walk_btf(input.data, input.len).made, -ENOTSUP);
	assert_non_null(
		strstr(foster_bpf_strerror(), "kind 31, newer than this library"));
	type->info = 0;
	assert_malformed(&input, "a type of no kind");
}

TEST(more_members_than_there_are_bytes_are_refused)
{
	struct draft draft;
	struct input input;
	struct btf_type *type;

	draft_begin(&draft);
	input = variable_of(&draft, btf__add_struct(draft.btf, "s", 8));
	type = (void *)(header_of(&input) + 1);
	type->info |= 0xffff;
	assert_malformed(&input, "cut off");
}

TEST(a_section_of_what_are_no_variables_is_refused)
{
	struct input input = simple();
	__u32 *entry;

	/* int: 4 words; variable: 4; the section: 3, then its entries */
	entry = (__u32 *)(header_of(&input) + 1) + 11;
	for (__u32 type = 0; type < 6; type++) {
		entry[0] = type == 2 ? UINT32_MAX : type;
		assert_malformed(&input, "something that is no variable");
	}
}

/* -------------------------------------------------------------------------- endless */

static void assert_makes_no_sense(struct input input)
{
	const struct walked walked = walk_btf(input.data, input.len);

	assert_int_equal(walked.made, 0);
	assert_int_equal(walked.variables, 1);
	assert_int_equal(walked.described, 0);
	assert_int_equal(walked.matched, 0);
}

TEST_WITHIN(names_that_go_round_end, 10)
{
	struct draft draft;
	int round;

	draft_begin(&draft);
	round = btf__add_typedef(draft.btf, "round", 2);
	assert_int_equal(round, 1);
	assert_int_equal(btf__add_const(draft.btf, round), 2);
	assert_makes_no_sense(variable_of(&draft, round));
}

TEST_WITHIN(an_array_of_itself_ends, 10)
{
	struct draft draft;
	int u32;

	draft_begin(&draft);
	u32 = btf__add_int(draft.btf, "__u32", 4, 0);
	assert_makes_no_sense(variable_of(&draft, btf__add_array(draft.btf, u32, 2, 1)));
}

/* Unnamed structs of which each has the same one twice: 2^16 ways to go down. */
TEST_WITHIN(structs_that_hold_themselves_end, 10)
{
	struct draft draft;
	struct input input;
	struct walked walked;
	int id;

	draft_begin(&draft);
	id = btf__add_struct(draft.btf, NULL, 24);
	for (int i = 0; i < 3; i++)
		btf__add_field(draft.btf, NULL, 1, 0, 0);
	input = variable_of(&draft, id);
	walked = walk_btf(input.data, input.len);
	assert_int_equal(walked.made, 0);
	assert_int_equal(walked.matched, 0);
}

TEST(sizes_that_do_not_fit_64_bits_make_no_sense)
{
	struct draft draft;
	int u64, id;

	draft_begin(&draft);
	id = u64 = btf__add_int(draft.btf, "__u64", 8, 0);
	for (int i = 0; i < 4; i++)
		id = btf__add_array(draft.btf, u64, id, UINT32_MAX);
	assert_makes_no_sense(variable_of(&draft, id));
}

/* ----------------------------------------------------------------------------- names */

TEST(a_variable_without_a_name_is_told_but_not_found)
{
	struct input input = simple();
	struct walked walked;
	struct btf_type *variable = (void *)((__u32 *)(header_of(&input) + 1) + 4);

	variable->name_off = 0;
	walked = walk_btf(input.data, input.len);
	assert_int_equal(walked.described, 1);
	variable->name_off = UINT32_MAX;
	walked = walk_btf(input.data, input.len);
	assert_int_equal(walked.described, 1);
}

/* ------------------------------------------------------------------------------ many */

/* As many as BTF has room for in one section, behind 10^5 types. */
#define MOST 65535

static struct section_plan plan_of_most(void **raw_copy)
{
	struct btf *btf = btf__new_empty();
	int u64 = btf__add_int(btf, "__u64", 8, 0), section;
	struct section_plan plan;
	const void *raw;
	char name[16];
	__u32 len;

	for (int i = 0; i < MOST; i++) {
		snprintf(name, sizeof(name), "variable_%d", i);
		assert_int_equal(btf__add_var(btf, name, BTF_VAR_GLOBAL_ALLOCATED, u64),
				 i + 2);
	}
	for (int i = MOST; i < 100000; i++)
		btf__add_const(btf, u64);
	section = btf__add_datasec(btf, ".bss", MOST * 8);
	for (__u32 i = 0; i < MOST; i++)
		btf__add_datasec_var_info(btf, (int)i + 2, i * 8, 8);
	raw = btf__raw_data(btf, &len);
	assert_non_null(raw);
	*raw_copy = malloc(len);
	memcpy(*raw_copy, raw, len);
	btf__free(btf);
	assert_int_equal(section_plan(*raw_copy, len, (__u32)section, "most", &plan), 0);
	return plan;
}

TEST_WITHIN(as_many_variables_as_btf_can_have_are_found, 30)
{
	const struct section_source source = { .bytes = MOST * 8, .prot = PROT_READ };
	const struct variable *variable;
	struct section section;
	void *raw;
	struct section_plan plan = plan_of_most(&raw);
	struct foster_datasec *ds = section_make(&plan, &source, calloc(1, plan.bytes));
	char name[16];

	assert_int_equal(section_open(ds, &section), 0);
	assert_int_equal(section.count, MOST);
	for (__u32 i = 0; i < MOST; i++) {
		snprintf(name, sizeof(name), "variable_%u", i);
		assert_int_equal(variable_find(&section, name, &variable), 0);
		assert_int_equal(variable->offset, i * 8);
	}
	assert_int_equal(variable_find(&section, "variable_x", &variable), -ENOENT);
	assert_non_null(strstr(foster_bpf_strerror(), "is the nearest"));
	section_plan_clear(&plan);
	free(raw);
}

/* ---------------------------------------------------------------------------- corpus */

static void walk_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	uint8_t *data;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &stat), 0);
	data = malloc((size_t)stat.st_size);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)stat.st_size), stat.st_size);
	(void)walk_btf(data, (size_t)stat.st_size);
	free(data);
	close(fd);
}

TEST_WITHIN(the_corpus_of_the_fuzzer_is_walked, 60)
{
	const char *top = getenv("top_srcdir");
	char path[PATH_MAX];
	struct dirent *entry;
	size_t files = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus", top ? top : ".");
	dir = opendir(path);
	if (!dir)
		test_skip("no %s", path);
	while ((entry = readdir(dir))) {
		char file[PATH_MAX + 256];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		walk_file(file);
		files++;
	}
	closedir(dir);
	assert_true(files > 0);
}
