// SPDX-License-Identifier: BSD-2-Clause
/* foster_bpf_map(): what it maps and how, and how long the kernel's map lives. */
#include "support_bpf.h"

#include <grp.h>

static void *volatile kept;

/*
 * A map of one value of so many pages, mapped, its descriptor closed; one pointer in
 * *slot.
 */
static NOINLINE struct mark make_map_region(void *volatile *slot, size_t pages,
					    enum place place, __u32 *id)
{
	const size_t len = pages * page_size();
	int fd = array_map((__u32)len, 1, 0);
	void *base = foster_bpf_map(fd);
	struct mark mark;

	assert_non_null(base);
	*id = map_id(fd);
	assert_int_equal(close(fd), 0);
	pattern_fill(base, len);
	mark = mark_of(base);
	*slot = place_in(base, len, place);
	return mark;
}

/* --------------------------------------------------------------------- what is mapped */

TEST(what_the_kernel_stores_is_read_through_the_pointer)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	const __u64 value = 0x1122334455667788;
	__u64 *p = foster_bpf_map(fd);

	assert_non_null(p);
	kernel_puts(fd, 0, &value);
	assert_int_equal(FOSTER_READ(*p), value);
}

TEST(what_is_written_through_the_pointer_is_in_the_map)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	__u64 *p = foster_bpf_map(fd), value = 0;

	assert_non_null(p);
	FOSTER_WRITE(*p, 0x8877665544332211);
	kernel_gets(fd, 0, &value);
	assert_int_equal(value, 0x8877665544332211);
}

TEST(the_region_says_that_it_is_a_bpf_map)
{
	struct foster_info info = FOSTER_INFO_INIT;
	int fd = array_map(100, 1, 0);
	void *p = foster_bpf_map(fd);

	assert_non_null(p);
	assert_int_equal(foster_info(p, &info), 0);
	assert_ptr_equal(info.base, p);
	assert_int_equal(info.len, page_size());
	assert_int_equal(info.source, FOSTER_SOURCE_BPF_MAP);
	assert_int_equal(info.state, FOSTER_LIVE);
	assert_int_equal(info.prot, PROT_READ | PROT_WRITE);
}

TEST(values_begin_at_multiples_of_eight_bytes)
{
	enum { SIZE = 12, STRIDE = 16, ENTRIES = 1000 };
	int fd = array_map(SIZE, ENTRIES, 0);
	struct foster_info info = FOSTER_INFO_INIT;
	char *p = foster_bpf_map(fd);

	assert_non_null(p);
	for (__u32 i = 0; i < ENTRIES; i++) {
		const __u32 value[3] = { i, ~i, i * i };

		kernel_puts(fd, i, value);
		assert_memory_equal(p + (size_t)i * STRIDE, value, SIZE);
	}
	assert_int_equal(foster_info(p, &info), 0);
	assert_int_equal(info.len, 4 * page_size());
}

static void assert_last_byte_is_there(size_t bytes, size_t mapped)
{
	int fd = array_map((__u32)bytes, 1, 0);
	char *p = foster_bpf_map(fd), *copy = malloc(bytes);
	struct foster_info info = FOSTER_INFO_INIT;

	assert_non_null(p);
	assert_non_null(copy);
	p[bytes - 1] = 'z';
	kernel_gets(fd, 0, copy);
	assert_int_equal(copy[bytes - 1], 'z');
	assert_int_equal(foster_info(p, &info), 0);
	assert_int_equal(info.len, mapped);
	free(copy);
}

TEST(the_last_byte_of_a_value_of_whole_pages_is_there)
{
	assert_last_byte_is_there(3 * page_size(), 3 * page_size());
}

TEST(a_value_one_byte_longer_than_a_page_has_two_pages)
{
	assert_last_byte_is_there(page_size() + 1, 2 * page_size());
}

