/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages were written since. */
#include "watched.h"

#include <fcntl.h>
#include <sys/uio.h>

#define HUGE_PAGE ((size_t)2 << 20)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* Asked about so many pages at p, it tells [first, end) and no other; none. */
static void assert_tells(char *p, size_t pages, size_t first, size_t end)
{
	ask(p, pages);
	assert_told(first, end, pages);
}

static void assert_none_of(char *p, size_t pages)
{
	assert_tells(p, pages, 0, 0);
}

/* --------------------------------------------------------------------- what is told */

TEST(what_was_not_written_is_not_told)
{
	char *p = watched(16);

	assert_none_of(p, 16);
	for (size_t i = 0; i < 16; i++)
		(void)read_page(p, i);
	assert_none_of(p, 16);
}

TEST(a_written_page_is_told_and_no_other)
{
	char *p = watched(16);

	write_pages(p, 5, 7);
	assert_tells(p, 16, 5, 7);
	assert_tells(p, 16, 5, 7);
	ask(page_of(p, 6), 10);
	assert_told(0, 1, 10);
}

TEST(asked_anew_it_is_told_once)
{
	char *p = watched(16);

	write_pages(p, 5, 7);
	assert_int_equal(ask_whether(p, 16, true), 0);
	assert_told(5, 7, 16);
	assert_none_of(p, 16);
	write_pages(p, 6, 8);
	assert_tells(p, 16, 6, 8);
}

TEST(more_than_one_call_of_the_kernel_tells_is_told)
{
	const size_t pages = 4000;
	char *p = watched(pages);

	for (size_t i = 0; i < pages; i += 2)
		write_pages(p, i, i + 1);
	assert_int_equal(ask_whether(p, pages, true), 0);
	for (size_t i = 0; i < pages; i++)
		assert_int_equal(times_told[i], i % 2 == 0);
	assert_none_of(p, pages);
}

TEST(pages_that_come_into_being_are_told)
{
	char *p;

	begin_tracking();
	p = map(16, ANON, -1);
	madvise(p, 16 * page_size(), MADV_NOHUGEPAGE);
	write_pages(p, 0, 1);
	assert_int_equal(watch(p, 16), 0);
	assert_none_of(p, 16);
	(void)read_page(p, 9); /* zeros: nothing yet */
	assert_none_of(p, 16);
	write_pages(p, 9, 11);
	assert_tells(p, 16, 9, 11);
}

TEST(watching_tells_what_is_there)
{
	char *p;

	begin_tracking();
	p = map(16, ANON, -1);
	madvise(p, 16 * page_size(), MADV_NOHUGEPAGE);
	write_pages(p, 5, 8);
	(void)read_page(p, 10); /* zeros: nothing yet */
	assert_int_equal(watch(p, 16), 0);
	assert_told(5, 8, 16);
}

static int write_to(const struct pages_run *run, void *arg UNUSED)
{
	++*(volatile char *)run->start;
	return 0;
}

TEST(what_watching_tells_is_protected_by_then)
{
	char *p = map(16, ANON, -1);

	begin_tracking();
	madvise(p, 16 * page_size(), MADV_NOHUGEPAGE);
	write_pages(p, 5, 8);
	assert_int_equal(tracking_watch(&tracking, (uintptr_t)p, (uintptr_t)page_of(p, 16),
					write_to, NULL),
			 0);
	ask(p, 16);
	assert_told(5, 6, 16);
}

static int refuse(const struct pages_run *run UNUSED, void *arg UNUSED)
{
	return 77;
}

TEST(what_the_function_returns_ends_the_watching)
{
	char *p = map(16, ANON, -1);

	begin_tracking();
	write_pages(p, 5, 8);
	assert_int_equal(tracking_watch(&tracking, (uintptr_t)p, (uintptr_t)page_of(p, 16),
					refuse, NULL),
			 77);
	assert_false(is_registered(p));
}

