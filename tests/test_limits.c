/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * At the limits of the system: an error, nothing left behind, and afterwards all works.
 */
#include "support.h"

#include <fcntl.h>
#include <sys/resource.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void *volatile kept;

static void assert_all_works(void)
{
	struct mark mark;

	kept = foster_mmap(NULL, 3 * page_size(), RW, ANON, -1, 0);
	assert_ptr_not_equal(kept, MAP_FAILED);
	memset(kept, 1, 3 * page_size());
	assert_int_equal(foster_close(kept), 0);
	kept = NULL;
	mark = make_dropped(2);
	assert_goes(&mark);
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

/* ------------------------------------------------------------------------ descriptors */

TEST(without_a_descriptor_left_a_file_cannot_be_mapped)
{
	char path[PATH_MAX];
	struct rlimit before;
	int last;

	close(pattern_file(path, 100));
	assert_int_equal(foster_init(NULL), 0);
	last = open("/dev/null", O_RDONLY);
	before = limit_to(RLIMIT_NOFILE, (rlim_t)last);
	assert_null_with(EMFILE, foster_map_file(path, NULL));
	kept = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
	assert_ptr_not_equal(kept, MAP_FAILED);
	assert_true(foster_collect(20000) >= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(last);
	kept = foster_map_file(path, NULL);
	assert_non_null(kept);
	unlink(path);
	assert_all_works();
}

/* ---------------------------------------------------------------------- address space */

TEST(without_address_space_left_mapping_fails_and_works_afterwards)
{
	struct rlimit before;
	struct foster_stats stats;

	assert_int_equal(foster_init(NULL), 0);
	kept = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
	stats = stats_now();
	before =
		limit_to(RLIMIT_AS, (rlim_t)(status_figure("VmSize") << 10) + (16 << 20));
	assert_map_fails(ENOMEM, foster_mmap(NULL, (size_t)512 << 20, RW, ANON, -1, 0));
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_int_equal(stats_now().mapped, stats.mapped);
	assert_int_equal(stats_now().regions, stats.regions);
	assert_true(stats_now().retried >= stats.retried + 1);
	assert_all_works();
}

static NOINLINE void drop_mib(size_t mib)
{
	char *p = foster_mmap(NULL, mib << 20, RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	*p = 1;
}

/* What is unreachable makes room, without the program asking. */
TEST(without_address_space_left_unreachable_regions_make_room)
{
	const struct foster_options options = { .size = sizeof(options),
						.collect_mib = 1 << 20,
						.collect_regions = 1 << 30,
						.idle_collect_ms = FOSTER_NEVER };
	struct rlimit before;

	assert_int_equal(foster_init(&options), 0);
	drop_mib(32);
	before = limit_to(RLIMIT_AS,
			  (rlim_t)(status_figure("VmSize") << 10) + (200 << 20));
	for (int i = 0; i < 60; i++) {
		drop_mib(16);
		forget();
	}
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_all_works();
}

static void *do_nothing(void *arg UNUSED)
{
	return NULL;
}

static void *map_unseen(void *arg UNUSED)
{
	errno = 0;
	kept = foster_mmap(NULL, (size_t)512 << 20, RW, ANON, -1, 0);
	child_check(kept == MAP_FAILED && errno == ENOMEM);
	return NULL;
}

TEST(without_address_space_left_an_unknown_thread_is_refused)
{
	struct rlimit before;
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	/* A first thread, so that a stack is there. */
	on_plain_thread(do_nothing, NULL);
	before =
		limit_to(RLIMIT_AS, (rlim_t)(status_figure("VmSize") << 10) + (32 << 20));
	thread = thread_begin(map_unseen, NULL);
	thread_end(thread);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_all_works();
}

TEST(where_no_thread_can_be_started_foster_does_not_start)
{
	struct rlimit before;

	/*
	 * Room for no stack of a thread.  The collector itself must not start in such
	 * need.
	 */
	GC_INIT();
	GC_allow_register_threads();
	before = limit_to(RLIMIT_AS, (rlim_t)(status_figure("VmSize") << 10));
	assert_true(foster_init(NULL) < 0);
	assert_ptr_equal(foster_mmap(NULL, page_size(), RW, ANON, -1, 0), MAP_FAILED);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_int_equal(foster_init(NULL), 0);
	assert_all_works();
}

/* --------------------------------------------------------------------------- mappings */

#define REGIONS_MOST 70000

static NOINLINE size_t map_until_refused(char *volatile *region)
{
	size_t n = 0;

	while (n < REGIONS_MOST) {
		char *p = foster_mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS,
				      -1, 0);

		if (p == MAP_FAILED)
			break;
		*p = (char)n;
		region[n++] = p;
	}
	return n;
}

static NOINLINE bool contents_hold(char *volatile *region, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (*region[i] != (char)i)
			return false;
	return true;
}

static bool all_are_gone(void *arg UNUSED)
{
	return stats_now().regions <= 2;
}

static char *volatile region[REGIONS_MOST];

TEST_WITHIN(without_mappings_left_mapping_fails_and_works_afterwards, 180)
{
	size_t n;
	int error;

	n = map_until_refused(region);
	error = errno;
	test_say("%zu regions, %zu mappings", n, maps_count());
	if (n == REGIONS_MOST)
		test_skip("this system allows more mappings than the test makes");
	assert_int_equal(error, ENOMEM);
	assert_true(n > 25000);
	assert_true(contents_hold(region, n));
	assert_int_equal(stats_now().regions, n);
	collect_times(2);
	assert_int_equal(stats_now().regions, n);
	assert_true(contents_hold(region, n));
	memset((void *)region, 0, sizeof(region));
	forget();
	assert_true(collecting_until(all_are_gone, NULL, ROUNDS));
	assert_true(maps_count() < 20000);
	assert_int_equal(stats_now().abandoned, 0);
	assert_all_works();
}

/* Closing needs no new mapping, or says so; it never loses one. */
TEST_WITHIN(without_mappings_left_regions_can_be_closed, 180)
{
	size_t n = map_until_refused(region), closed = 0;

	if (n == REGIONS_MOST)
		test_skip("this system allows more mappings than the test makes");
	for (size_t i = 0; i < n; i++) {
		const int r = foster_close(region[i]);

		assert_true(r == 0 || r == -ENOMEM);
		closed += r == 0;
	}
	assert_true(closed > n / 2);
	assert_int_equal(stats_now().closed, closed);
	memset((void *)region, 0, sizeof(region));
	forget();
	assert_true(collecting_until(all_are_gone, NULL, ROUNDS));
	assert_all_works();
}

TEST_WITHIN(without_mappings_left_pages_can_be_revoked_or_an_error_is_told, 180)
{
	char *big = foster_mmap(NULL, 64 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS,
				-1, 0);
	size_t n, revoked = 0;

	assert_ptr_not_equal(big, MAP_FAILED);
	kept = big;
	n = map_until_refused(region);
	if (n == REGIONS_MOST)
		test_skip("this system allows more mappings than the test makes");
	for (size_t i = 1; i < 64; i += 2) {
		struct foster_info info = FOSTER_INFO_INIT;
		const int r = foster_munmap(big + i * page_size(), page_size());

		assert_true(r == 0 || r == -ENOMEM);
		revoked += r == 0;
		assert_int_equal(foster_info(big, &info), 0);
		assert_int_equal(info.revoked, revoked * page_size());
	}
	assert_true(contents_hold(region, n));
	memset((void *)region, 0, sizeof(region));
	forget();
	collect_times(ROUNDS);
	assert_int_equal(foster_close(big), 0);
	assert_all_works();
}

/* Foster knows the limit and collects before it is reached. */
TEST_WITHIN(dropped_regions_never_reach_the_limit_of_mappings, 180)
{
	const size_t live = 20000;

	for (size_t i = 0; i < live; i++) {
		region[i] = foster_mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS,
					-1, 0);
		assert_ptr_not_equal(region[i], MAP_FAILED);
	}
	for (size_t i = 0; i < 50000; i++) {
		char *p = foster_mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS,
				      -1, 0);

		assert_ptr_not_equal(p, MAP_FAILED);
		*p = 1;
	}
	assert_true(stats_now().regions < 32000);
}
