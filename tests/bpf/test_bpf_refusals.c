// SPDX-License-Identifier: BSD-2-Clause
/*
 * foster_bpf_map(): what it refuses, with which errno and reason, and that nothing
 * changes.
 */
#include "support_bpf.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "bpf/map.h"

/* ----------------------------------------------------------------- other kinds of map */

/* The type is newer than the headers of some systems. */

struct recipe {
	const char *name; /* as the reason gives it */
	__u32 type;
	__u32 key, value, entries, flags;
	bool common; /* every kernel with BPF_F_MMAPABLE (5.5) makes it */
};

static const struct recipe recipes[] = {
	{ "hash", BPF_MAP_TYPE_HASH, 4, 8, 4, 0, true },
	{ "prog_array", BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4, 0, true },
	{ "perf_event_array", BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4, 0, true },
	{ "percpu_hash", BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 4, 0, true },
	{ "percpu_array", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4, 0, true },
	{ "stack_trace", BPF_MAP_TYPE_STACK_TRACE, 4, 8, 4, 0, false },
	{ "cgroup_array", BPF_MAP_TYPE_CGROUP_ARRAY, 4, 4, 4, 0, false },
	{ "lru_hash", BPF_MAP_TYPE_LRU_HASH, 4, 8, 4, 0, true },
	{ "lru_percpu_hash", BPF_MAP_TYPE_LRU_PERCPU_HASH, 4, 8, 4, 0, true },
	{ "lpm_trie", BPF_MAP_TYPE_LPM_TRIE, 8, 8, 4, BPF_F_NO_PREALLOC, true },
	{ "devmap", BPF_MAP_TYPE_DEVMAP, 4, 4, 4, 0, false },
	{ "sockmap", BPF_MAP_TYPE_SOCKMAP, 4, 4, 4, 0, false },
	{ "cpumap", BPF_MAP_TYPE_CPUMAP, 4, 4, 4, 0, false },
	{ "xskmap", BPF_MAP_TYPE_XSKMAP, 4, 4, 4, 0, false },
	{ "sockhash", BPF_MAP_TYPE_SOCKHASH, 4, 4, 4, 0, false },
	{ "reuseport_sockarray", BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 4, 0, false },
	{ "queue", BPF_MAP_TYPE_QUEUE, 0, 8, 4, 0, true },
	{ "stack", BPF_MAP_TYPE_STACK, 0, 8, 4, 0, true },
	{ "devmap_hash", BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 4, 0, false },
	{ "bloom_filter", BPF_MAP_TYPE_BLOOM_FILTER, 0, 8, 4, 0, false },
	{ "user_ringbuf", BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 1 << 16, 0, false },
};

static int make(const struct recipe *recipe)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = recipe->flags);

	return bpf_map_create(recipe->type, "other", recipe->key, recipe->value,
			      recipe->entries, &opts);
}

static void assert_type_refused(const struct recipe *recipe)
{
	char words[64];
	int fd = make(recipe);

	if (recipe->common)
		skip_without_bpf(fd, recipe->name);
	if (fd < 0 && !recipe->common)
		return;
	assert_true(fd >= 0);
	snprintf(words, sizeof(words), "is of type %s (%u), not", recipe->name,
		 recipe->type);
	assert_refused(ENOTSUP, fd, words);
	close(fd);
}

TEST(maps_of_other_types_are_refused_by_the_name_of_the_type)
{
	for (size_t i = 0; i < COUNT_OF(recipes); i++)
		assert_type_refused(&recipes[i]);
}

/* What a queue holds must not be taken out by looking whether it is a map. */
TEST(a_refused_queue_still_holds_what_it_held)
{
	const struct recipe queue = { "queue", BPF_MAP_TYPE_QUEUE, 0, 8, 4, 0, true };
	const __u64 put = 12;
	__u64 got = 0;
	int fd = make(&queue);

	skip_without_bpf(fd, "a queue");
	assert_int_equal(bpf_map_update_elem(fd, NULL, &put, BPF_ANY), 0);
	assert_refused(ENOTSUP, fd, "queue");
	assert_int_equal(bpf_map_lookup_and_delete_elem(fd, NULL, &got), 0);
	assert_int_equal(got, put);
}

TEST(a_map_of_maps_is_refused)
{
	const int inner = array_map(8, 1, 0);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .inner_map_fd = (__u32)inner);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "outer", 4, 4, 1, &opts);

	assert_true(fd >= 0);
	assert_refused(ENOTSUP, fd, "of type array_of_maps (12)");
}

TEST(an_array_made_without_the_mmapable_flag_is_refused)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "plain", 4, 8, 1, NULL);

	skip_without_bpf(fd, "an array map");
	assert_refused(ENOTSUP, fd,
		       "array map \"plain\" was made without BPF_F_MMAPABLE");
}

TEST(a_descriptor_opened_for_writing_only_is_refused)
{
	assert_refused(EACCES, array_map(8, 1, BPF_F_WRONLY),
		       "was not opened for reading and");
}

/* The kernel maps none: a shared mapping of it would have to be private. */
TEST(a_descriptor_opened_for_reading_only_is_refused)
{
	assert_refused(EACCES, array_map(8, 1, BPF_F_RDONLY),
		       "was not opened for reading and");
}

TEST(an_unknown_type_of_map_has_a_question_mark_for_a_name)
{
	assert_string_equal(map_type_name(12345), "?");
}

/* --------------------------------------------------------------------------- lengths */