TEST(watching_again_starts_again)
{
	char *p = watched(16);

	write_pages(p, 3, 5);
	assert_int_equal(watch(p, 16), 0);
	assert_none_of(p, 16);
	write_pages(p, 4, 5);
	assert_tells(p, 16, 4, 5);
}

TEST(neighbours_and_the_holes_between_can_be_watched_at_once)
{
	char *p;

	begin_tracking();
	p = map(16, ANON, -1);
	madvise(p, 16 * page_size(), MADV_NOHUGEPAGE);
	write_pages(p, 0, 16);
	assert_int_equal(mprotect(page_of(p, 4), 2 * page_size(), PROT_NONE), 0);
	munmap(page_of(p, 8), 2 * page_size());
	assert_int_equal(watch(p, 16), 0);
	write_pages(p, 2, 4);
	write_pages(p, 12, 13);
	ask(p, 16);
	assert_true(times_told[2] && times_told[3] && times_told[12]);
	assert_false(times_told[4] || times_told[6] || times_told[8] || times_told[11]);
	tracking_end(&tracking);
	for (size_t i = 0; i < 16; i++)
		assert_false(is_registered(page_of(p, i)));
}

TEST(a_large_reservation_costs_nothing)
{
	const size_t bytes = (size_t)1 << 40;
	char *p = map_reservation(bytes);
	uint64_t start;

	begin_tracking();
	start = now_ms();
	assert_int_equal(watch(p, bytes / page_size()), 0);
	ask(p, bytes / page_size());
	assert_int_equal(ask_whether(p, bytes / page_size(), true), 0);
	tracking_end(&tracking);
	assert_true(now_ms() - start < 200);
}

/* ------------------------------------------------------------- writes by the kernel */

TEST(what_the_kernel_writes_is_told)
{
	char *p = watched(16);
	char word[8] = "written";
	struct iovec from = { word, 8 }, to = { page_of(p, 7), 8 };
	int pipes[2], mem;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], word, 8), 8);
	assert_int_equal(read(pipes[0], page_of(p, 6), 8), 8);
	assert_int_equal(process_vm_writev(getpid(), &from, 1, &to, 1, 0), 8);
	mem = open("/proc/self/mem", O_RDWR);
	assert_int_equal(pwrite(mem, word, 8, (off_t)(uintptr_t)page_of(p, 8)), 8);
	/* As a debugger does it: also where the program itself must not write. */
	assert_int_equal(mprotect(page_of(p, 9), page_size(), PROT_READ), 0);
	assert_int_equal(pwrite(mem, word, 8, (off_t)(uintptr_t)page_of(p, 9)), 8);
	assert_tells(p, 16, 6, 10);
}

TEST(data_read_past_the_page_cache_is_told)
{
	char path[] = "/var/tmp/foster-direct-XXXXXX";
	char *p = watched(4);
	int fd = mkstemp(path);

	if (fd < 0)
		test_skip("no file in /var/tmp");
	unlink(path);
	assert_int_equal(write(fd, p, page_size()), page_size());
	if (fcntl(fd, F_SETFL, O_DIRECT) || pread(fd, page_of(p, 2), page_size(), 0) < 0)
		test_skip("no O_DIRECT there");
	assert_tells(p, 4, 2, 3);
}

/* ---------------------------------------------------------- changes of the mappings */

TEST(protection_changes_nothing)
{
	char *p = watched(16);

	assert_int_equal(mprotect(p, 8 * page_size(), PROT_NONE), 0);
	assert_int_equal(mprotect(p, 8 * page_size(), PROT_READ), 0);
	assert_int_equal(mprotect(p, 16 * page_size(), RW), 0);
	assert_none_of(p, 16);
	write_pages(p, 2, 3);
	assert_int_equal(mprotect(p, 8 * page_size(), PROT_NONE), 0);
	assert_tells(p, 16, 2, 3);
}

