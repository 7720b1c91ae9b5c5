/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster_close(): revocation.  Memory and file go at once, the addresses when nobody
 * points there.
 */
#include "support.h"

#include <fcntl.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)

static char *volatile kept;

/* ------------------------------------------------------------------ what goes at once */

TEST(memory_is_given_back_at_once)
{
	const size_t pages = 16384;
	char *p = map_pages(pages);
	uint64_t full;

	memset(p, 1, pages * page_size());
	full = status_figure("VmRSS");
	assert_int_equal(foster_close(p), 0);
	assert_true(status_figure("VmRSS") + (pages - 200) * page_size() / 1024 < full);
}

TEST(the_mapping_is_gone_from_maps_at_once)
{
	struct maps_line line;
	struct mark mark = make_memfd_region((void *volatile *)&kept, 3, AT_MIDDLE);

	assert_int_equal(maps_count_inode(mark.inode), 1);
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
	assert_true(maps_line_of(mark.base, &line));
	assert_string_equal(line.perms, "---p");
}

/* The kernel refuses to seal a memfd against writing while a writable mapping exists. */
TEST(a_memfd_can_be_sealed_at_once)
{
	const int fd = pattern_memfd(page_size(), MFD_ALLOW_SEALING);
	char *p = foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(foster_close(p), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	close(fd);
}

/* A read lease is refused while anybody, a mapping too, has the file open for writing. */
TEST(a_file_is_no_longer_open_at_once)
{
	const struct foster_map_opts writable = { .size = sizeof(writable),
						  .flags = FOSTER_MAP_WRITE };
	char path[PATH_MAX], *p;
	int fd = pattern_file(path, page_size());

	close(fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fcntl(fd, F_SETLEASE, F_RDLCK)) {
		unlink(path);
		test_skip("no leases on this file system");
	}
	assert_int_equal(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
	p = foster_map_file(path, &writable);
	assert_non_null(p);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_RDLCK), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(foster_close(p), 0);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_RDLCK), 0);
	close(fd);
	unlink(path);
}

TEST(stores_before_closing_reach_the_file)
{
	const int fd = pattern_memfd(page_size(), 0);
	char *p = foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0);
	char byte;

	p[17] = 'x';
	assert_int_equal(foster_close(p), 0);
	assert_int_equal(pread(fd, &byte, 1, 17), 1);
	assert_int_equal(byte, 'x');
	close(fd);
}

/* --------------------------------------------------------------------- stale pointers */

TEST(a_stale_load_dies_of_sigsegv)
{
	kept = map_pages(3);
	assert_int_equal(foster_close(kept), 0);
	assert_child_dies(SIGSEGV, load_byte, kept);
	assert_child_dies(SIGSEGV, load_byte, kept + page_size());
	assert_child_dies(SIGSEGV, load_byte, kept + 3 * page_size() - 1);
}

TEST(a_stale_store_dies_of_sigsegv)
{
	kept = map_pages(3);
	assert_int_equal(foster_close(kept), 0);
	assert_child_dies(SIGSEGV, store_byte, kept);
	assert_child_dies(SIGSEGV, store_byte, kept + 3 * page_size() - 1);
}

TEST(a_stale_access_dies_after_collections_too)
{
	kept = map_pages(2);
	assert_int_equal(foster_close(kept), 0);
	collect_times(2 * ROUNDS);
	for (int i = 0; i < 1000; i++)
		assert_non_null(GC_MALLOC(5000));
	assert_child_dies(SIGSEGV, load_byte, kept);
	assert_child_dies(SIGSEGV, store_byte, kept + page_size());
}

/*
 * The handler of libgc for its own protected pages must not take our pages for its own.
 */
static void check_incremental(void)
{
	assert_int_equal(foster_close(kept), 0);
	collect_times(ROUNDS);
	assert_child_dies(SIGSEGV, load_byte, kept);
	assert_child_dies(SIGSEGV, store_byte, kept);
}

/* From there on beside the collector's heap. */
#define PAGES_IN_PLACE 64