static int length_of(__u32 value_size, __u32 entries, size_t *len)
{
	struct bpf_map_info info = { 0 };

	info.value_size = value_size;
	info.max_entries = entries;
	memcpy(info.name, "long", 5);
	return map_length(&info, len);
}

TEST(a_length_is_that_of_values_rounded_up_to_eight)
{
	size_t len = 0;

	assert_int_equal(length_of(1, 1, &len), 0);
	assert_int_equal(len, 8);
	assert_int_equal(length_of(8, 3, &len), 0);
	assert_int_equal(len, 24);
	assert_int_equal(length_of(9, 3, &len), 0);
	assert_int_equal(len, 48);
}

TEST(a_length_just_below_a_gibibyte_passes)
{
	size_t len = 0;

	assert_int_equal(length_of((1u << 30) - 8, 1, &len), 0);
	assert_int_equal(len, (1u << 30) - 8);
}

TEST(a_length_of_more_than_a_gibibyte_passes)
{
	size_t len = 7;

	assert_int_equal(length_of(1u << 10, 3u << 20, &len), 0);
	assert_int_equal(len, (size_t)3 << 30);
}

TEST(a_length_that_does_not_fit_32_bits_is_not_cut)
{
	size_t len = 0;

	assert_int_equal(length_of(1u << 16, 1u << 16, &len), 0);
	assert_int_equal(len, (size_t)1 << 32);
	assert_int_equal(length_of((1u << 16) + 8, 1u << 16, &len), 0);
	assert_int_equal(len, ((size_t)1 << 32) + (8 << 16));
	assert_int_equal(length_of(UINT32_MAX, 1, &len), 0);
	assert_int_equal(len, (size_t)1 << 32);
}

TEST(a_length_of_more_than_there_are_addresses_is_refused)
{
	size_t len = 7;

	assert_int_equal(length_of(UINT32_MAX, UINT32_MAX, &len), -ENOTSUP);
	assert_int_equal(length_of(1u << 31, 1u << 16, &len), -ENOTSUP);
	assert_int_equal(len, 7);
	assert_non_null(strstr(foster_bpf_strerror(), "more than there are addresses"));
}

/* --------------------------------------------------------------- descriptors at large */

TEST(a_negative_descriptor_is_bad)
{
	assert_refused(EBADF, -1, "descriptor -1 is not open");
	assert_refused(EBADF, INT_MIN, "is not open");
}

TEST(a_closed_descriptor_is_bad)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	assert_refused(EBADF, fd, "is not open");
}

TEST(a_file_is_not_a_map)
{
	assert_refused(EINVAL, pattern_memfd(page_size(), 0), "is not a BPF map");
}

TEST(a_folder_is_not_a_map)
{
	assert_refused(EINVAL, open("/", O_RDONLY | O_DIRECTORY), "is not a BPF map");
}

TEST(a_descriptor_that_only_names_a_path_is_not_a_map)
{
	assert_refused(EINVAL, open("/", O_PATH), "is not a BPF map");
}

TEST(a_pipe_is_not_a_map)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_refused(EINVAL, ends[0], "is not a BPF map");
	assert_refused(EINVAL, ends[1], "is not a BPF map");
}

TEST(a_program_is_not_a_map)
{
	assert_refused(EINVAL, small_program(), "is not a BPF map");
}

TEST(btf_is_not_a_map)
{
	struct btf *btf = btf__new_empty();
	int r;

	assert_non_null(btf);
	assert_true(btf__add_int(btf, "int", 4, BTF_INT_SIGNED) > 0);
	r = btf__load_into_kernel(btf);
	skip_without_bpf(r, "BTF");
	assert_int_equal(r, 0);
	assert_refused(EINVAL, btf__fd(btf), "is not a BPF map");
	btf__free(btf);
}

/* In a network of its own, so that nobody else's packets meet the program. */
TEST(a_link_is_not_a_map)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const int loopback = 1;
	int prog, link;

	if (unshare(CLONE_NEWNET) < 0)
		test_skip("no network of its own: %s", strerror(errno));
	prog = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "Dual BSD/GPL", insns,
			     COUNT_OF(insns), NULL);
	skip_without_bpf(prog, "a program");
	assert_true(prog >= 0);
	link = bpf_link_create(prog, loopback, BPF_XDP, NULL);
	if (link < 0)
		test_skip("no link can be made here: %s", strerror(-link));
	assert_refused(EINVAL, link, "is not a BPF map");
}

/* ---------------------------------------------------------------------------- reasons */

TEST(the_reason_is_empty_before_the_first_failure)
{
	assert_string_equal(foster_bpf_strerror(), "");
}

static void *fail_on_this_thread(void *arg UNUSED)
{
	assert_string_equal(foster_bpf_strerror(), "");
	assert_null(foster_bpf_map(-2));
	assert_string_equal(foster_bpf_strerror(), "descriptor -2 is not open");
	return NULL;
}

TEST(each_thread_has_its_own_reason)
{
	assert_null(foster_bpf_map(-1));
	on_plain_thread(fail_on_this_thread, NULL);
	assert_string_equal(foster_bpf_strerror(), "descriptor -1 is not open");
}

TEST(the_reason_names_the_map)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "sessions", 4, 8, 4, NULL);

	skip_without_bpf(fd, "a hash map");
	assert_refused(ENOTSUP, fd, "map \"sessions\" is of type hash (1)");
}

TEST(a_reason_has_one_line_without_a_full_stop)
{
	const char *reason;

	assert_null(foster_bpf_map(-1));
	reason = foster_bpf_strerror();
	assert_null(strchr(reason, '\n'));
	assert_int_not_equal(reason[strlen(reason) - 1], '.');
}
