// SPDX-License-Identifier: BSD-2-Clause
/*
 * Values of array maps by their number and memory by its offset: FOSTER_ELEM(),
 * FOSTER_AT().
 */
#include "support_btf.h"

#include <malloc.h>

static void *volatile kept;

struct slot {
	__u64 hits;
	__u32 bytes;
};

#define SLOT FOSTER_STRUCT(struct slot, hits, bytes)

static int add_slot(struct draft *draft)
{
	const int u64 = btf__add_int(draft->btf, "__u64", 8, 0);
	const int u32 = btf__add_int(draft->btf, "__u32", 4, 0);
	const int id = btf__add_struct(draft->btf, "slot", 16);

	btf__add_field(draft->btf, "hits", u64, 0, 0);
	btf__add_field(draft->btf, "bytes", u32, 64, 0);
	return id;
}

static int slots(__u32 count, __u32 flags)
{
	struct draft draft;

	draft_begin(&draft);
	return draft_array(&draft, add_slot(&draft), 16, count, flags);
}

/* Values of 4 bytes, each at a multiple of 8. */
static int words(__u32 count)
{
	struct draft draft;

	draft_begin(&draft);
	return draft_array(&draft, btf__add_int(draft.btf, "__u32", 4, 0), 4, count, 0);
}

static void *mapped(int fd)
{
	void *p = foster_bpf_map(fd);

	assert_non_null(p);
	return p;
}

/* ------------------------------------------------------------------------------- told */

TEST(a_pointer_tells_the_map_it_points_into)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;
	int fd = words(5);
	char *p = mapped(fd);

	assert_int_equal(foster_bpf_map_info(p + 9, &info), 0);
	assert_ptr_equal(info.base, p);
	assert_int_equal(info.count, 5);
	assert_int_equal(info.value_size, 4);
	assert_int_equal(info.stride, 8);
	assert_int_equal(info.map_id, map_id(fd));
	assert_int_equal(info.map_type, BPF_MAP_TYPE_ARRAY);
	assert_true(info.btf_id != 0);
	assert_int_equal(info.prot, PROT_READ | PROT_WRITE);
	assert_string_equal(info.name, "test.map");
}

TEST(the_memory_of_a_datasec_tells_its_map_too)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;
	__u64 *hits = FOSTER_VAR(small_datasec(), __u64, hits);

	assert_int_equal(foster_bpf_map_info(hits, &info), 0);
	assert_int_equal(info.count, 1);
	assert_int_equal(info.stride, 8);
}

TEST(what_is_in_no_map_is_refused)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;
	void *p = foster_mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);

	assert_denies(ENOENT, "is not in the memory of a BPF map",
		      foster_bpf_map_info(p, &info));
	assert_denies(ENOENT, "is not in", foster_bpf_map_info(&info, &info));
	assert_denies(ENOENT, "is not in", foster_bpf_map_info(NULL, &info));
	assert_refuses(ENOENT, "is not in", FOSTER_ELEM(p, __u32, 0));
	assert_refuses(ENOENT, "is not in", FOSTER_AT(p, __u32, 0));
}

TEST(a_closed_map_is_refused)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;

	kept = mapped(words(5));
	assert_int_equal(foster_close(kept), 0);
	assert_denies(ESTALE, "map \"test.map\" was closed",
		      foster_bpf_map_info(kept, &info));
	assert_refuses(ESTALE, "was closed", FOSTER_ELEM(kept, __u32, 0));
	assert_refuses(ESTALE, "was closed", FOSTER_AT(kept, __u32, 0));
}

TEST(an_info_that_is_too_small_is_refused)
{
	struct foster_bpf_map_info info = { .size = 16 };

	assert_denies(EINVAL, "too small", foster_bpf_map_info(mapped(words(1)), &info));
}

/* -------------------------------------------------------------------------- by number */