TEST(pages_given_back_hold_nothing_until_they_are_written)
{
	char *p = watched(16);

	assert_int_equal(madvise(page_of(p, 4), 4 * page_size(), MADV_DONTNEED), 0);
	assert_none_of(p, 16);
	assert_int_equal(read_page(p, 4), 0);
	assert_none_of(p, 16);
	write_pages(p, 4, 6);
	assert_tells(p, 16, 4, 6);
}

TEST(unmapped_pages_are_passed_over)
{
	char *p = watched(16);

	munmap(page_of(p, 4), 4 * page_size());
	write_pages(p, 9, 10);
	assert_tells(p, 16, 9, 10);
}

TEST(memory_mapped_anew_is_not_tracked)
{
	char *p = watched(16);

	assert_ptr_equal(mmap(page_of(p, 4), 4 * page_size(), RW, ANON | MAP_FIXED, -1,
			      0),
			 page_of(p, 4));
	assert_int_equal(ask_whether(p, 16, false), -EPERM);
	assert_int_equal(ask_whether(p, 16, true), -EPERM);
	ask(p, 4);
	ask(page_of(p, 8), 8);
}

/* The kernel does not tell what it protected in the call that it ends with EPERM. */
TEST(an_error_loses_nothing_that_was_written_elsewhere)
{
	char *p = watched(16);

	write_pages(p, 1, 3);
	write_pages(p, 13, 14);
	assert_ptr_equal(mmap(page_of(p, 4), 4 * page_size(), RW, ANON | MAP_FIXED, -1,
			      0),
			 page_of(p, 4));
	assert_int_equal(ask_whether(p, 16, true), -EPERM);
	assert_true(times_told[1] && times_told[2] && times_told[13]);
}

TEST(memory_moved_away_is_not_tracked_where_it_goes)
{
	char *p = watched(16);
	char *q = map(4, ANON, -1);

	assert_ptr_equal(mremap(page_of(p, 4), 4 * page_size(), 4 * page_size(),
				MREMAP_MAYMOVE | MREMAP_FIXED, q),
			 q);
	assert_none_of(p, 16);
	assert_int_equal(ask_whether(q, 4, false), -EPERM);
}

TEST(memory_moved_in_is_not_tracked)
{
	char *p = watched(16);
	char *q = map(4, ANON, -1);

	write_pages(q, 0, 4);
	assert_ptr_equal(mremap(q, 4 * page_size(), 4 * page_size(),
				MREMAP_MAYMOVE | MREMAP_FIXED, page_of(p, 4)),
			 page_of(p, 4));
	assert_int_equal(ask_whether(p, 16, false), -EPERM);
}

TEST(tracked_memory_moved_within_tracked_memory_is_not_taken_for_unchanged)
{
	char *p = watched(16);

	assert_ptr_equal(mremap(p, 2 * page_size(), 2 * page_size(),
				MREMAP_MAYMOVE | MREMAP_FIXED, page_of(p, 8)),
			 page_of(p, 8));
	assert_int_equal(ask_whether(p, 16, false), -EPERM);
}

TEST(what_is_written_in_grown_memory_is_told)
{
	char *p = watched(16);

	if (mremap(p, 16 * page_size(), 17 * page_size(), 0) != p)
		test_skip("there was no room behind it");
	assert_none_of(p, 17);
	write_pages(p, 16, 17);
	assert_tells(p, 17, 16, 17);
}

TEST(what_was_moved_can_be_watched_anew)
{
	char *p = watched(16);
	char *q = map(16, ANON, -1);

	assert_ptr_equal(mremap(p, 16 * page_size(), 16 * page_size(),
				MREMAP_MAYMOVE | MREMAP_FIXED, q),
			 q);
	write_pages(q, 0, 16);
	assert_int_equal(watch(q, 16), 0);
	ask(q, 16);
	assert_none_told(16);
	write_pages(q, 3, 5);
	ask(q, 16);
	assert_told(3, 5, 16);
}

/* ------------------------------------------------------------ other kinds of memory */

