/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others see of the tracking: children, and the host after its end; and where it is
 * refused.
 */
#include "watched.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "refuse.h"

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* ----------------------------------------------------------------------------- fork */

TEST(what_a_child_writes_is_not_told_and_what_the_parent_writes_is)
{
	char *p = watched(16);
	int pipes[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		tracking_after_fork(&tracking);
		write_pages(p, 0, 4);
		child_check(write(pipes[1], p, 1) == 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	ask(p, 16);
	assert_none_told(16);
	write_pages(p, 8, 10); /* copied: the child has the page too */
	ask(p, 16);
	assert_told(8, 10, 16);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	write_pages(p, 11, 12); /* it has the page alone again */
	ask(p, 16);
	assert_true(times_told[11]);
}

TEST(a_child_has_no_trace_of_it)
{
	char *p = watched(16);
	pid_t child = fork();
	int status;

	if (child == 0) {
		size_t before = fd_count();

		child_check(!is_registered(p));
		tracking_after_fork(&tracking);
		child_check(fd_count() == before - 1);
		tracking_end(&tracking);
		write_pages(p, 0, 16);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(is_registered(p));
	write_pages(p, 3, 4);
	ask(p, 16);
	assert_told(3, 4, 16);
}

/* -------------------------------------------------------------------------- the end */

/*
 * A child that keeps the descriptor open, so that its end does not do what tracking_end()
 * must.
 */
static pid_t begin_holder(void)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	return child;
}

static void end_holder(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static long faults_now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

TEST(the_end_leaves_no_trace)
{
	char *p = watched(16);
	size_t descriptors, mappings;

	assert_true(is_registered(p));
	tracking_end(&tracking);
	assert_false(is_registered(p));
	descriptors = fd_count();
	mappings = maps_count();
	begin_tracking();
	assert_int_equal(watch(p, 16), 0);
	write_pages(p, 5, 10);
	tracking_end(&tracking);
	assert_int_equal(maps_count(), mappings);
	assert_int_equal(fd_count(), descriptors);
}

TEST(after_the_end_writing_costs_no_faults)
{
	char *p = watched(PAGES_MOST);
	long faults;

	tracking_end(&tracking);
	faults = faults_now();
	write_pages(p, 0, PAGES_MOST);
	assert_true(faults_now() - faults < 20);
}

/*
 * Mappings that are made beside a watched one cannot become one with it before the end.
 */
TEST(mappings_merge_again_after_the_end)
{
	char *p = watched(32);
	size_t mappings = maps_count();

	munmap(page_of(p, 16), 16 * page_size());
	assert_ptr_equal(mmap(page_of(p, 16), page_size(), RW, ANON | MAP_FIXED, -1, 0),
			 page_of(p, 16));
	madvise(page_of(p, 16), page_size(), MADV_NOHUGEPAGE);
	assert_int_equal(maps_count(), mappings + 1);
	tracking_end(&tracking);
	assert_int_equal(maps_count(), mappings);
}

TEST(the_end_leaves_no_trace_while_a_child_holds_the_descriptor)
{
	char *p = watched(16);
	pid_t child = begin_holder();

	tracking_end(&tracking);
	assert_false(is_registered(p));
	end_holder(child);
}

TEST(the_end_reaches_all_parts_of_what_was_watched)
{
	char *p = watched(64), *q = watched(16), *far;
	pid_t child;

	munmap(page_of(p, 8), 8 * page_size());
	assert_int_equal(mprotect(page_of(p, 32), 8 * page_size(), PROT_READ), 0);
	far = mmap(page_of(p, 40), 4 * page_size(), RW,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_equal(far, page_of(p, 40));
	child = begin_holder();
	tracking_end(&tracking);
	assert_false(is_registered(p));
	assert_false(is_registered(page_of(p, 20)));
	assert_false(is_registered(page_of(p, 33)));
	assert_false(is_registered(page_of(p, 50)));
	assert_false(is_registered(q));
	end_holder(child);
}

TEST(the_end_may_come_twice_and_without_a_beginning)
{
	struct tracking never = { 0 };
	size_t descriptors;

	tracking_end(&never);
	tracking_after_fork(&never);
	watched(16);
	tracking_end(&tracking);
	descriptors = fd_count();
	tracking_end(&tracking);
	assert_int_equal(fd_count(), descriptors);
	assert_true(fcntl(0, F_GETFD) >= 0);
}

TEST(the_end_does_not_close_what_is_not_ours)
{
	char *p = watched(16);
	int stranger = -1, fd = tracking.faults.fd;

	for (int i = 3; i < 1024; i++)
		close(i);
	while (stranger < fd)
		stranger = open("/dev/null", O_RDONLY);
	tracking_end(&tracking);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	/* The kernel did the rest when the descriptor was closed. */
	assert_false(is_registered(p));
}

/* A mapping cannot be split there, which the end does while it goes step by step. */
TEST(the_end_works_at_the_limit_of_mappings)
{
	const size_t pages = 3 * 8192;
	char *p = watched(pages), *filler;
	pid_t child;
	size_t i;

	filler = mmap(NULL, 200000 * page_size(), PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(filler, MAP_FAILED);
	for (i = 0; i < 200000; i += 2)
		if (mprotect(page_of(filler, i), page_size(), PROT_READ))
			break;
	if (i >= 200000)
		test_skip("the limit of mappings is too high to reach");
	child = begin_holder();
	tracking_end(&tracking);
	munmap(filler, 1000 * page_size());
	munmap(filler, 200000 * page_size());
	assert_false(is_registered(p));
	end_holder(child);
}

/* ------------------------------------------------------------- others' userfaultfds */

static int strangers_userfaultfd(char *p, size_t pages)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, pages * page_size() },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	return fd;
}

TEST(memory_under_a_stranger_is_refused_and_stays_the_strangers)
{
	char *p = watched(16), *q = map(16, ANON, -1);
	int fd = strangers_userfaultfd(q, 8);

	assert_int_equal(watch(q, 8), -EBUSY);
	assert_int_equal(watch(q, 16), -EBUSY);
	assert_int_equal(watch(page_of(q, 8), 8), 0);
	tracking_end(&tracking);
	assert_true(is_registered(q));
	assert_false(is_registered(page_of(q, 8)));
	assert_false(is_registered(p));
	close(fd);
}

TEST(nothing_is_watched_where_a_part_is_refused)
{
	char *p = watched(4), *q = map(16, ANON, -1);
	int fd = strangers_userfaultfd(page_of(q, 8), 8);

	assert_int_equal(watch(q, 16), -EBUSY);
	assert_false(is_registered(q));
	assert_int_equal(watch(p, 4), 0);
	close(fd);
}

TEST(a_range_without_memory_is_refused)
{
	char *p = watched(16);

	munmap(p, 16 * page_size());
	assert_true(watch(p, 16) < 0);
}

/* ------------------------------------------------------------------------- refusals */

static void allow_descriptors(rlim_t most)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void assert_refused(int error)
{
	size_t before;

	pages_open();
	before = fd_count();
	assert_int_equal(tracking_begin(&tracking), -error);
	assert_int_equal(fd_count(), before);
	tracking_end(&tracking);
	assert_int_equal(fd_count(), before);
}

TEST(without_a_descriptor_left_it_does_not_begin)
{
	if (!tracking_works())
		test_skip("no write tracking here (Linux 6.7)");
	pages_open();
	allow_descriptors(0);
	assert_int_equal(tracking_begin(&tracking), -EMFILE);
	tracking_end(&tracking);
	allow_descriptors(1024);
	watched(4);
	tracking_end(&tracking);
}

/* A want that may pass is not remembered. */
TEST(whether_it_works_is_found_again_after_a_passing_failure)
{
	bool works;

	allow_descriptors(0);
	assert_false(tracking_works());
	allow_descriptors(1024);
	works = tracking_works();
	if (!works)
		test_skip("no write tracking here (Linux 6.7)");
	allow_descriptors(0);
	assert_true(tracking_works());
}

TEST(where_the_system_call_is_refused_it_does_not_work)
{
	refuse(SYS_userfaultfd, 0, EPERM);
	assert_false(tracking_works());
	assert_refused(EPERM);
}

TEST(where_the_system_call_is_missing_it_does_not_work)
{
	refuse(SYS_userfaultfd, 0, ENOSYS);
	assert_false(tracking_works());
	assert_refused(ENOSYS);
}

TEST(where_pages_cannot_be_asked_about_it_does_not_work)
{
	refuse(SYS_ioctl, REFUSE_PAGEMAP_SCAN, ENOTTY);
	assert_false(tracking_works());
	assert_refused(ENOSYS);
}

TEST(where_the_feature_is_missing_it_does_not_work)
{
	refuse(SYS_ioctl, (uint32_t)UFFDIO_API, EINVAL);
	assert_false(tracking_works());
	assert_refused(ENOSYS);
}

TEST(where_registering_is_refused_nothing_is_watched)
{
	char *p;

	begin_tracking();
	p = map(4, ANON, -1);
	refuse(SYS_ioctl, (uint32_t)UFFDIO_REGISTER, ENOMEM);
	assert_int_equal(watch(p, 4), -ENOMEM);
	assert_false(is_registered(p));
}