TEST(elements_are_a_stride_apart)
{
	int fd = words(5);
	void *p = mapped(fd);
	__u32 *third = FOSTER_ELEM(p, __u32, 3), value = 7, seen = 0;

	assert_non_null(third);
	assert_int_equal((char *)third - (char *)p, 24);
	kernel_puts(fd, 3, &value);
	assert_int_equal(FOSTER_READ(*third), 7);
	FOSTER_WRITE(*third, 8);
	kernel_gets(fd, 3, &seen);
	assert_int_equal(seen, 8);
}

TEST(any_pointer_into_a_map_stands_for_it)
{
	char *p = mapped(words(5));

	assert_ptr_equal(FOSTER_ELEM(p + 17, __u32, 1), p + 8);
	assert_ptr_equal(FOSTER_AT(p + 17, __u32, 8), p + 8);
}

TEST(an_element_that_the_map_has_not_is_refused)
{
	void *p = mapped(words(5));

	assert_non_null(FOSTER_ELEM(p, __u32, 4));
	assert_refuses(ERANGE, "has 5 values, none of number 5",
		       FOSTER_ELEM(p, __u32, 5));
	assert_refuses(ERANGE, "none of number", FOSTER_ELEM(p, __u32, UINT32_MAX));
	assert_refuses(ERANGE, "none of number", FOSTER_ELEM(p, __u32, UINT64_MAX));
	assert_refuses(ERANGE, "none of number",
		       FOSTER_ELEM(p, __u32, UINT64_MAX / 8 + 1));
}

TEST(an_element_of_another_type_is_refused)
{
	void *p = mapped(words(5));

	assert_refuses(EDOM, "the value of map \"test.map\" is __u32, which is unsigned",
		       FOSTER_ELEM(p, __s32, 0));
	assert_refuses(EMSGSIZE, "of 4 bytes, not __u64 of 8", FOSTER_ELEM(p, __u64, 0));
	assert_refuses(EPROTOTYPE, "is __u32, not float", FOSTER_ELEM(p, float, 0));
	assert_refuses(EPROTOTYPE, "not struct slot", FOSTER_ELEM(p, struct slot, 0));
}

TEST(an_element_is_compared_member_by_member)
{
	struct swapped {
		__u64 bytes;
		__u32 hits;
	};
	void *p = mapped(slots(4, 0));
	struct slot *slot = FOSTER_ELEM(p, SLOT, 2);

	assert_non_null(slot);
	assert_int_equal((char *)slot - (char *)p, 32);
	assert_refuses(EPROTO, "member \"hits\" of the value of map",
		       FOSTER_ELEM(p, FOSTER_STRUCT(struct swapped, hits), 2));
}

TEST(an_element_of_read_only_memory_is_const)
{
	void *p = mapped(slots(4, BPF_F_RDONLY_PROG));

	assert_refuses(EACCES, "is for reading only: ask for const struct slot",
		       FOSTER_ELEM(p, struct slot, 1));
	assert_non_null(FOSTER_ELEM(p, const struct slot, 1));
	assert_non_null(FOSTER_ELEM(p, const SLOT, 1));
}

TEST(a_data_section_has_no_elements)
{
	assert_refuses(ENOTSUP, "use foster_datasec()",
		       FOSTER_ELEM(mapped(small_section(0)), __u64, 0));
}

TEST(a_map_without_btf_has_memory_by_offset_only)
{
	void *p = mapped(array_map(12, 4, 0));

	assert_refuses(ENODATA, "has no BTF", FOSTER_ELEM(p, __u64, 1));
	assert_ptr_equal(FOSTER_AT(p, __u64, 16), (char *)p + 16);
}

/* -------------------------------------------------------------------------- by offset */

TEST(an_offset_behind_the_end_is_refused)
{
	void *p = mapped(array_map(12, 4, 0));

	assert_non_null(FOSTER_AT(p, __u8, 63));
	assert_non_null(FOSTER_AT(p, char[64], 0));
	assert_refuses(ERANGE, "1 bytes at offset 64 reach behind the 64",
		       FOSTER_AT(p, __u8, 64));
	assert_refuses(ERANGE, "reach behind", FOSTER_AT(p, __u64, 60));
	assert_refuses(ERANGE, "reach behind", FOSTER_AT(p, char[65], 0));
	assert_refuses(ERANGE, "reach behind", FOSTER_AT(p, __u64, UINT32_MAX));
	assert_refuses(ERANGE, "reach behind", FOSTER_AT(p, __u64, UINT32_MAX - 7));
	assert_refuses(ERANGE, "reach behind", FOSTER_AT(p, __u64, UINT64_MAX - 7));
}

