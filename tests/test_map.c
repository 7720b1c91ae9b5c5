/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster_mmap(): what it maps, what it refuses, and that a refusal leaves nothing behind.
 */
#include "support.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void *volatile kept;

static void *map_anon(size_t len)
{
	return foster_mmap(NULL, len, RW, ANON, -1, 0);
}

/* ------------------------------------------------------------------------- what works */

TEST(private_anonymous_memory_is_zero_and_writable)
{
	const size_t len = 5 * page_size();
	unsigned char *p = map_anon(len);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(p[i], 0);
	memset(p, 0x5a, len);
	assert_int_equal(p[len - 1], 0x5a);
	kept = p;
}

TEST(reused_anonymous_memory_is_zero_again)
{
	for (int round = 0; round < 20; round++) {
		void *volatile slot;
		struct mark mark = make_anon_region(&slot, 4, AT_BASE);

		slot = NULL;
		assert_goes(&mark);
		kept = map_anon(4 * page_size());
		assert_ptr_not_equal(kept, MAP_FAILED);
		for (size_t i = 0; i < 4 * page_size(); i++)
			assert_int_equal(((unsigned char *)kept)[i], 0);
		kept = NULL;
	}
	assert_true(stats_now().reused > 0);
}

TEST(shared_anonymous_memory_is_shared_with_the_child_of_fork)
{
	_Atomic int *p =
		foster_mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	assert_ptr_not_equal(p, MAP_FAILED);
	if (fork() == 0) {
		atomic_store(p, 42);
		_exit(0);
	}
	assert_true(wait(&status) > 0);
	assert_int_equal(atomic_load(p), 42);
}