TEST(a_stale_access_in_place_dies_in_a_host_that_collects_incrementally)
{
	GC_INIT();
	GC_enable_incremental();
	kept = map_pages(PAGES_IN_PLACE);
	check_incremental();
}

TEST(a_stale_access_to_what_was_adopted_dies_in_a_host_that_collects_incrementally)
{
	GC_INIT();
	GC_enable_incremental();
	kept = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	assert_ptr_not_equal(kept, MAP_FAILED);
	assert_ptr_equal(foster_adopt(kept, page_size(), NULL, NULL), kept);
	check_incremental();
}

TEST(a_stale_access_to_a_part_in_place_dies_in_a_host_that_collects_incrementally)
{
	GC_INIT();
	GC_enable_incremental();
	kept = map_pages(PAGES_IN_PLACE);
	assert_int_equal(foster_munmap(kept, page_size()), 0);
	collect_times(ROUNDS);
	assert_child_dies(SIGSEGV, load_byte, kept);
	assert_child_dies(SIGSEGV, store_byte, kept);
}

TEST(a_stale_access_dies_in_a_host_that_collects_incrementally)
{
	GC_INIT();
	GC_enable_incremental();
	kept = map_pages(2);
	check_incremental();
}

TEST(a_stale_access_dies_in_a_host_that_collects_incrementally_later)
{
	GC_INIT();
	kept = map_pages(2);
	GC_enable_incremental();
	check_incremental();
}

TEST(the_state_is_revoked)
{
	kept = map_pages(3);
	assert_int_equal(info_of(kept).state, FOSTER_LIVE);
	assert_int_equal(foster_close(kept + page_size() + 5), 0);
	assert_int_equal(info_of(kept).state, FOSTER_REVOKED);
	assert_int_equal(info_of(kept + 3 * page_size() - 1).state, FOSTER_REVOKED);
	assert_int_equal(info_of(kept).revoked, 3 * page_size());
	assert_ptr_equal(info_of(kept).base, kept);
	assert_int_equal(info_of(kept).len, 3 * page_size());
}

TEST(counters_tell_of_it)
{
	struct foster_stats before, after;

	kept = map_pages(3);
	before = stats_now();
	assert_int_equal(foster_close(kept), 0);
	after = stats_now();
	assert_int_equal(after.closed, before.closed + 1);
	assert_int_equal(after.revoked, before.revoked + 1);
	assert_int_equal(after.regions, before.regions - 1);
	assert_int_equal(after.bytes, before.bytes - 3 * page_size());
}

/* ---------------------------------------------------------------------- the addresses */

static bool overlaps(const struct mark *mark, const char *p, size_t len)
{
	const uintptr_t base = ~mark->base.complement;

	return (uintptr_t)p < base + mark->len && base < (uintptr_t)p + len;
}

static NOINLINE bool handed_out(const struct mark *stale)
{
	static char *volatile region[400];
	bool found = false;

	for (size_t i = 0; i < COUNT_OF(region); i++) {
		region[i] = map_pages(2);
		found |= overlaps(stale, region[i], 2 * page_size());
	}
	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = NULL;
	return found;
}

static NOINLINE struct mark make_closed(char *volatile *slot)
{
	struct mark mark;

	*slot = map_pages(2);
	mark = mark_of(*slot);
	assert_int_equal(foster_close(*slot), 0);
	return mark;
}

TEST(the_addresses_are_not_handed_out_while_a_stale_pointer_exists)
{
	struct mark mark = make_closed(&kept);

	for (int i = 0; i < 5; i++) {
		assert_false(handed_out(&mark));
		collect_times(1);
		for (int k = 0; k < 2000; k++) {
			const char *object = GC_MALLOC_ATOMIC(3000);

			assert_non_null(object);
			assert_false(overlaps(&mark, object, 3000));
		}
		assert_true(mark_is_tracked(&mark));
		assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
	}
}

TEST(the_addresses_are_handed_out_again_later)
{
	struct mark mark = make_closed(&kept);
	bool found = false;

	collect_times(ROUNDS);
	assert_true(mark_is_tracked(&mark));
	kept = NULL;
	assert_goes(&mark);
	for (int i = 0; i < 10 && !found; i++)
		found = handed_out(&mark);
	assert_true(found);
}

