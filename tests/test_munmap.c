/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_munmap(): pages are revoked, the rest of the region lives on. */
#include "support.h"

#define RW (PROT_READ | PROT_WRITE)

static void *volatile kept;

static char *map_memfd_pages(size_t pages)
{
	const int fd = pattern_memfd(pages * page_size(), 0);
	char *p = foster_mmap(NULL, pages * page_size(), RW, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
	return p;
}

static void assert_revoked(char *page)
{
	assert_int_equal(info_of(page).state, FOSTER_REVOKED);
	assert_child_dies(SIGSEGV, load_byte, page);
	assert_child_dies(SIGSEGV, store_byte, page + page_size() - 1);
}

/* Page n of the region at base still holds its content. */
static void assert_intact(const char *base, size_t n)
{
	const size_t page = page_size();

	assert_int_equal(info_of(base + n * page).state, FOSTER_LIVE);
	assert_true(pattern_holds(base + n * page, page, n * page));
}

TEST(the_first_page_alone_is_revoked)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(4);

	assert_int_equal(foster_munmap(p, page), 0);
	assert_revoked(p);
	for (size_t i = 1; i < 4; i++)
		assert_intact(p, i);
	assert_int_equal(info_of(p).revoked, page);
	assert_int_equal(info_of(p + page).len, 4 * page);
}

TEST(a_page_in_the_middle_alone_is_revoked)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(5);

	assert_int_equal(foster_munmap(p + 2 * page, page), 0);
	assert_revoked(p + 2 * page);
	for (size_t i = 0; i < 5; i++)
		if (i != 2)
			assert_intact(p, i);
}

TEST(the_last_page_alone_is_revoked)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(3);

	assert_int_equal(foster_munmap(p + 2 * page, page), 0);
	assert_revoked(p + 2 * page);
	assert_intact(p, 0);
	assert_intact(p, 1);
}

TEST(the_length_is_rounded_up)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(3);

	assert_int_equal(foster_munmap(p, page + 1), 0);
	assert_revoked(p);
	assert_revoked(p + page);
	assert_intact(p, 2);
}

TEST(each_revoked_page_is_counted_once)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(6);

	assert_int_equal(foster_munmap(p + page, page), 0);
	assert_int_equal(info_of(p).revoked, page);
	assert_int_equal(foster_munmap(p, 3 * page), 0);
	assert_int_equal(info_of(p).revoked, 3 * page);
	assert_int_equal(foster_munmap(p + page, 4 * page), 0);
	assert_int_equal(info_of(p).revoked, 5 * page);
	assert_intact(p, 5);
}

TEST(revoking_revoked_pages_again_is_told)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(4);

	assert_int_equal(foster_munmap(p + page, 2 * page), 0);
	assert_fails(EALREADY, foster_munmap(p + page, 2 * page));
	assert_fails(EALREADY, foster_munmap(p + 2 * page, page));
	assert_int_equal(info_of(p).revoked, 2 * page);
	assert_intact(p, 0);
	assert_intact(p, 3);
}

TEST(all_pages_at_once_close_the_region)
{
	const size_t page = page_size();
	const struct foster_stats before = stats_now();
	char *p = map_patterned_pages(3);

	assert_int_equal(foster_munmap(p, 3 * page), 0);
	for (size_t i = 0; i < 3; i++)
		assert_revoked(p + i * page);
	assert_int_equal(info_of(p).revoked, 3 * page);
	assert_int_equal(stats_now().closed, before.closed + 1);
	assert_fails(EALREADY, foster_close(p));
	assert_fails(ESTALE, foster_pin(p));
}

TEST(the_last_remaining_page_closes_the_region)
{
	const size_t page = page_size();
	const struct foster_stats before = stats_now();
	char *p = map_patterned_pages(3);

	assert_int_equal(foster_munmap(p, page), 0);
	assert_int_equal(foster_munmap(p + 2 * page, page), 0);
	assert_int_equal(stats_now().closed, before.closed);
	assert_int_equal(foster_munmap(p + page, page), 0);
	assert_int_equal(stats_now().closed, before.closed + 1);
	assert_fails(EALREADY, foster_close(p + page));
}

TEST(a_region_with_revoked_pages_can_be_closed)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(4);

	assert_int_equal(foster_munmap(p + page, page), 0);
	assert_int_equal(foster_close(p + page), 0);
	for (size_t i = 0; i < 4; i++)
		assert_revoked(p + i * page);
	assert_int_equal(info_of(p).revoked, 4 * page);
}

TEST(memory_of_revoked_pages_is_given_back_at_once)
{
	const size_t page = page_size(), pages = 4096;
	char *p = map_patterned_pages(pages);
	const uint64_t full = status_figure("VmRSS");

	assert_int_equal(foster_munmap(p + page, (pages - 2) * page), 0);
	assert_true(status_figure("VmRSS") + (pages - 200) * page / 1024 < full);
	assert_intact(p, 0);
	assert_intact(p, pages - 1);
}

