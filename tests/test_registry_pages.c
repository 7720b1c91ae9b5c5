/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages have a region on them, be it of a byte: what the trie tells without its lowest levels. */
#include "support.h"

#include "region/lock.h"
#include "region/registry.h"

#define PAGE ((uintptr_t)REGISTRY_PAGE)
#define LIMIT ((uintptr_t)1 << 57)

static const uintptr_t base = (uintptr_t)0x7f12 << 32;

static void set(uintptr_t start, uintptr_t end, uint32_t region, bool revoked)
{
	region_lock();
	assert_int_equal(registry_reserve(), 0);
	(void)registry_set(start, end, (struct registry_found){ region, revoked });
	region_unlock();
}

/* Whatever byte of a page is asked about, the answer is the page's. */
static void assert_page(uintptr_t page, bool has)
{
	assert_int_equal(registry_has_page(page), has);
	assert_int_equal(registry_has_page(page + 1), has);
	assert_int_equal(registry_has_page(page + PAGE / 2 + 3), has);
	assert_int_equal(registry_has_page(page + PAGE - 1), has);
}

/* Only the pages that [start, end) touches, and none once it is gone. */
static void check_pages_of(uintptr_t start, uintptr_t end)
{
	const uintptr_t first = start & ~(PAGE - 1), last = (end - 1) & ~(PAGE - 1);

	set(start, end, 5, false);
	for (uintptr_t page = first; page <= last; page += PAGE)
		assert_page(page, true);
	assert_page(first - PAGE, false);
	assert_page(last + PAGE, false);
	set(start, end, 0, false);
	for (uintptr_t page = first; page <= last; page += PAGE)
		assert_page(page, false);
}

TEST(an_empty_registry_has_no_page)
{
	assert_page(0, false);
	assert_page(base, false);
	assert_page(LIMIT - PAGE, false);
}

TEST(one_byte_anywhere_makes_its_page_one_with_a_region)
{
	check_pages_of(base, base + 1);
	check_pages_of(base + 1, base + 2);
	check_pages_of(base + PAGE / 2 + 5, base + PAGE / 2 + 6);
	check_pages_of(base + PAGE - 1, base + PAGE);
}

TEST(all_pages_that_a_region_touches_are_its)
{
	check_pages_of(base + PAGE - 1, base + PAGE + 1);
	check_pages_of(base + PAGE - 1, base + 3 * PAGE + 1);
	check_pages_of(base, base + PAGE);
	check_pages_of(base, base + 7 * PAGE);
	check_pages_of(base + 13, base + 700 * PAGE - 13); /* across the edge of a node */
}

/* It is entered above the level of pages. */
TEST(all_pages_of_a_large_region_are_its)
{
	const uintptr_t end = base + ((uintptr_t)3 << 30);

	set(base, end, 5, false);
	assert_page(base, true);
	assert_page(base + ((uintptr_t)1 << 30) + 77 * PAGE, true);
	assert_page(end - PAGE, true);
	assert_page(base - PAGE, false);
	assert_page(end, false);
	set(base, end, 0, false);
	assert_page(base + ((uintptr_t)1 << 30) + 77 * PAGE, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(a_page_is_one_until_the_last_region_on_it_is_gone)
{
	set(base, base + 8, 1, false);
	set(base + 9, base + 10, 2, false);
	set(base + PAGE - 1, base + PAGE + 1, 3, false);
	set(base, base + 8, 0, false);
	assert_page(base, true);
	set(base + PAGE - 1, base + PAGE + 1, 0, false);
	assert_page(base, true);
	assert_page(base + PAGE, false);
	set(base + 9, base + 10, 0, false);
	assert_page(base, false);
}

TEST(a_revoked_page_has_its_region_still)
{
	set(base, base + 3 * PAGE, 5, false);
	set(base + PAGE, base + 2 * PAGE, 5, true);
	assert_page(base + PAGE, true);
	set(base, base + 3 * PAGE, 5, true);
	assert_page(base, true);
}

TEST(a_page_beyond_all_levels_has_none)
{
	set(LIMIT - 1, LIMIT, 5, false);
	assert_page(LIMIT - PAGE, true);
	assert_page(LIMIT, false);
	assert_page((LIMIT - PAGE) | (uintptr_t)1 << 63, false);
	assert_int_equal(registry_has_page(UINTPTR_MAX), false);
}