TEST(an_offset_that_is_not_aligned_is_refused)
{
	void *p = mapped(array_map(12, 4, 0));

	assert_refuses(EADDRNOTAVAIL,
		       "offset 4 of map \"test_array\" is not aligned to 8",
		       FOSTER_AT(p, __u64, 4));
	assert_non_null(FOSTER_AT(p, __u32, 4));
}

TEST(read_only_memory_by_offset_is_const)
{
	void *p = mapped(array_map(8, 1, BPF_F_RDONLY_PROG));

	assert_refuses(EACCES, "is for reading only", FOSTER_AT(p, __u64, 0));
	assert_non_null(FOSTER_AT(p, const __u64, 0));
}

TEST(no_type_is_refused)
{
	void *p = mapped(array_map(8, 1, 0));

	assert_refuses(EINVAL, "no type was given", foster_at(p, 0, NULL));
	assert_refuses(EINVAL, "no type was given", foster_elem(p, 0, NULL));
}

/* ------------------------------------------------------------------------------ lives */

static NOINLINE struct mark keep_element(int fd)
{
	kept = FOSTER_ELEM(mapped(fd), SLOT, 3);
	assert_non_null(kept);
	return mark_of(kept);
}

TEST(an_element_keeps_the_memory)
{
	int fd = slots(4, 0);
	struct mark mark = keep_element(fd);

	assert_int_equal(close(fd), 0);
	forget();
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

#define MANY 500

static NOINLINE void map_and_drop(int fd)
{
	for (int i = 0; i < MANY; i++)
		assert_non_null(FOSTER_ELEM(mapped(fd), SLOT, 1));
}

static bool none_live(void *arg UNUSED)
{
	return stats_now().regions == 0;
}

static void map_and_release(int fd, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		map_and_drop(fd);
		forget();
		assert_true(collecting_until(none_live, NULL, ROUNDS));
	}
}

/* Or the process would grow for ever. */
TEST(what_is_known_of_a_map_goes_with_its_region)
{
	int fd = slots(4, 0);
	size_t before;

	map_and_release(fd, 2);
	before = mallinfo2().uordblks;
	map_and_release(fd, 3);
	assert_true(mallinfo2().uordblks < before + (256 << 10));
}

TEST(many_maps_that_come_and_go_are_told_apart)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;
	int slot_fd = slots(4, 0), word_fd = words(6);

	map_and_release(slot_fd, 1);
	kept = mapped(word_fd);
	assert_int_equal(foster_bpf_map_info(kept, &info), 0);
	assert_int_equal(info.count, 6);
	assert_non_null(FOSTER_ELEM(kept, __u32, 5));
}

static _Atomic unsigned int wrong;

static void *look_up(void *p)
{
	for (int i = 0; i < 1000; i++)
		if (!FOSTER_ELEM(p, SLOT, 3) || FOSTER_ELEM(p, __u32, 0) ||
		    errno != EPROTOTYPE)
			wrong++;
	return NULL;
}

TEST(threads_that_ask_for_the_first_time_at_once_read_btf_once)
{
	pthread_t thread[8];

	kept = mapped(slots(4, 0));
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(look_up, kept);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(wrong, 0);
}

static void ask_in_child(void *p)
{
	child_check(FOSTER_ELEM(p, SLOT, 2));
	child_check(!FOSTER_ELEM(p, SLOT, 4) && errno == ERANGE);
}

TEST(the_child_of_fork_has_the_elements)
{
	kept = mapped(slots(4, 0));
	assert_child_passes(ask_in_child, kept);
	assert_non_null(FOSTER_ELEM(kept, SLOT, 2));
	assert_child_passes(ask_in_child, kept);
}
