// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a variable may lie: inside the section, aligned, in memory that may be written;
 * and that what is given out is the memory of the map, to its last byte.
 */
#include "support_btf.h"

static void *volatile kept;

static int add_u64(struct draft *draft)
{
	return btf__add_int(draft->btf, "__u64", 8, 0);
}

static int add_u8(struct draft *draft)
{
	return btf__add_int(draft->btf, "__u8", 1, 0);
}

static int add_array(struct draft *draft, int element, __u32 elements)
{
	return btf__add_array(draft->btf, btf__add_int(draft->btf, "index", 4, 0),
			      element, elements);
}

/*
 * -------------------------------------------------------------------------- the memory
 */

TEST(what_is_written_through_a_variable_is_in_the_map)
{
	int fd = small_section(0);
	__u64 *hits = FOSTER_VAR(foster_datasec(fd), __u64, hits), value = 0;

	assert_non_null(hits);
	FOSTER_WRITE(*hits, 0x1122334455667788);
	kernel_gets(fd, 0, &value);
	assert_int_equal(value, 0x1122334455667788);
}

TEST(what_the_kernel_stores_is_read_through_a_variable)
{
	const __u64 value = 4711;
	int fd = small_section(0);
	__u64 *hits = FOSTER_VAR(foster_datasec(fd), __u64, hits);

	assert_non_null(hits);
	kernel_puts(fd, 0, &value);
	assert_int_equal(FOSTER_READ(*hits), value);
}

TEST(a_variable_reads_and_writes_after_collections)
{
	int fd = small_section(0);
	__u64 value = 0;

	kept = FOSTER_VAR(foster_datasec(fd), __u64, hits);
	assert_non_null(kept);
	FOSTER_WRITE(*(__u64 *)kept, 5);
	collect_times(5);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 5);
	FOSTER_WRITE(*(__u64 *)kept, 6);
	kernel_gets(fd, 0, &value);
	assert_int_equal(value, 6);
}

TEST(variables_lie_at_their_offsets)
{
	struct draft draft;
	struct foster_datasec *ds;
	char *first, *second, *third;
	int u8;

	draft_begin(&draft);
	u8 = add_u8(&draft);
	draft_variable(&draft, "first", u8, 0, 1);
	draft_variable(&draft, "second", u8, 1, 1);
	draft_variable(&draft, "third", u8, 4095, 1);
	ds = draft_datasec(&draft, ".bss", 4096, 0);
	first = (char *)FOSTER_VAR(ds, __u8, first);
	second = (char *)FOSTER_VAR(ds, __u8, second);
	third = (char *)FOSTER_VAR(ds, __u8, third);
	assert_non_null(first);
	assert_int_equal(second - first, 1);
	assert_int_equal(third - first, 4095);
}

TEST(the_last_byte_of_an_array_of_whole_pages_is_there)
{
	const size_t len = 2 * page_size();
	struct draft draft;
	size_t count = 0;
	__u8 *bytes, *copy = malloc(len);
	int fd;

	draft_begin(&draft);
	draft_variable(&draft, "pages", add_array(&draft, add_u8(&draft), (__u32)len), 0,
		       (__u32)len);
	fd = draft_section(&draft, ".data.pages", (__u32)len, 0);
	bytes = FOSTER_ARRAY(foster_datasec(fd), __u8, pages, &count);
	assert_non_null(bytes);
	assert_non_null(copy);
	assert_int_equal(count, len);
	bytes[count - 1] = 'z';
	kernel_gets(fd, 0, copy);
	assert_int_equal(copy[len - 1], 'z');
	free(copy);
}

/* ------------------------------------------------------------------- behind the end */

/*
 * The kernel loads no BTF whose variables overlap or reach behind their section, but a
 * section that libbpf made longer or shorter by hand is not its concern. So the map is
 * made of one BTF, and looked at here through a variable that is cut in the datasec's own
 * memory.
 */
#include "bpf/section.h"

/* A variable of so many bytes at the offset, in a section of 64 bytes. */
static struct foster_datasec *displaced(__u32 offset, __u32 bytes, __u32 elements)
{
	struct draft draft;
	struct foster_datasec *ds;
	struct section section;
	struct variable *variable;

	draft_begin(&draft);
	draft_variable(&draft, "far", add_array(&draft, add_u64(&draft), elements), 0,
		       64);
	ds = draft_datasec(&draft, ".bss", 64, 0);
	assert_int_equal(section_open(ds, &section), 0);
	variable = (struct variable *)section.variables;
	variable->offset = offset;
	variable->bytes = bytes;
	return ds;
}

TEST(a_variable_that_ends_with_the_section_is_given_out)
{
	assert_non_null(FOSTER_VAR(displaced(0, 64, 8), __u64[8], far));
	assert_non_null(FOSTER_VAR(displaced(32, 32, 4), __u64[4], far));
	assert_non_null(FOSTER_VAR(displaced(56, 8, 1), __u64[1], far));
}

TEST(a_variable_behind_the_end_of_the_section_is_refused)
{
	static const __u32 offsets[] = {
		8, 56, 64, 72, 4096, INT32_MAX - 7u, UINT32_MAX - 63, UINT32_MAX - 7,
	};

	for (size_t i = 0; i < COUNT_OF(offsets); i++)
		assert_refuses(ERANGE, "reaches behind the 64 bytes",
			       FOSTER_VAR(displaced(offsets[i], 64, 8), __u64[8], far));
}

