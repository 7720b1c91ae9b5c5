/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that maps, uses and drops, and never asks for a collection nor allocates from
 * the collector, stays flat in mappings, address space, memory and heap.
 */
#include "support.h"

#include <fcntl.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

struct figures {
	size_t mappings;
	uint64_t size_kib, rss_kib;
	size_t heap;
};

static struct figures figures_now(void)
{
	return (struct figures){ maps_count(), status_figure("VmSize"),
				 status_figure("VmRSS"), GC_get_heap_size() };
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void raise_to(struct figures *most, const struct figures *now)
{
	most->mappings = higher(most->mappings, now->mappings);
	most->size_kib = higher(most->size_kib, now->size_kib);
	most->rss_kib = higher(most->rss_kib, now->rss_kib);
	most->heap = higher(most->heap, now->heap);
}

#define TOUCHED 8 /* pages of a region */
#define LOT 1024  /* regions, by default, before foster looks for dropped ones */

typedef void make_fn(size_t bytes, size_t n);

static NOINLINE void make_anon(size_t bytes, size_t n)
{
	const size_t step = bytes > TOUCHED * page_size() ? bytes / TOUCHED : page_size();
	size_t *p = foster_mmap(NULL, bytes, RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	if (p[0] || p[bytes / sizeof(*p) - 1])
		fail_msg("not zero");
	for (size_t i = 0; i < bytes; i += step)
		p[i / sizeof(*p)] = n;
}

static char path[PATH_MAX];

static NOINLINE void make_file(size_t bytes, size_t n)
{
	const char *p = foster_map_file(path, NULL);

	assert_non_null(p);
	if (!pattern_holds(p + n % bytes / 8 * 8, 8, n % bytes / 8 * 8))
		fail_msg("not the file");
}

static struct figures highest(make_fn *make, size_t bytes, size_t count)
{
	struct figures most = { 0 };

	for (size_t n = 1; n <= count; n++) {
		make(bytes, n);
		if (n % (count / 50) == 0) {
			const struct figures now = figures_now();

			raise_to(&most, &now);
		}
	}
	return most;
}

static void say(const char *when, const struct figures *f)
{
	test_say("%s: %zu mappings, size %lu KiB, resident %lu KiB, heap %zu KiB", when,
		 f->mappings, (unsigned long)f->size_kib, (unsigned long)f->rss_kib,
		 f->heap >> 10);
}

static void say_stats(uint64_t ms)
{
	const struct foster_stats s = stats_now();

	test_say("%lu ms, %lu collections, throttled %lu, %lu rounds, %lu undecided",
		 (unsigned long)ms, (unsigned long)s.asked, (unsigned long)s.throttled,
		 (unsigned long)s.rounds, (unsigned long)s.undecided);
	test_say("%lu regions, doubted %lu, kept %lu, in memory %lu, for lack of room %lu, "
		 "swept %lu MiB, paused %lu ms",
		 (unsigned long)s.regions, (unsigned long)s.doubted, (unsigned long)s.kept,
		 (unsigned long)s.kept_memory, (unsigned long)s.kept_full,
		 (unsigned long)(s.swept_bytes >> 20),
		 (unsigned long)(s.paused_us / 1000));
}

/* The first rounds settle the pool and the heap; from there on nothing may grow. */
static void check_flat(make_fn *make, size_t bytes, size_t warm_up, size_t count)
{
	const uint64_t start = now_ms();
	/*
	 * Of large ranges libgc's heap holds some dozens before it is settled: addresses
	 * only.
	 */
	const size_t room_kib = bytes >= 1 << 20 ? 6 << 20 : 256 << 10;
	/* There are one or two lots, as the reaper gets to run: makers wait for it at two. */
	const size_t lot_kib = LOT * lower(TOUCHED * page_size(), bytes) >> 10;
	struct figures before, most;

	assert_int_equal(foster_init(NULL), 0);
	before = highest(make, bytes, warm_up);
	most = highest(make, bytes, count);
	say("at first", &before);
	say("later", &most);
	say_stats(now_ms() - start);
	assert_true(most.mappings < 20000);
	assert_true(most.mappings <= before.mappings * 2 + 1000);
	assert_true(most.size_kib <= before.size_kib + room_kib);
	assert_true(most.rss_kib <= before.rss_kib + lot_kib + (32 << 10));
	assert_true(most.heap <= before.heap * 2 + (room_kib << 10) / 8 ||
		    bytes >= 1 << 20);
	assert_int_equal(stats_now().mapped, warm_up + count);
	assert_true(stats_now().regions < 50000);
	assert_int_equal(stats_now().abandoned, 0);
}

TEST_WITHIN(a_million_regions_of_one_page_leave_no_trace, 120)
{
	const size_t count = test_is_sanitized() ? 20000 : 950000;

	check_flat(make_anon, page_size(), 50000, count);
}

TEST_WITHIN(regions_of_64_kib_leave_no_trace, 120)
{
	check_flat(make_anon, 64 << 10, 5000, 60000);
}

TEST_WITHIN(regions_of_16_mib_leave_no_trace, 120)
{
	check_flat(make_anon, 16 << 20, 200, 1000);
}

TEST_WITHIN(a_file_mapped_again_and_again_leaves_no_trace, 120)
{
	close(pattern_file(path, 3 * page_size()));
	check_flat(make_file, 3 * page_size(), 20000, 150000);
	assert_true(maps_count_named(path) < 10000);
	unlink(path);
}

static NOINLINE void make_any_size(size_t bytes, size_t n)
{
	make_anon((1 + n * 7919 % (bytes / page_size())) * page_size(), n);
}

TEST_WITHIN(regions_of_mixed_sizes_leave_no_trace, 120)
{
	check_flat(make_any_size, 100 * page_size(), 20000, 60000);
}

static NOINLINE void make_and_close(size_t bytes, size_t n)
{
	size_t *p = foster_mmap(NULL, bytes, RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p[0] = n;
	assert_int_equal(foster_close(p), 0);
}

TEST_WITHIN(regions_that_are_closed_leave_no_trace, 120)
{
	check_flat(make_and_close, 2 * page_size(), 30000, 200000);
}

static NOINLINE void make_with_hole(size_t bytes, size_t n)
{
	char *p = foster_mmap(NULL, bytes, RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(foster_munmap(p + page_size(), page_size()), 0);
	*p = (char)n;
}

TEST_WITHIN(regions_with_holes_leave_no_trace, 120)
{
	check_flat(make_with_hole, 3 * page_size(), 20000, 100000);
}

static void *make_unseen(void *arg UNUSED)
{
	check_flat(make_and_close, page_size(), 20000, 100000);
	return NULL;
}

TEST_WITHIN(regions_that_an_unknown_thread_closes_leave_no_trace, 120)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(make_unseen, NULL);
}