TEST(each_page_of_a_long_map_is_its_own)
{
	enum { PAGES = 64 };
	const size_t len = PAGES * page_size();
	int fd = array_map((__u32)len, 1, 0);
	char *p = foster_bpf_map(fd), *copy = malloc(len);

	assert_non_null(p);
	assert_non_null(copy);
	pattern_fill(p, len);
	kernel_gets(fd, 0, copy);
	assert_true(pattern_holds(copy, len, 0));
	free(copy);
}

TEST(each_call_makes_a_region_of_its_own)
{
	struct foster_info first = FOSTER_INFO_INIT, second = FOSTER_INFO_INIT;
	int fd = array_map(sizeof(__u64), 1, 0);
	__u64 *p = foster_bpf_map(fd), *q = foster_bpf_map(fd);

	assert_non_null(p);
	assert_non_null(q);
	assert_ptr_not_equal(p, q);
	assert_int_equal(foster_info(p, &first), 0);
	assert_int_equal(foster_info(q, &second), 0);
	assert_int_not_equal(first.id, second.id);
	FOSTER_WRITE(*p, 5);
	assert_int_equal(FOSTER_READ(*q), 5);
}

TEST(a_success_leaves_the_reason_of_an_earlier_failure)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	char before[256];

	assert_null(foster_bpf_map(-1));
	snprintf(before, sizeof(before), "%s", foster_bpf_strerror());
	assert_non_null(foster_bpf_map(fd));
	assert_string_equal(foster_bpf_strerror(), before);
}

struct plain_map {
	int fd;
	unsigned int flags; /* of the region */
};

static void *map_on_this_thread(void *arg)
{
	struct plain_map *map = arg;
	struct foster_info info = FOSTER_INFO_INIT;
	__u64 *p = foster_bpf_map(map->fd);

	child_check(p);
	FOSTER_WRITE(*p, 77);
	child_check(foster_info(p, &info) == 0);
	map->flags = info.flags;
	child_check(foster_close(p) == 0);
	return NULL;
}

static void check_plain_thread(unsigned int flags)
{
	struct plain_map map = { array_map(sizeof(__u64), 1, 0), ~0u };
	__u64 value = 0;

	on_plain_thread(map_on_this_thread, &map);
	assert_int_equal(map.flags, flags);
	kernel_gets(map.fd, 0, &value);
	assert_int_equal(value, 77);
}

TEST(a_plain_thread_can_map)
{
	assert_int_equal(foster_init(NULL), 0);
	check_plain_thread(0);
}

TEST(without_the_sweep_what_a_plain_thread_maps_is_unseen)
{
	init_without_sweep();
	check_plain_thread(FOSTER_INFO_UNSEEN);
}

static void *map_and_end(void *arg)
{
	void *volatile slot;
	__u32 *id = arg;

	(void)make_map_region(&slot, 2, AT_BASE, id);
	return NULL;
}

TEST(what_a_plain_thread_mapped_goes_when_it_has_ended)
{
	__u32 id;

	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(map_and_end, &id);
	collect_times(ROUNDS);
	assert_int_equal(stats_now().regions, 0);
	assert_false(kernel_lists_map(id));
}

/* ------------------------------------------------------------------------- read-only */

static void write_a_byte(void *p)
{
	*(volatile char *)p = 1;
}

/* Mapped, readable, and a store is killed. */
static void assert_read_only(int fd)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct maps_line line;
	char *p = foster_bpf_map(fd);

	assert_non_null(p);
	assert_int_equal(foster_info(p, &info), 0);
	assert_int_equal(info.prot, PROT_READ);
	assert_true(maps_line_of(hidden_of(p), &line));
	assert_string_equal(line.perms, "r--s");
	assert_child_dies(SIGSEGV, write_a_byte, p);
}

TEST(a_writable_map_is_mapped_writable)
{
	struct maps_line line;
	int fd = array_map(sizeof(__u64), 1, 0);
	void *p = foster_bpf_map(fd);

	assert_non_null(p);
	assert_true(maps_line_of(hidden_of(p), &line));
	assert_string_equal(line.perms, "rw-s");
}

TEST(a_frozen_map_is_mapped_read_only)
{
	int fd = array_map(sizeof(__u64), 1, 0);

	assert_int_equal(bpf_map_freeze(fd), 0);
	assert_read_only(fd);
}