TEST(private_mappings_of_files_can_be_watched)
{
	const int fd = pattern_memfd(16 * page_size(), 0);
	char *p = map(16, MAP_PRIVATE, fd);

	begin_tracking();
	write_pages(p, 0, 8);
	for (size_t i = 0; i < 16; i++)
		(void)read_page(p, i);
	assert_int_equal(watch(p, 16), 0);
	assert_none_of(p, 16);
	write_pages(p, 7, 9);
	assert_tells(p, 16, 7, 9);
	assert_int_equal(madvise(page_of(p, 2), page_size(), MADV_DONTNEED), 0);
	write_pages(p, 2, 3);
	ask(p, 16);
	assert_true(times_told[2]);
	tracking_end(&tracking);
	assert_true(pattern_holds(page_of(p, 12), page_size(), 12 * page_size()));
}

static uint64_t huge_bytes_at(const char *p)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib = 0;
	bool here = false;
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)p >= start && (uintptr_t)p < end;
		else if (here && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			break;
	}
	fclose(smaps);
	return kib << 10;
}

static char *map_huge(size_t pages)
{
	char *p = map((pages + 1) * HUGE_PAGE / page_size(), ANON, -1);

	p = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(p, pages * HUGE_PAGE, MADV_HUGEPAGE);
	for (size_t i = 0; i < pages; i++)
		p[i * HUGE_PAGE] = 1;
	if (huge_bytes_at(p) != pages * HUGE_PAGE)
		test_skip("no huge pages were to be had");
	return p;
}

TEST(huge_pages_stay_whole_and_are_told_every_time)
{
	const size_t in_one = HUGE_PAGE / page_size();
	char *p = map_huge(2);

	begin_tracking();
	assert_int_equal(watch(p, 2 * in_one), 0);
	assert_none_told(2 * in_one);
	ask(p, 2 * in_one);
	assert_told(0, 2 * in_one, 2 * in_one);
	assert_true(told_huge);
	assert_int_equal(ask_whether(p, 2 * in_one, true), 0);
	assert_told(0, 2 * in_one, 2 * in_one);
	/* A range that cuts one must not split it either. */
	assert_int_equal(ask_whether(page_of(p, 3), in_one, true), 0);
	assert_told(0, in_one, in_one);
	p[5] = 1;
	p[HUGE_PAGE] = 1;
	assert_int_equal(huge_bytes_at(p), 2 * HUGE_PAGE);
	tracking_end(&tracking);
	assert_int_equal(huge_bytes_at(p), 2 * HUGE_PAGE);
}

TEST(a_huge_page_that_the_host_splits_is_told)
{
	const size_t in_one = HUGE_PAGE / page_size();
	char *p = map_huge(1);

	begin_tracking();
	assert_int_equal(watch(p, in_one), 0);
	assert_int_equal(madvise(p, page_size(), MADV_DONTNEED), 0);
	assert_int_equal(ask_whether(p, in_one, true), 0);
	assert_told(1, in_one, in_one);
	assert_none_of(p, in_one);
	write_pages(p, 7, 8);
	assert_tells(p, in_one, 7, 8);
}

TEST(pages_of_a_pool_of_huge_pages_are_told_every_time)
{
	char *p = map_huge_pages(HUGE_PAGE);
	const size_t pages = HUGE_PAGE / page_size();

	if (p == MAP_FAILED)
		test_skip("no huge pages in the pool");
	begin_tracking();
	*p = 1;
	if (watch(p, pages))
		return; /* it may be refused */
	assert_int_equal(ask_whether(p, pages, true), 0);
	assert_told(0, pages, pages);
	assert_tells(p, pages, 0, pages);
}

