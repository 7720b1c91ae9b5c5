/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages hold something, in the two ways that the kernel can be asked. */
#include "support.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "os/pages.h"
#include "refuse.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RUNS_MOST 4096
#define HUGE_PAGE ((size_t)2 << 20)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static struct pages_run runs[RUNS_MOST];
static size_t runs_count;

#define GUARD (1u << 8) /* PAGE_IS_GUARD: Linux 6.15 */

/* Has the kernel the ioctl, and these categories? */
static bool can_ask_for(uint64_t categories)
{
	const uint64_t arg[12] = { sizeof(arg), [11] = categories };
	int fd = open("/proc/self/pagemap", O_RDONLY);
	bool can = syscall(SYS_ioctl, fd, REFUSE_PAGEMAP_SCAN, arg) == 0;

	close(fd);
	return can;
}

static bool tells_guards;

/* From here on as on a kernel before 6.7. */
static void only_by_reading(void)
{
	tells_guards = can_ask_for(GUARD);
	refuse(SYS_ioctl, REFUSE_PAGEMAP_SCAN, ENOTTY);
}

/* The same behaviour, asked by the ioctl and by reading. */
#define TEST_BOTH_WAYS(name)            \
	static void check_##name(void); \
	TEST(name)                      \
	{                               \
		check_##name();         \
	}                               \
	TEST(name##_by_reading)         \
	{                               \
		only_by_reading();      \
		check_##name();         \
	}                               \
	static void check_##name(void)

static int collect(const struct pages_run *run, void *arg UNUSED)
{
	assert_true(runs_count < RUNS_MOST);
	runs[runs_count++] = *run;
	return 0;
}

static void ask(const void *p, size_t pages)
{
	runs_count = 0;
	assert_int_equal(pages_held((uintptr_t)p, (uintptr_t)p + pages * page_size(),
				    collect, NULL, PAGES_FILES),
			 0);
}

/* Run i lies at these pages of p. */
static void assert_run(size_t i, const char *p, size_t first, size_t end)
{
	assert_true(i < runs_count);
	assert_int_equal(runs[i].start, (uintptr_t)p + first * page_size());
	assert_int_equal(runs[i].end, (uintptr_t)p + end * page_size());
}

static char *map(size_t pages, int flags, int fd)
{
	char *p = mmap(NULL, pages * page_size(), RW, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* Private memory in small pages. */
static char *map_anon(size_t pages)
{
	char *p = map(pages, ANON, -1);

	madvise(p, pages * page_size(), MADV_NOHUGEPAGE);
	return p;
}

static void write_pages(char *p, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		*(volatile char *)(p + i * page_size()) = 1;
}

static char read_page(const char *p, size_t i)
{
	return *(const volatile char *)(p + i * page_size());
}

/* ------------------------------------------------------------------- private memory */

TEST_BOTH_WAYS(written_pages_are_held_and_no_others)
{
	char *p = map_anon(16);

	ask(p, 16);
	assert_int_equal(runs_count, 0);
	write_pages(p, 2, 5);
	write_pages(p, 9, 10);
	ask(p, 16);
	assert_int_equal(runs_count, 2);
	assert_run(0, p, 2, 5);
	assert_run(1, p, 9, 10);
	assert_true(runs[0].anonymous);
	assert_false(runs[0].swapped);
	assert_false(runs[0].huge);
}

TEST_BOTH_WAYS(a_run_is_cut_at_the_ends_of_the_range)
{
	char *p = map_anon(16);

	write_pages(p, 0, 16);
	ask(p + 3 * page_size(), 5);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 3, 8);
}

TEST(pages_that_were_only_read_are_not_held)
{
	char *p = map_anon(8);

	if (!can_ask_for(0))
		test_skip("this kernel does not tell the zero page");
	for (size_t i = 0; i < 8; i++)
		(void)read_page(p, i);
	write_pages(p, 4, 5);
	ask(p, 8);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 4, 5);
}

TEST_BOTH_WAYS(protection_does_not_hide_what_is_held)
{
	char *p = map_anon(12);

	write_pages(p, 0, 12);
	assert_int_equal(mprotect(p, 4 * page_size(), PROT_NONE), 0);
	assert_int_equal(mprotect(p + 4 * page_size(), 4 * page_size(), PROT_READ), 0);
	ask(p, 12);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 0, 12);
}