TEST(a_shared_memfd_is_seen_through_both)
{
	const size_t len = 2 * page_size();
	const int fd = pattern_memfd(len, 0);
	char *p = foster_mmap(NULL, len, RW, MAP_SHARED, fd, 0);
	char byte = 'x';

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(pattern_holds(p, len, 0));
	p[len - 1] = 'y';
	assert_int_equal(pread(fd, &byte, 1, (off_t)len - 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(pwrite(fd, "z", 1, 0), 1);
	assert_int_equal(p[0], 'z');
	close(fd);
	kept = p;
}

TEST(stores_to_a_private_memfd_mapping_stay_private)
{
	const size_t len = page_size();
	const int fd = pattern_memfd(len, 0);
	char *p = foster_mmap(NULL, len, RW, MAP_PRIVATE, fd, 0);
	char byte;

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(pattern_holds(p, len, 0));
	p[0] = 'y';
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_true(byte != 'y');
	close(fd);
}

TEST(a_regular_file_is_mapped_with_its_offset)
{
	char path[PATH_MAX];
	const size_t page = page_size();
	const int fd = pattern_file(path, 4 * page);
	const char *p =
		foster_mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	struct maps_line line;

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(pattern_holds(p, 2 * page, page));
	assert_true(maps_line_of(hidden_of(p), &line));
	assert_int_equal(line.offset, page);
	assert_string_equal(line.perms, "r--s");
	assert_string_equal(line.name, path);
	close(fd);
	unlink(path);
	assert_true(pattern_holds(p, 2 * page, page));
}

TEST(the_descriptor_may_be_closed_afterwards_and_none_stays_open)
{
	const int fd = pattern_memfd(page_size(), 0);
	size_t before;
	const char *p;

	assert_int_equal(foster_init(NULL), 0);
	before = fd_count();
	p = foster_mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(fd_count(), before);
	close(fd);
	assert_true(pattern_holds(p, page_size(), 0));
}

TEST(the_length_is_rounded_up_to_pages)
{
	char *p = map_anon(1);
	char *q = map_anon(page_size() + 1);

	assert_int_equal(mark_of(p).len, page_size());
	assert_int_equal(mark_of(q).len, 2 * page_size());
	q[2 * page_size() - 1] = 1;
}

TEST(the_address_is_page_aligned_and_the_hint_ignored)
{
	char *hint = mmap(NULL, page_size(), RW, ANON, -1, 0);
	char *p;

	*hint = 7;
	p = foster_mmap(hint, page_size(), RW, ANON, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_ptr_not_equal(p, hint);
	assert_int_equal((uintptr_t)p % page_size(), 0);
	assert_int_equal(*hint, 7);
	p = foster_mmap((void *)1, page_size(), RW, ANON, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
}

TEST(protections_are_as_asked)
{
	static const struct {
		int prot;
		const char *perms;
	} cases[] = {
		{ PROT_NONE, "---p" },
		{ PROT_READ, "r--p" },
		{ PROT_READ | PROT_WRITE, "rw-p" },
		{ PROT_READ | PROT_EXEC, "r-xp" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		void *p = foster_mmap(NULL, page_size(), cases[i].prot, ANON, -1, 0);
		struct foster_info info = FOSTER_INFO_INIT;
		struct maps_line line;

		assert_ptr_not_equal(p, MAP_FAILED);
		assert_int_equal(foster_info(p, &info), 0);
		assert_int_equal(info.prot, cases[i].prot);
		assert_true(maps_line_of(hidden_of(p), &line));
		assert_string_equal(line.perms, cases[i].perms);
	}
}

TEST(populated_and_unreserved_memory_is_mapped)
{
	const size_t len = 16 * page_size();
	char *p = foster_mmap(NULL, len, RW, ANON | MAP_POPULATE | MAP_NORESERVE, -1, 0);
	unsigned char in_core[16];

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mincore(p, len, in_core), 0);
	for (size_t i = 0; i < COUNT_OF(in_core); i++)
		assert_true(in_core[i] & 1);
}

TEST(shared_validate_is_mapped)
{
	const int fd = pattern_memfd(page_size(), 0);
	void *p = foster_mmap(NULL, page_size(), RW, MAP_SHARED_VALIDATE, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
}

TEST(regions_do_not_overlap)
{
	static char *volatile region[200];
	const size_t page = page_size();

	for (size_t i = 0; i < COUNT_OF(region); i++) {
		region[i] = map_anon((1 + i % 5) * page);
		assert_ptr_not_equal(region[i], MAP_FAILED);
		memset(region[i], (int)i, (1 + i % 5) * page);
	}
	for (size_t i = 0; i < COUNT_OF(region); i++)
		for (size_t k = 0; k < (1 + i % 5) * page; k++)
			assert_int_equal((unsigned char)region[i][k], i);
}

TEST(just_below_one_gibibyte_works)
{
	const size_t len = ((size_t)1 << 30) - page_size();
	char *p = foster_mmap(NULL, len, RW, ANON | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p[0] = p[len - 1] = 1;
	assert_int_equal(foster_close(p), 0);
}

/* Too large for the collector's heap: in place. */
static NOINLINE struct mark make_large(void *volatile *slot, size_t len)
{
	char *p = foster_mmap(NULL, len, RW, ANON | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p[0] = p[len / 2] = p[len - 1] = 1;
	*slot = p + len / 2;
	return mark_of(p);
}

/*
 * An address and a number that has overwritten the half of one differ in the upper half when the
 * address is far from all others, and a region so large may not meet such a word.
 */
static void go_far_away(void)
{
	assert_ptr_not_equal(mmap(NULL, (size_t)64 << 30, PROT_NONE, ANON | MAP_NORESERVE, -1, 0),
			     MAP_FAILED);
}

TEST(one_gibibyte_and_more_works)
{
	static const size_t gib = (size_t)1 << 30;
	const size_t len[] = { gib, gib - page_size() + 1, 7 * gib };

	go_far_away();
	for (size_t i = 0; i < COUNT_OF(len); i++) {
		struct mark mark = make_large(&kept, len[i]);

		assert_int_equal(mark.len, len[i] < gib ? gib : len[i]);
		assert_int_equal(stats_now().in_place, 1);
		assert_stays(&mark);
		kept = NULL;
		assert_goes(&mark);
		assert_int_equal(stats_now().in_place, 0);
	}
}

TEST(one_gibibyte_and_more_can_be_closed)
{
	struct mark mark;

	go_far_away();
	mark = make_large(&kept, (size_t)1 << 30);
	assert_int_equal(foster_close(kept), 0);
	assert_false(mark_is_readable(&mark));
	collect_times(ROUNDS);
	assert_int_equal(stats_now().revoked, 1); /* there is a pointer left */
	kept = NULL;
	assert_goes(&mark);
}

/* -------------------------------------------------------------------- what is refused */

/* Everything that a refusal could leave behind. */
struct trace {
	struct foster_stats stats;
	size_t fds;
};

static struct trace trace_now(void)
{
	assert_int_equal(foster_init(NULL), 0);
	return (struct trace){ stats_now(), fd_count() };
}

static int count_regions(const struct foster_info *info UNUSED, void *arg)
{
	++*(size_t *)arg;
	return 0;
}

static void assert_nothing_left(const struct trace *before)
{
	struct trace after = trace_now();
	size_t regions = 0;

	assert_int_equal(after.fds, before->fds);
	assert_int_equal(after.stats.regions, before->stats.regions);
	assert_int_equal(after.stats.bytes, before->stats.bytes);
	assert_int_equal(after.stats.mapped, before->stats.mapped);
	assert_int_equal(after.stats.unseen, before->stats.unseen);
	assert_int_equal(after.stats.abandoned, before->stats.abandoned);
	assert_int_equal(foster_for_each(count_regions, &regions), 0);
	assert_int_equal(regions, before->stats.regions);
}

TEST(length_zero_is_invalid)
{
	struct trace before = trace_now();

	assert_map_fails(EINVAL, map_anon(0));
	assert_nothing_left(&before);
}

TEST(fixed_addresses_are_not_supported)
{
	static const int refused[] = {
		MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB,
#ifdef MAP_32BIT
		MAP_32BIT,
#endif
	};
	struct trace before = trace_now();
	char *there = mmap(NULL, page_size(), RW, ANON, -1, 0);

	*there = 7;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		assert_map_fails(ENOTSUP, foster_mmap(there, page_size(), RW,
						      ANON | refused[i], -1, 0));
	assert_int_equal(*there, 7);
	assert_nothing_left(&before);
}

TEST(more_than_there_are_addresses_is_refused)
{
	struct trace before = trace_now();

	assert_map_fails(ENOMEM, map_anon((size_t)1 << 48));
	assert_map_fails(ENOMEM, map_anon((size_t)1 << 62));
	assert_nothing_left(&before);
}

TEST(a_length_that_does_not_fit_is_an_overflow)
{
	struct trace before = trace_now();

	assert_map_fails(EOVERFLOW, map_anon(SIZE_MAX));
	assert_map_fails(EOVERFLOW, map_anon(SIZE_MAX - page_size() + 2));
	assert_nothing_left(&before);
}

TEST(an_offset_that_does_not_fit_is_an_overflow)
{
	const int fd = pattern_memfd(page_size(), 0);
	const off_t last = (off_t)(INT64_MAX & ~((int64_t)page_size() - 1));
	struct trace before = trace_now();

	assert_map_fails(EOVERFLOW, foster_mmap(NULL, 2 * page_size(), PROT_READ,
						MAP_SHARED, fd, last));
	assert_nothing_left(&before);
	close(fd);
}

TEST(an_unaligned_offset_is_invalid)
{
	const int fd = pattern_memfd(4 * page_size(), 0);
	struct trace before = trace_now();

	assert_map_fails(EINVAL,
			 foster_mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 1));
	assert_map_fails(EINVAL, foster_mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd,
					     (off_t)page_size() - 1));
	assert_nothing_left(&before);
	close(fd);
}

TEST(a_negative_offset_is_refused)
{
	const int fd = pattern_memfd(4 * page_size(), 0);
	struct trace before = trace_now();

	assert_ptr_equal(foster_mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd,
				     -(off_t)page_size()),
			 MAP_FAILED);
	assert_true(errno == EINVAL || errno == EOVERFLOW);
	assert_nothing_left(&before);
	close(fd);
}

TEST(flags_that_name_no_kind_of_mapping_are_invalid)
{
	struct trace before = trace_now();

	assert_map_fails(EINVAL,
			 foster_mmap(NULL, page_size(), RW, MAP_ANONYMOUS, -1, 0));
	assert_nothing_left(&before);
}

TEST(a_closed_descriptor_is_refused)
{
	const int fd = pattern_memfd(page_size(), 0);
	struct trace before;

	close(fd);
	before = trace_now();
	assert_map_fails(EBADF, foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	assert_map_fails(EBADF, foster_mmap(NULL, page_size(), RW, MAP_SHARED, -1, 0));
	assert_nothing_left(&before);
}

TEST(a_descriptor_that_cannot_be_mapped_is_refused)
{
	const int fd = eventfd(0, EFD_CLOEXEC);
	struct trace before = trace_now();

	assert_map_fails(ENODEV, foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	assert_nothing_left(&before);
	close(fd);
}

TEST(a_write_only_descriptor_is_refused)
{
	char path[PATH_MAX];
	const int fd = pattern_file(path, page_size());
	const int writer = open(path, O_WRONLY | O_CLOEXEC);
	struct trace before = trace_now();

	assert_map_fails(EACCES,
			 foster_mmap(NULL, page_size(), RW, MAP_SHARED, writer, 0));
	assert_map_fails(EACCES, foster_mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE,
					     writer, 0));
	assert_nothing_left(&before);
	close(writer);
	close(fd);
	unlink(path);
}

TEST(a_read_only_descriptor_cannot_be_mapped_shared_and_writable)
{
	char path[PATH_MAX];
	const int fd = pattern_file(path, page_size());
	const int reader = open(path, O_RDONLY | O_CLOEXEC);
	struct trace before = trace_now();

	assert_map_fails(EACCES,
			 foster_mmap(NULL, page_size(), RW, MAP_SHARED, reader, 0));
	assert_nothing_left(&before);
	kept = foster_mmap(NULL, page_size(), RW, MAP_PRIVATE, reader, 0);
	assert_ptr_not_equal(kept, MAP_FAILED);
	close(reader);
	close(fd);
	unlink(path);
}

TEST(a_memfd_sealed_against_writing_cannot_be_mapped_writable)
{
	const int fd = pattern_memfd(page_size(), MFD_ALLOW_SEALING);
	struct trace before;

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	before = trace_now();
	assert_map_fails(EPERM, foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	assert_nothing_left(&before);
	kept = foster_mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(kept, MAP_FAILED);
	close(fd);
}

/*
 * Refused by the kernel after foster has a range ready: the range must be whole and
 * reusable.
 */
TEST(after_a_hundred_refusals_mapping_works_and_nothing_has_grown)
{
	const int fd = eventfd(0, EFD_CLOEXEC);
	struct trace before;
	size_t mappings;

	assert_map_fails(ENODEV, foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	before = trace_now();
	mappings = maps_count();
	for (int i = 0; i < 100; i++)
		assert_map_fails(ENODEV, foster_mmap(NULL, 3 * page_size(), RW,
						     MAP_SHARED, fd, 0));
	collect_times(ROUNDS);
	assert_nothing_left(&before);
	assert_true(maps_count() <= mappings + 8);
	kept = map_anon(3 * page_size());
	assert_ptr_not_equal(kept, MAP_FAILED);
	memset(kept, 1, 3 * page_size());
	close(fd);
}