TEST(swapping_changes_nothing)
{
	char *p = watched(16);

	write_pages(p, 4, 6);
	madvise(p, 16 * page_size(), MADV_PAGEOUT);
	ask(p, 16);
	if (!told_swapped)
		test_skip("nothing was swapped out: is there swap?");
	assert_told(4, 6, 16);
	for (size_t i = 0; i < 8; i++)
		(void)read_page(p, i);
	assert_tells(p, 16, 4, 6);
	write_pages(p, 2, 4);
	assert_tells(p, 16, 2, 6);
	madvise(p, 16 * page_size(), MADV_PAGEOUT);
	assert_int_equal(ask_whether(p, 16, true), 0);
	assert_told(2, 6, 16);
	write_pages(p, 5, 6);
	assert_tells(p, 16, 5, 6);
}

/* ---------------------------------------------------------------------- all at once */

static uintptr_t told_end;

static int note_any(const struct tracking_run *run, void *arg UNUSED)
{
	struct pages_run part = run->pages;

	assert_true(part.start >= told_end);
	told_end = part.end;
	/* The walk may go beyond what the test looks at. */
	if (part.start < (uintptr_t)told_base)
		part.start = (uintptr_t)told_base;
	if (part.end > (uintptr_t)told_base + PAGES_MOST * page_size())
		part.end = (uintptr_t)told_base + PAGES_MOST * page_size();
	if (part.start >= part.end)
		return 0;
	told_untracked |= !run->tracked;
	return note(&part, NULL);
}

TEST(one_walk_tells_what_was_written_and_what_is_not_tracked)
{
	char *p = watched(64);

	write_pages(p, 3, 5);
	munmap(page_of(p, 10), page_size());
	assert_int_equal(mprotect(page_of(p, 20), page_size(), PROT_NONE), 0);
	assert_ptr_equal(mmap(page_of(p, 30), 8 * page_size(), RW, ANON | MAP_FIXED, -1,
			      0),
			 page_of(p, 30));
	forget_told(p);
	told_end = 0;
	assert_int_equal(tracking_scan(&tracking, (uintptr_t)p, (uintptr_t)page_of(p, 64),
				       note_any, NULL),
			 0);
	assert_told(3, 5, 64);
	assert_false(told_untracked);
	write_pages(p, 32, 34);
	forget_told(p);
	told_end = 0;
	assert_int_equal(tracking_scan(&tracking, (uintptr_t)p, (uintptr_t)page_of(p, 64),
				       note_any, NULL),
			 0);
	assert_true(told_untracked);
	assert_true(times_told[3] && times_told[4] && times_told[32] && times_told[33]);
	assert_false(times_told[2] || times_told[20] || times_told[31] || times_told[34]);
}

TEST(one_walk_goes_over_the_whole_address_space)
{
	char *p = watched(16);

	write_pages(p, 3, 5);
	forget_told(p);
	told_end = 0;
	assert_int_equal(tracking_scan(&tracking, page_size(),
				       ((uintptr_t)1 << 47) - page_size(), note_any,
				       NULL),
			 0);
	assert_told(3, 5, 16);
	assert_true(told_untracked);
}

static int note_anonymous(const struct tracking_run *run, void *arg)
{
	return run->pages.anonymous ? note_any(run, arg) : 0;
}

TEST(one_walk_tells_which_pages_are_a_files)
{
	const int fd = pattern_memfd(16 * page_size(), 0);
	char *p = map(16, MAP_PRIVATE, fd);

	begin_tracking();
	for (size_t i = 0; i < 16; i++)
		(void)read_page(p, i);
	write_pages(p, 3, 5);
	forget_told(p);
	told_end = 0;
	assert_int_equal(tracking_scan(&tracking, (uintptr_t)p, (uintptr_t)page_of(p, 16),
				       note_anonymous, NULL),
			 0);
	assert_told(3, 5, 16);
}

static int scan_pages(char *p, size_t pages)
{
	forget_told(p);
	told_end = 0;
	return tracking_scan(&tracking, (uintptr_t)p, (uintptr_t)page_of(p, pages), note_any,
			     NULL);
}