/* Of 8 pages at p those of [first, end) are not held. */
static void assert_held_but(char *p, size_t first, size_t end)
{
	ask(p, 8);
	assert_int_equal(runs_count, 2);
	assert_run(0, p, 0, first);
	assert_run(1, p, end, 8);
}

TEST_BOTH_WAYS(pages_that_were_given_back_are_not_held)
{
	char *p = map_anon(8);

	write_pages(p, 0, 8);
	assert_int_equal(madvise(p + 2 * page_size(), 3 * page_size(), MADV_DONTNEED), 0);
	assert_held_but(p, 2, 5);
}

TEST_BOTH_WAYS(holes_are_passed_over)
{
	char *p = map_anon(8);

	write_pages(p, 0, 8);
	assert_int_equal(munmap(p + 3 * page_size(), 2 * page_size()), 0);
	assert_held_but(p, 3, 5);
}

TEST_BOTH_WAYS(guard_pages_are_left_out)
{
	char *p = map_anon(8);

	write_pages(p, 0, 8);
	if (madvise(p + 2 * page_size(), page_size(), MADV_GUARD_INSTALL))
		test_skip("no guard pages here (Linux 6.13)");
	if (!tells_guards && !can_ask_for(GUARD))
		test_skip("this kernel does not tell guard pages (Linux 6.15)");
	assert_held_but(p, 2, 3);
}

/* More runs than one call of the kernel tells. */
TEST_BOTH_WAYS(runs_beyond_one_buffer_are_all_told)
{
	const size_t count = 3000;
	char *p = map_anon(2 * count);

	for (size_t i = 0; i < count; i++)
		write_pages(p, 2 * i, 2 * i + 1);
	ask(p, 2 * count);
	assert_int_equal(runs_count, count);
	for (size_t i = 0; i < count; i++)
		assert_run(i, p, 2 * i, 2 * i + 1);
}

/* More pages than one call of the kernel looks at. */
TEST_BOTH_WAYS(a_run_beyond_one_buffer_is_told_as_one)
{
	const size_t pages = 70000;
	char *p = map_anon(pages);

	write_pages(p, 0, pages);
	ask(p, pages);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 0, pages);
}

static int stop_at_second(const struct pages_run *run UNUSED, void *arg)
{
	int *calls = arg;

	return ++*calls == 2 ? 77 : 0;
}

TEST_BOTH_WAYS(what_the_function_returns_ends_the_walk)
{
	char *p = map_anon(8);
	int calls = 0;

	for (size_t i = 0; i < 8; i += 2)
		write_pages(p, i, i + 1);
	assert_int_equal(pages_held((uintptr_t)p, (uintptr_t)p + 8 * page_size(),
				    stop_at_second, &calls, PAGES_FILES),
			 77);
	assert_int_equal(calls, 2);
}

TEST(a_large_reservation_costs_nothing)
{
	const size_t bytes = (size_t)1 << 40;
	char *p = map_reservation(bytes);
	uint64_t start;

	if (!can_ask_for(0))
		test_skip("no PAGEMAP_SCAN (Linux 6.7)");
	assert_int_equal(mprotect(p + bytes / 2, page_size(), RW), 0);
	write_pages(p + bytes / 2, 0, 1);
	start = now_ms();
	ask(p, bytes / page_size());
	assert_true(now_ms() - start < 200);
	assert_int_equal(runs_count, 1);
	assert_run(0, p + bytes / 2, 0, 1);
}

/* --------------------------------------------------------------------- other memory */