TEST(every_kind_of_pointer_keeps_the_addresses)
{
	const size_t offsets[] = { 0, page_size() + 3, 2 * page_size() - 1,
				   2 * page_size() };

	for (size_t i = 0; i < COUNT_OF(offsets); i++) {
		struct mark mark = make_closed(&kept);

		kept += offsets[i];
		collect_times(ROUNDS);
		assert_true(mark_is_tracked(&mark));
		kept = NULL;
		assert_goes(&mark);
	}
}

TEST(the_gauge_of_reserved_ranges_falls_when_the_pointer_is_gone)
{
	struct mark mark = make_closed(&kept);

	assert_int_equal(stats_now().revoked, 1);
	collect_times(ROUNDS);
	assert_int_equal(stats_now().revoked, 1);
	kept = NULL;
	assert_goes(&mark);
	assert_int_equal(stats_now().revoked, 0);
}

TEST(the_end_of_a_closed_region_counts_for_foster_collect)
{
	struct mark mark = make_closed(&kept);
	int released = 0;

	kept = NULL;
	for (int i = 0; i < ROUNDS && !released; i++) {
		forget();
		released = foster_collect(20000);
	}
	assert_int_equal(released, 1);
	assert_false(mark_is_tracked(&mark));
}

/* ---------------------------------------------------------------------- bad arguments */

TEST(closing_twice_is_told)
{
	kept = map_pages(2);
	assert_int_equal(foster_close(kept), 0);
	assert_fails(EALREADY, foster_close(kept));
	assert_fails(EALREADY, foster_close(kept + 2 * page_size() - 1));
	assert_int_equal(stats_now().closed, 1);
}

TEST(a_pointer_to_no_region_is_told)
{
	static char in_data;
	char on_stack;

	assert_fails(ENOENT, foster_close(NULL));
	assert_fails(ENOENT, foster_close(&in_data));
	assert_fails(ENOENT, foster_close(&on_stack));
	assert_fails(ENOENT, foster_close(GC_MALLOC(100000)));
	assert_fails(ENOENT, foster_close((void *)UINTPTR_MAX));
	assert_fails(ENOENT, foster_close((void *)((uintptr_t)1 << 63)));
	assert_fails(ENOENT, foster_close((void *)((uintptr_t)1 << 47)));
	assert_fails(ENOENT, foster_close((void *)((uintptr_t)1 << 56)));
}

TEST(just_past_the_end_is_not_in_the_region)
{
	kept = map_pages(2);
	assert_fails(ENOENT, foster_close(kept + 2 * page_size()));
	assert_fails(ENOENT, foster_close(kept - 1));
	assert_int_equal(info_of(kept).state, FOSTER_LIVE);
	*kept = 1;
}

TEST(a_region_that_has_gone_is_told)
{
	struct mark mark = make_dropped(1);

	assert_goes(&mark);
	assert_fails(ENOENT, foster_close(hidden_show(mark.base)));
}

/* ----------------------------------------------------------------------------- crowds */

struct racer {
	char *volatile *region;
	size_t count;
	_Atomic int *closed;
	_Atomic int *already;
};

static void *close_all(void *arg)
{
	const struct racer *racer = arg;

	for (size_t i = 0; i < racer->count; i++) {
		const int r = foster_close(racer->region[i]);

		if (r == 0)
			atomic_fetch_add(racer->closed, 1);
		else if (r == -EALREADY)
			atomic_fetch_add(racer->already, 1);
	}
	return NULL;
}

TEST(of_threads_that_close_the_same_regions_one_wins_each)
{
	static char *volatile region[2000];
	_Atomic int closed = 0, already = 0;
	struct racer racer = { region, COUNT_OF(region), &closed, &already };
	pthread_t thread[3];

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_pages(1);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(close_all, &racer);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(closed, COUNT_OF(region));
	assert_int_equal(already, (COUNT_OF(thread) - 1) * COUNT_OF(region));
	assert_int_equal(stats_now().closed, COUNT_OF(region));
}