/* The sum of offset and size does not fit 32 bits. */
TEST(an_offset_that_wraps_is_refused)
{
	assert_refuses(ERANGE, "reaches behind",
		       FOSTER_VAR(displaced(UINT32_MAX - 7, 16, 2), __u64[2], far));
	assert_refuses(ERANGE, "reaches behind",
		       FOSTER_ARRAY(displaced(UINT32_MAX - 7, 16, 2), __u64, far, NULL));
}

TEST(an_array_longer_than_its_variable_is_refused)
{
	assert_refuses(EBADMSG, "has 8 bytes, fewer than its type has",
		       FOSTER_VAR(displaced(0, 8, 2), __u64[2], far));
	assert_refuses(EBADMSG, "fewer than its type has",
		       FOSTER_ARRAY(displaced(0, 8, 2), __u64, far, NULL));
}

TEST(a_variable_behind_the_end_has_no_address)
{
	struct foster_variable variable = FOSTER_VARIABLE_INIT;

	assert_int_equal(foster_datasec_find(displaced(8, 64, 8), "far", &variable), 0);
	assert_null(variable.addr);
	assert_int_equal(variable.offset, 8);
	assert_int_equal(variable.bytes, 64);
}

/* ------------------------------------------------------------------------- alignment */

static struct foster_datasec *at_offset(__u32 offset)
{
	struct draft draft;

	draft_begin(&draft);
	draft_variable(&draft, "number", add_u64(&draft), offset, 8);
	return draft_datasec(&draft, ".bss", 64, 0);
}

TEST(a_variable_that_is_not_aligned_is_refused)
{
	assert_refuses(EADDRNOTAVAIL, "is at offset 1, and __u64 is aligned to 8",
		       FOSTER_VAR(at_offset(1), __u64, number));
	assert_refuses(EADDRNOTAVAIL, "is at offset 4, and",
		       FOSTER_VAR(at_offset(4), __u64, number));
	assert_non_null(FOSTER_VAR(at_offset(8), __u64, number));
}

TEST(a_type_that_needs_no_alignment_can_be_anywhere)
{
	typedef __u64 packed_u64 __attribute__((aligned(1)));

	assert_non_null(FOSTER_VAR(at_offset(1), packed_u64, number));
}

/* ------------------------------------------------------------------------- read-only */

TEST(a_frozen_section_gives_const_types_only)
{
	const __u64 value = 99;
	struct foster_datasec *ds;
	const __u64 *hits;
	int fd = small_section(0);

	kernel_puts(fd, 0, &value);
	assert_int_equal(bpf_map_freeze(fd), 0);
	ds = foster_datasec(fd);
	assert_non_null(ds);
	assert_refuses(EACCES, "variable \"hits\" of .bss is for reading only",
		       FOSTER_VAR(ds, __u64, hits));
	hits = FOSTER_VAR(ds, const __u64, hits);
	assert_non_null(hits);
	assert_int_equal(FOSTER_READ(*hits), value);
}

TEST(a_section_read_only_for_programs_gives_const_types_only)
{
	struct foster_datasec *ds = foster_datasec(small_section(BPF_F_RDONLY_PROG));

	assert_refuses(EACCES, "is for reading only", FOSTER_VAR(ds, __u64, hits));
	assert_refuses(EACCES, "is for reading only",
		       FOSTER_VAR(ds, volatile __u64, hits));
	assert_non_null(FOSTER_VAR(ds, const volatile __u64, hits));
}

static void write_through(void *p)
{
	*(volatile __u64 *)p = 1;
}

TEST(a_store_through_a_const_type_cast_away_is_killed)
{
	struct foster_datasec *ds = foster_datasec(small_section(BPF_F_RDONLY_PROG));
	const __u64 *hits = FOSTER_VAR(ds, const __u64, hits);

	assert_non_null(hits);
	assert_child_dies(SIGSEGV, write_through, (void *)(uintptr_t)hits);
}

TEST(a_map_frozen_later_stays_writable_where_it_was_mapped)
{
	int fd = small_section(0);
	struct foster_datasec *ds = foster_datasec(fd);

	kept = FOSTER_VAR(ds, __u64, hits);
	assert_non_null(kept);
	assert_int_equal(bpf_map_freeze(fd), -EBUSY);
}

/* --------------------------------------------------------------------------- closed */

TEST(the_memory_is_closed_once)
{
	__u64 *hits = FOSTER_VAR(small_datasec(), __u64, hits);

	assert_non_null(hits);
	assert_int_equal(foster_close(hits), 0);
	assert_fails(EALREADY, foster_close(hits));
	assert_int_equal(mapped_maps(), 0);
}

TEST(a_variable_of_closed_memory_faults)
{
	struct foster_datasec *ds = small_datasec();
	__u64 *hits = FOSTER_VAR(ds, __u64, hits);

	assert_non_null(hits);
	kept = hits;
	assert_int_equal(foster_close(hits), 0);
	assert_ptr_equal(FOSTER_VAR(ds, __u64, hits), hits);
	assert_child_dies(SIGSEGV, write_through, hits);
}