TEST(a_frozen_map_reads_what_it_held)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	const __u64 value = 4711;
	__u64 *p;

	kernel_puts(fd, 0, &value);
	assert_int_equal(bpf_map_freeze(fd), 0);
	p = foster_bpf_map(fd);
	assert_non_null(p);
	assert_int_equal(FOSTER_READ(*p), value);
}

TEST(a_map_read_only_for_programs_is_mapped_read_only)
{
	assert_read_only(array_map(sizeof(__u64), 1, BPF_F_RDONLY_PROG));
}

TEST(a_map_write_only_for_programs_is_mapped_writable)
{
	int fd = array_map(sizeof(__u64), 1, BPF_F_WRONLY_PROG);
	__u64 *p = foster_bpf_map(fd), value = 0;

	assert_non_null(p);
	FOSTER_WRITE(*p, 9);
	kernel_gets(fd, 0, &value);
	assert_int_equal(value, 9);
}

TEST(a_read_only_mapping_does_not_block_freezing)
{
	int fd = array_map(sizeof(__u64), 1, BPF_F_RDONLY_PROG);

	kept = foster_bpf_map(fd);
	assert_non_null(kept);
	assert_int_equal(bpf_map_freeze(fd), 0);
}

TEST(a_writable_mapping_blocks_freezing_until_it_is_closed)
{
	int fd = array_map(sizeof(__u64), 1, 0);

	kept = foster_bpf_map(fd);
	assert_non_null(kept);
	assert_int_equal(bpf_map_freeze(fd), -EBUSY);
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(bpf_map_freeze(fd), 0);
}

/* Maps, and leaves no pointer but the mark. */
static NOINLINE struct mark map_and_drop(int fd)
{
	void *volatile p = foster_bpf_map(fd);
	struct mark mark;

	assert_non_null(p);
	mark = mark_of(p);
	p = NULL;
	return mark;
}

TEST(a_writable_mapping_blocks_freezing_until_it_is_released)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	struct mark mark = map_and_drop(fd);

	assert_int_equal(bpf_map_freeze(fd), -EBUSY);
	assert_goes(&mark);
	assert_int_equal(bpf_map_freeze(fd), 0);
}

/* --------------------------------------------------------------------------- its life */

static struct mark assert_kept(size_t pages, enum place place)
{
	__u32 id;
	struct mark mark = make_map_region(&kept, pages, place, &id);

	assert_stays(&mark);
	assert_true(kernel_lists_map(id));
	return mark;
}

TEST(the_memory_outlives_the_descriptor)
{
	struct mark mark = assert_kept(3, AT_BASE);

	assert_true(mark_pattern_holds(&mark));
}

TEST(a_pointer_into_the_middle_keeps_the_map)
{
	struct mark mark = assert_kept(5, AT_MIDDLE);

	assert_true(mark_pattern_holds(&mark));
}

TEST(a_pointer_just_past_the_end_keeps_the_map)
{
	(void)assert_kept(5, AT_END);
}

TEST(dropping_the_last_pointer_ends_the_kernels_map)
{
	__u32 id;
	struct mark mark = make_map_region(&kept, 5, AT_MIDDLE, &id);

	kept = NULL;
	assert_goes(&mark);
	assert_int_equal(mapped_maps(), 0);
	assert_true(map_goes_soon(id));
}

TEST(a_descriptor_that_stays_open_keeps_the_map_but_not_the_mapping)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	struct mark mark = map_and_drop(fd);

	assert_goes(&mark);
	assert_int_equal(mapped_maps(), 0);
	assert_true(kernel_lists_map(map_id(fd)));
}

TEST(values_outlive_the_mapping_while_the_map_lives)
{
	const __u64 value = 31337;
	__u64 *again;
	int fd = array_map(sizeof(__u64), 1, 0);
	struct mark mark = map_and_drop(fd);

	kernel_puts(fd, 0, &value);
	assert_goes(&mark);
	again = foster_bpf_map(fd);
	assert_non_null(again);
	assert_int_equal(FOSTER_READ(*again), value);
}

