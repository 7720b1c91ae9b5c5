// SPDX-License-Identifier: BSD-2-Clause
/* Maps made or the test skipped, and what the kernel lists: see support_bpf.h. */
#include "support_bpf.h"

void skip_without_bpf(int error, const char *what)
{
	if (error == -EPERM || error == -ENOSYS)
		test_skip("BPF is not permitted here: %s: %s", what, strerror(-error));
}

void assert_given(const void *p)
{
	if (!p)
		test_say("%s", foster_bpf_strerror());
	assert_non_null(p);
}

void *loaded_or_skipped(void *skeleton)
{
	if (!skeleton)
		skip_without_bpf(-errno, "a program");
	assert_non_null(skeleton);
	return skeleton;
}

int run_on_packet(int program)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet));

	return bpf_prog_test_run_opts(program, &opts);
}

void run_syscall(const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	assert_int_equal(opts.retval, 0);
}

int array_map(__u32 value_size, __u32 entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test_array", sizeof(__u32),
				value_size, entries, &opts);

	skip_without_bpf(fd, "an array map");
	assert_true(fd >= 0);
	return fd;
}

int arena_map(void *addr, __u32 pages)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE,
		    .map_extra = (__u64)(uintptr_t)addr);
	int fd = bpf_map_create((enum bpf_map_type)MAP_TYPE_ARENA, "test_arena", 0, 0,
				pages, &opts);

	skip_without_bpf(fd, "an arena");
	if (fd == -EINVAL || fd == -EOPNOTSUPP)
		test_skip("this kernel has no arenas");
	assert_true(fd >= 0);
	return fd;
}

#define HOLE ((size_t)1 << 30)

void *free_address(void)
{
	char *p = mmap(NULL, HOLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	munmap(p, HOLE);
	return p + HOLE / 2;
}

int small_program(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "small", "Dual BSD/GPL",
			       insns, COUNT_OF(insns), NULL);

	skip_without_bpf(fd, "a program");
	assert_true(fd >= 0);
	return fd;
}

void kernel_puts(int map, __u32 key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(map, &key, value, BPF_ANY), 0);
}

void kernel_gets(int map, __u32 key, void *value)
{
	assert_int_equal(bpf_map_lookup_elem(map, &key, value), 0);
}

__u32 map_id(int map)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &size), 0);
	assert_true(info.id != 0);
	return info.id;
}

bool kernel_lists_map(__u32 id)
{
	int fd = bpf_map_get_fd_by_id(id);

	if (fd == -EPERM)
		test_skip("maps cannot be asked for by number without CAP_SYS_ADMIN");
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool kernel_forgot_map(void *id)
{
	return !kernel_lists_map(*(__u32 *)id);
}

bool map_goes_soon(__u32 id)
{
	return wait_until(kernel_forgot_map, &id, 2000);
}

size_t mapped_maps(void)
{
	return maps_count_named("anon_inode:bpf-map");
}

void assert_refused(int error, int fd, const char *words)
{
	const uint64_t mapped = stats_now().mapped;
	size_t open_before;

	/* Foster's own descriptor is there from its start. */
	assert_int_equal(foster_init(NULL), 0);
	open_before = fd_count();
	assert_null_with(error, foster_bpf_map(fd));
	if (!strstr(foster_bpf_strerror(), words))
		test_say("the reason is \"%s\", without \"%s\"", foster_bpf_strerror(),
			 words);
	assert_non_null(strstr(foster_bpf_strerror(), words));
	assert_int_equal(mapped_maps(), 0);
	assert_int_equal(stats_now().mapped, mapped);
	assert_int_equal(fd_count(), open_before);
}