TEST(a_walk_over_much_tells_what_was_written)
{
	char *p = watched(PAGES_MOST);

	assert_int_equal(scan_pages(p, PAGES_MOST), 0);
	assert_none_told(PAGES_MOST);
	/* Pages that are not there look as if they were written, until they are looked at. */
	assert_int_equal(madvise(page_of(p, 20), 40 * page_size(), MADV_DONTNEED), 0);
	write_pages(p, 0, 1);
	write_pages(p, 30, 32);
	write_pages(p, 2500, 2501);
	write_pages(p, PAGES_MOST - 1, PAGES_MOST);
	assert_int_equal(scan_pages(p, PAGES_MOST), 0);
	for (size_t i = 0; i < PAGES_MOST; i++)
		assert_int_equal(times_told[i], i == 0 || i == 30 || i == 31 || i == 2500 ||
							i == PAGES_MOST - 1);
	assert_false(told_untracked);
}

TEST(a_walk_over_much_that_is_full_of_holes_tells_what_was_written)
{
	const size_t holes = 1500;
	char *p = watched(PAGES_MOST);

	for (size_t i = 0; i < holes; i++)
		assert_int_equal(madvise(page_of(p, 1000 + 2 * i), page_size(), MADV_DONTNEED),
				 0);
	write_pages(p, 3, 4);
	write_pages(p, 1001, 1002);
	write_pages(p, 3993, 3994);
	assert_int_equal(scan_pages(p, PAGES_MOST), 0);
	for (size_t i = 0; i < PAGES_MOST; i++)
		assert_int_equal(times_told[i], i == 3 || i == 1001 || i == 3993);
}

TEST(a_walk_over_much_tells_all_of_what_is_not_tracked)
{
	char *p = watched(PAGES_MOST);

	assert_ptr_equal(mmap(page_of(p, 1500), 8 * page_size(), RW, ANON | MAP_FIXED, -1,
			      0),
			 page_of(p, 1500));
	/* More than the kernel tells in the call that comes before the one it refuses. */
	for (size_t i = 0; i < 1400; i += 2)
		write_pages(p, i, i + 1);
	write_pages(p, 1502, 1504);
	write_pages(p, 3000, 3001);
	assert_int_equal(scan_pages(p, PAGES_MOST), 0);
	for (size_t i = 0; i < PAGES_MOST; i++)
		assert_int_equal(times_told[i], (i < 1400 && i % 2 == 0) || i == 1502 ||
							i == 1503 || i == 3000);
	assert_true(told_untracked);
}

static int end_as_the_kernel_would(const struct tracking_run *run UNUSED, void *arg)
{
	++*(int *)arg;
	return -EPERM;
}

TEST(what_the_function_returns_ends_the_walk_over_much)
{
	char *p = watched(PAGES_MOST);
	int calls = 0;

	write_pages(p, 7, 8);
	write_pages(p, 9, 10);
	write_pages(p, 3000, 3001);
	assert_int_equal(tracking_scan(&tracking, (uintptr_t)p,
				       (uintptr_t)page_of(p, PAGES_MOST),
				       end_as_the_kernel_would, &calls),
			 -EPERM);
	assert_int_equal(calls, 1);
}

static int stop_at_second(const struct pages_run *run UNUSED, void *arg)
{
	int *calls = arg;

	return ++*calls == 2 ? 77 : 0;
}

TEST(what_the_function_returns_ends_the_walk)
{
	char *p = watched(16);
	const uintptr_t start = (uintptr_t)p, end = (uintptr_t)page_of(p, 16);
	int calls = 0;

	for (size_t i = 0; i < 16; i += 2)
		write_pages(p, i, i + 1);
	assert_int_equal(tracking_written(&tracking, start, end, false, stop_at_second,
					  &calls),
			 77);
	assert_int_equal(calls, 2);
	calls = 0;
	assert_int_equal(tracking_written(&tracking, start, end, true, stop_at_second,
					  &calls),
			 77);
	assert_int_equal(calls, 2);
}