TEST_BOTH_WAYS(only_written_pages_of_a_private_file_mapping_are_anonymous)
{
	const int fd = pattern_memfd(8 * page_size(), 0);
	char *p = map(8, MAP_PRIVATE, fd);

	for (size_t i = 0; i < 6; i++)
		(void)read_page(p, i);
	write_pages(p, 2, 4);
	ask(p, 8);
	assert_true(runs_count >= 3); /* the kernel may map in more than was asked for */
	assert_run(0, p, 0, 2);
	assert_run(1, p, 2, 4);
	assert_false(runs[0].anonymous);
	assert_true(runs[1].anonymous);
	assert_false(runs[2].anonymous);
}

TEST(a_files_pages_are_not_told_apart_unless_asked)
{
	const int fd = pattern_memfd(8 * page_size(), 0);
	char *p = mmap(NULL, 8 * page_size(), RW, MAP_PRIVATE, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < 8; i++)
		(void)*(volatile char *)(p + i * page_size());
	write_pages(p, 3, 5);
	ask(p, 8);
	assert_int_equal(runs_count, 3);
	runs_count = 0;
	assert_int_equal(pages_held((uintptr_t)p, (uintptr_t)p + 8 * page_size(), collect,
				    NULL, 0),
			 0);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 0, 8);
}

TEST_BOTH_WAYS(shared_memory_is_not_anonymous)
{
	char *p = map(4, MAP_SHARED | MAP_ANONYMOUS, -1);

	write_pages(p, 1, 3);
	ask(p, 4);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 1, 3);
	assert_false(runs[0].anonymous);
}

/* Why os/resident.h is asked about shared memory. */
TEST_BOTH_WAYS(shared_memory_that_is_not_mapped_in_is_not_told)
{
	char *p = map(4, MAP_SHARED | MAP_ANONYMOUS, -1);

	write_pages(p, 0, 4);
	assert_int_equal(madvise(p, 4 * page_size(), MADV_DONTNEED), 0);
	ask(p, 4);
	assert_int_equal(runs_count, 0);
	assert_int_equal(read_page(p, 0), 1);
}

TEST(huge_pages_are_told)
{
	char *p = map(3 * HUGE_PAGE / page_size(), ANON, -1);

	if (!can_ask_for(0))
		test_skip("no PAGEMAP_SCAN (Linux 6.7)");
	p = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(p, HUGE_PAGE, MADV_HUGEPAGE);
	madvise(p + HUGE_PAGE, HUGE_PAGE, MADV_NOHUGEPAGE);
	write_pages(p, 0, HUGE_PAGE / page_size() + 3);
	ask(p, 2 * HUGE_PAGE / page_size());
	if (runs_count == 1)
		test_skip("no huge page was to be had");
	assert_int_equal(runs_count, 2);
	assert_run(0, p, 0, HUGE_PAGE / page_size());
	assert_run(1, p, HUGE_PAGE / page_size(), HUGE_PAGE / page_size() + 3);
	assert_true(runs[0].huge);
	assert_true(runs[0].anonymous);
	assert_false(runs[1].huge);
}

TEST(pages_of_a_pool_of_huge_pages_are_told)
{
	char *p = map_huge_pages(2 * HUGE_PAGE);

	if (p == MAP_FAILED)
		test_skip("no huge pages in the pool");
	if (!can_ask_for(0))
		test_skip("no PAGEMAP_SCAN (Linux 6.7)");
	write_pages(p, 0, 1);
	ask(p, 2 * HUGE_PAGE / page_size());
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 0, HUGE_PAGE / page_size());
	assert_true(runs[0].huge);
	assert_true(runs[0].anonymous);
}

TEST_BOTH_WAYS(swapped_pages_are_told)
{
	char *p = map_anon(8);

	write_pages(p, 0, 8);
	madvise(p + 2 * page_size(), 2 * page_size(), MADV_PAGEOUT);
	ask(p, 8);
	if (runs_count == 1)
		test_skip("nothing was swapped out: is there swap?");
	assert_int_equal(runs_count, 3);
	assert_run(1, p, 2, 4);
	assert_true(runs[1].swapped);
	assert_true(runs[1].anonymous);
	assert_false(runs[2].swapped);
}

/* --------------------------------------------------------------------- whose memory */

