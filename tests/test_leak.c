/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that turns the collector's leak-finding mode on while regions live. */
#include "support.h"

#include <gc/gc.h>

static void *volatile kept;

static void start_finding(void)
{
	assert_int_equal(foster_init(NULL), 0);
	GC_set_find_leak(1);
}

TEST(a_region_cannot_be_made_in_leak_finding_mode)
{
	void *p;

	start_finding();
	errno = 0;
	p = foster_mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_equal(p, MAP_FAILED);
	assert_int_equal(errno, ENOTSUP);
	assert_int_equal(stats_now().mapped, 0);
}

static struct mark drop_while_finding(void)
{
	struct mark mark = make_memfd_region(&kept, 3, AT_BASE);

	start_finding();
	kept = NULL;
	collect_times(3);
	return mark;
}

TEST(dropped_regions_are_neither_reported_nor_freed_in_leak_finding_mode)
{
	struct mark mark = drop_while_finding();

	assert_true(mark_is_tracked(&mark));
	assert_true(mark_pattern_holds(&mark));
	assert_int_equal(stats_now().released, 0);
}

TEST(dropped_regions_go_after_leak_finding_mode_has_ended)
{
	struct mark mark = drop_while_finding();

	GC_set_find_leak(0);
	assert_goes(&mark);
}