TEST(a_file_below_revoked_pages_is_given_back_at_once)
{
	const size_t page = page_size();
	char *p = map_memfd_pages(3);
	const struct mark mark = mark_of(p);

	assert_int_equal(foster_munmap(p + page, page), 0);
	assert_int_equal(maps_count_inode(mark.inode), 2);
	assert_int_equal(foster_munmap(p, 3 * page), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
}

/* ------------------------------------------------------------ what remains is tracked */

static NOINLINE struct mark make_with_hole(void *volatile *slot, size_t hole,
					   size_t pointer)
{
	char *p = map_memfd_pages(3);
	const struct mark mark = mark_of(p);

	assert_int_equal(foster_munmap(p + hole * page_size(), page_size()), 0);
	*slot = p + pointer * page_size() + 8;
	return mark;
}

static void check_rest_is_kept_by(size_t pointer)
{
	struct mark mark = make_with_hole(&kept, 1, pointer);

	collect_times(ROUNDS);
	assert_true(mark_is_tracked(&mark));
	assert_int_equal(maps_count_inode(mark.inode), 2);
	kept = NULL;
	assert_goes(&mark);
}

TEST(a_pointer_into_the_rest_keeps_the_rest)
{
	check_rest_is_kept_by(2);
}

TEST(a_pointer_into_a_revoked_page_keeps_the_rest)
{
	check_rest_is_kept_by(1);
}

TEST(a_range_used_again_has_no_revoked_pages)
{
	for (int i = 0; i < 20; i++) {
		struct mark mark = make_with_hole(&kept, i % 3, (i + 1) % 3);
		char *p;

		kept = NULL;
		assert_goes(&mark);
		p = map_patterned_pages(3);
		assert_int_equal(info_of(p).revoked, 0);
		for (size_t page = 0; page < 3; page++)
			assert_intact(p, page);
		kept = p;
	}
}

/* ----------------------------------------------------------------------- many regions */

/*
 * Regions are never adjacent: an ordinary page stands between them.  So a range that
 * covers two covers what belongs to no region, too.
 */
TEST(a_range_that_reaches_behind_a_region_is_refused_and_changes_nothing)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(2);

	assert_fails(ENOENT, foster_munmap(p + page, 2 * page));
	assert_fails(ENOENT, foster_munmap(p - page, 2 * page));
	assert_fails(ENOENT, foster_munmap(p, 100 * page));
	assert_intact(p, 0);
	assert_intact(p, 1);
	assert_int_equal(info_of(p).revoked, 0);
}

TEST(a_range_over_several_regions_with_gaps_is_refused_and_changes_nothing)
{
	static char *volatile region[64];
	const size_t page = page_size();
	char *low, *high;

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_patterned_pages(1);
	low = high = region[0];
	for (size_t i = 1; i < COUNT_OF(region); i++) {
		low = region[i] < low ? region[i] : low;
		high = region[i] > high ? region[i] : high;
	}
	assert_fails(ENOENT, foster_munmap(low, (size_t)(high - low) + page));
	for (size_t i = 0; i < COUNT_OF(region); i++)
		assert_intact(region[i], 0);
}

/* ---------------------------------------------------------------------- bad arguments */

TEST(length_zero_is_invalid)
{
	char *p = map_patterned_pages(1);

	assert_fails(EINVAL, foster_munmap(p, 0));
	assert_intact(p, 0);
}

TEST(an_unaligned_address_is_invalid)
{
	char *p = map_patterned_pages(2);

	assert_fails(EINVAL, foster_munmap(p + 1, page_size()));
	assert_fails(EINVAL, foster_munmap(p + page_size() - 1, 1));
	assert_intact(p, 0);
	assert_intact(p, 1);
}

TEST(a_range_that_does_not_fit_is_an_overflow)
{
	char *p = map_patterned_pages(1);

	assert_fails(EOVERFLOW, foster_munmap(p, SIZE_MAX));
	assert_fails(EOVERFLOW, foster_munmap(p, SIZE_MAX - (uintptr_t)p + 1));
	assert_intact(p, 0);
}

TEST(pages_of_no_region_are_told)
{
	char *own = mmap(NULL, page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*own = 7;
	assert_fails(ENOENT, foster_munmap(own, page_size()));
	assert_fails(ENOENT, foster_munmap(NULL, page_size()));
	assert_fails(ENOENT, foster_munmap((void *)(UINTPTR_MAX & ~(page_size() - 1) &
						    (UINTPTR_MAX >> 1)),
					   page_size()));
	assert_int_equal(*own, 7);
}

TEST(a_released_region_is_told)
{
	struct mark mark = make_dropped(2);

	assert_goes(&mark);
	assert_fails(ENOENT, foster_munmap(hidden_show(mark.base), page_size()));
}