/* What the child sees of pages that the parent has written, and it has not. */
static void assert_copy_sees_itself(bool own)
{
	char *p = map_anon(8);
	pid_t child;
	int status;

	pages_open();
	write_pages(p, 0, 2);
	child = fork();
	if (child == 0) {
		write_pages(p, 5, 6);
		munmap(p, page_size());
		if (!own)
			pages_after_fork();
		runs_count = 0;
		child_check(pages_held((uintptr_t)p, (uintptr_t)p + 8 * page_size(),
				       collect, NULL,
				       PAGES_FILES | (own ? PAGES_OWN : 0u)) == 0);
		child_check(runs_count == 2);
		child_check(runs[0].start == (uintptr_t)p + page_size());
		child_check(runs[1].start == (uintptr_t)p + 5 * page_size());
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	ask(p, 8);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 0, 2);
}

TEST_BOTH_WAYS(a_copy_of_the_process_sees_itself)
{
	assert_copy_sees_itself(true);
}

TEST_BOTH_WAYS(a_forked_child_sees_itself)
{
	assert_copy_sees_itself(false);
}

TEST_BOTH_WAYS(asking_as_a_copy_leaves_no_descriptor)
{
	char *p = map_anon(2);
	size_t before;

	write_pages(p, 0, 1);
	before = fd_count();
	runs_count = 0;
	assert_int_equal(pages_held((uintptr_t)p, (uintptr_t)p + 2 * page_size(), collect,
				    NULL, PAGES_OWN | PAGES_FILES),
			 0);
	assert_int_equal(runs_count, 1);
	assert_int_equal(fd_count(), before);
}

static int ask_in_companion(void *p)
{
	runs_count = 0;
	return pages_held((uintptr_t)p, (uintptr_t)p + 8 * page_size(), collect, NULL,
			  PAGES_FILES);
}

static void run_companion(char *p)
{
	static char stack[256 << 10] __attribute__((aligned(64)));
	pid_t pid;
	int status;

	pid = clone(ask_in_companion, stack + sizeof(stack),
		    CLONE_VM | CLONE_FILES | SIGCHLD, p);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(runs_count, 1);
	assert_run(0, p, 3, 4);
}

TEST_BOTH_WAYS(a_companion_sees_the_process)
{
	char *p = map_anon(8);

	write_pages(p, 3, 4);
	run_companion(p); /* opens the descriptor itself, which outlives it */
	ask(p, 8);
	assert_int_equal(runs_count, 1);
	run_companion(p);
}

/* ---------------------------------------------------------------------- descriptors */

TEST(a_host_that_closes_all_descriptors_does_no_harm)
{
	char *p = map_anon(4);
	int stranger = -1;

	write_pages(p, 1, 2);
	ask(p, 4);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	/* The numbers are the host's now. */
	while (stranger < 1000)
		stranger = open("/dev/null", O_RDONLY);
	ask(p, 4);
	assert_int_equal(runs_count, 1);
	pages_after_fork();
	for (int fd = 3; fd <= stranger; fd++)
		assert_true(fcntl(fd, F_GETFD) >= 0);
}

static void allow_descriptors(rlim_t most)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST(who_asks_for_the_question_gets_no_reading)
{
	char *p = map_anon(4);
	const uintptr_t start = (uintptr_t)p, end = start + 4 * page_size();

	write_pages(p, 1, 2);
	only_by_reading();
	assert_true(pages_held(start, end, collect, NULL, PAGES_FILES | PAGES_SCANNED) < 0);
	assert_int_equal(runs_count, 0);
}

TEST(without_a_descriptor_left_it_is_an_error)
{
	char *p = map_anon(4);
	const uintptr_t start = (uintptr_t)p, end = start + 4 * page_size();

	write_pages(p, 1, 2);
	allow_descriptors(0);
	assert_int_equal(pages_held(start, end, collect, NULL, PAGES_FILES), -EMFILE);
	assert_int_equal(pages_held(start, end, collect, NULL, PAGES_OWN | PAGES_FILES), -EMFILE);
	allow_descriptors(1024);
	ask(p, 4);
	assert_int_equal(runs_count, 1);
	allow_descriptors(0);
	ask(p, 4);
	assert_int_equal(runs_count, 1);
}