TEST(close_ends_the_kernels_map_at_once)
{
	__u32 id;

	make_map_region(&kept, 2, AT_MIDDLE, &id);
	assert_true(kernel_lists_map(id));
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(mapped_maps(), 0);
	assert_true(map_goes_soon(id));
}

TEST(a_stale_pointer_after_close_faults)
{
	__u32 id;

	make_map_region(&kept, 2, AT_BASE, &id);
	assert_int_equal(foster_close(kept), 0);
	assert_child_dies(SIGSEGV, write_a_byte, kept);
}

TEST(many_maps_used_and_dropped_leave_none_behind)
{
	enum { MAPS = 300 };
	static __u32 ids[MAPS];
	size_t listed = 0;

	for (int i = 0; i < MAPS; i++) {
		void *volatile slot;

		make_map_region(&slot, 2, AT_MIDDLE, &ids[i]);
		slot = NULL;
	}
	collect_times(ROUNDS);
	map_goes_soon(ids[MAPS / 2]);
	for (int i = 0; i < MAPS; i++)
		listed += kernel_lists_map(ids[i]);
	/* A word that looks like a pointer may keep one for a while. */
	assert_true(listed <= 2);
	assert_true(mapped_maps() <= 2);
}

/* ------------------------------------------------------------------ the child of fork */

static void child_writes(void *p)
{
	child_check(FOSTER_READ(*(__u64 *)p) == 1);
	FOSTER_WRITE(*(__u64 *)p, 2);
}

TEST(the_child_of_fork_has_the_same_memory)
{
	__u64 *p = foster_bpf_map(array_map(sizeof(__u64), 1, 0));

	assert_non_null(p);
	FOSTER_WRITE(*p, 1);
	assert_child_passes(child_writes, p);
	assert_int_equal(FOSTER_READ(*p), 2);
}

static void child_closes(void *p)
{
	child_check(foster_close(p) == 0);
	child_check(mapped_maps() == 0);
}

TEST(a_close_in_the_child_leaves_the_parents_mapping)
{
	__u64 *p = foster_bpf_map(array_map(sizeof(__u64), 1, 0));

	assert_non_null(p);
	FOSTER_WRITE(*p, 3);
	assert_child_passes(child_closes, p);
	assert_int_equal(mapped_maps(), 1);
	assert_int_equal(FOSTER_READ(*p), 3);
}

static void child_maps(void *fd)
{
	__u64 *p = foster_bpf_map(*(int *)fd);

	child_check(p);
	FOSTER_WRITE(*p, 4);
}

TEST(the_child_of_fork_can_map_an_inherited_descriptor)
{
	int fd = array_map(sizeof(__u64), 1, 0);
	__u64 *p = foster_bpf_map(fd);

	assert_non_null(p);
	assert_child_passes(child_maps, &fd);
	assert_int_equal(FOSTER_READ(*p), 4);
}

/* ------------------------------------------------------------------------ permissions */

/* Status 2: the kernel of this machine lets nobody ask without rights (before 6.0). */
static void child_maps_without_rights(void *fd)
{
	__u64 *p;

	child_check(setgroups(0, NULL) == 0);
	child_check(setresgid(65534, 65534, 65534) == 0);
	child_check(setresuid(65534, 65534, 65534) == 0);
	p = foster_bpf_map(*(int *)fd);
	if (!p && errno == EPERM)
		_exit(2);
	child_check(p);
	FOSTER_WRITE(*p, 5);
}

TEST(a_process_without_rights_can_map_a_descriptor_that_it_was_given)
{
	int fd = array_map(sizeof(__u64), 1, 0), status;
	__u64 value = 0;

	if (geteuid() != 0)
		test_skip("needs root to give up its rights");
	status = child_status(child_maps_without_rights, &fd);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		test_skip("this kernel tells of maps to the privileged only");
	assert_int_equal(WEXITSTATUS(status), 0);
	kernel_gets(fd, 0, &value);
	assert_int_equal(value, 5);
}