TEST(what_was_opened_works_after_privileges_are_dropped)
{
	char *p = map_anon(4);

	if (geteuid() != 0)
		test_skip("only root can become somebody else");
	write_pages(p, 1, 2);
	pages_open();
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setgid(65534), 0);
	assert_int_equal(setuid(65534), 0);
	ask(p, 4);
	assert_int_equal(runs_count, 1);
	assert_int_equal(pages_held((uintptr_t)p, (uintptr_t)p + 4 * page_size(), collect,
				    NULL, PAGES_OWN | PAGES_FILES),
			 -EACCES);
}

TEST(errno_is_left_alone)
{
	char *p = map_anon(4);

	write_pages(p, 0, 1);
	allow_descriptors(0);
	errno = 4711;
	assert_int_equal(pages_held((uintptr_t)p, (uintptr_t)p + 4 * page_size(), collect,
				    NULL, PAGES_FILES),
			 -EMFILE);
	assert_int_equal(errno, 4711);
}

/* ------------------------------------------------------------------ both ways agree */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Pages in every state that both ways can tell. */
static void disturb(char *p, size_t pages, uint32_t *seed)
{
	for (int i = 0; i < 600; i++) {
		size_t first = next_random(seed) % pages;
		size_t count = 1 + next_random(seed) % 24;
		char *at = p + first * page_size();

		if (count > pages - first)
			count = pages - first;
		switch (next_random(seed) % 8) {
		case 0:
			munmap(at, count * page_size());
			break;
		case 1:
			mprotect(at, count * page_size(), PROT_NONE);
			break;
		case 2:
			mprotect(at, count * page_size(), PROT_READ);
			break;
		case 3:
			madvise(at, count * page_size(), MADV_DONTNEED);
			break;
		default:
			if (mprotect(at, count * page_size(), RW) == 0)
				write_pages(at, 0, count);
		}
	}
}

TEST(both_ways_agree_on_a_random_layout)
{
	const size_t pages = 4000, parts = 4;
	const int fd = pattern_memfd(pages / parts * page_size(), 0);
	const int flags[] = { ANON, MAP_PRIVATE, MAP_SHARED, ANON };
	static struct pages_run by_ioctl[RUNS_MOST];
	uint32_t seed = 20;
	size_t count;
	char *p = map_anon(pages);

	if (!can_ask_for(0))
		test_skip("no PAGEMAP_SCAN (Linux 6.7)");
	for (size_t i = 0; i < parts; i++)
		assert_ptr_not_equal(mmap(p + i * (pages / parts) * page_size(),
					  pages / parts * page_size(), RW,
					  flags[i] | MAP_FIXED,
					  flags[i] & MAP_ANONYMOUS ? -1 : fd, 0),
				     MAP_FAILED);
	madvise(p, pages * page_size(), MADV_NOHUGEPAGE);
	disturb(p, pages, &seed);
	ask(p, pages);
	count = runs_count;
	memcpy(by_ioctl, runs, sizeof(runs));
	only_by_reading();
	ask(p, pages);
	assert_true(count > 100);
	assert_int_equal(runs_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(runs[i].start, by_ioctl[i].start);
		assert_int_equal(runs[i].end, by_ioctl[i].end);
		assert_int_equal(runs[i].anonymous, by_ioctl[i].anonymous);
		assert_int_equal(runs[i].swapped, by_ioctl[i].swapped);
	}
}

/* A kernel of another age knows the ioctl, and not each category. */
TEST(a_refused_ioctl_is_replaced_whatever_the_reason)
{
	static const unsigned int reasons[] = { ENOTTY, EINVAL, ENOSYS, EPERM, EACCES };
	char *p = map_anon(4);

	write_pages(p, 1, 2);
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			refuse(SYS_ioctl, REFUSE_PAGEMAP_SCAN, reasons[i]);
			pages_after_fork();
			runs_count = 0;
			child_check(pages_held((uintptr_t)p,
					       (uintptr_t)p + 4 * page_size(), collect,
					       NULL, PAGES_FILES) == 0);
			child_check(runs_count == 1);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}
