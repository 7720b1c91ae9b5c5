/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_disown(): the memory stays mapped and becomes the caller's. */
#include "support.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

static void *volatile kept;

static NOINLINE struct mark make_disowned(size_t pages, enum place place)
{
	void *volatile slot;
	struct mark mark = make_memfd_region(&slot, pages, AT_BASE);

	assert_int_equal(foster_disown(place_in(slot, pages * page_size(), place)), 0);
	slot = NULL;
	return mark;
}

static NOINLINE int info_hidden(const struct mark *mark)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(hidden_show(mark->base), &info);
}

TEST(disowned_memory_stays_mapped_and_intact_with_no_pointer)
{
	struct mark mark = make_disowned(3, AT_MIDDLE);

	collect_times(2 * ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_true(mark_pattern_holds(&mark));
}

TEST(disowned_memory_is_no_region)
{
	struct mark mark = make_disowned(3, AT_LAST_BYTE);

	assert_int_equal(info_hidden(&mark), -ENOENT);
	assert_fails(ENOENT, foster_close(hidden_show(mark.base)));
	assert_fails(ENOENT, foster_pin(hidden_show(mark.base)));
	assert_fails(ENOENT, foster_munmap(hidden_show(mark.base), page_size()));
	assert_fails(ENOENT, foster_disown(hidden_show(mark.base)));
	assert_true(mark_is_mapped(&mark));
}

TEST(counters_tell_of_it)
{
	const struct foster_stats before = stats_now();
	struct foster_stats after;

	make_disowned(3, AT_BASE);
	after = stats_now();
	assert_int_equal(after.disowned, before.disowned + 1);
	assert_int_equal(after.regions, before.regions);
	assert_int_equal(after.bytes, before.bytes);
	assert_int_equal(after.released, before.released);
}

TEST(pins_are_forgotten)
{
	struct mark mark = make_memfd_region(&kept, 1, AT_BASE);

	assert_int_equal(foster_pin(kept), 0);
	assert_int_equal(foster_disown(kept), 0);
	assert_fails(ENOENT, foster_unpin(kept));
	assert_true(mark_is_mapped(&mark));
}

TEST(disowned_memory_may_be_unmapped_by_its_owner)
{
	struct mark mark = make_disowned(3, AT_BASE);

	assert_int_equal(munmap(hidden_show(mark.base), mark.len), 0);
	collect_times(ROUNDS);
	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 5000; k++)
			memset(GC_MALLOC_ATOMIC(3000), 1, 3000);
		GC_gcollect();
	}
	assert_int_equal(maps_count_inode(mark.inode), 0);
}

/* The collector must never use these addresses again: they are the caller's. */
TEST(the_collector_never_uses_disowned_addresses)
{
	const size_t pages = 200;
	struct mark mark = make_disowned(pages, AT_BASE);

	for (int i = 0; i < 5; i++) {
		collect_times(1);
		for (size_t k = 1; k < 300; k++) {
			char *object = GC_MALLOC_ATOMIC(k * 4096);

			memset(object, 0xff, k * 4096);
		}
	}
	assert_true(mark_is_mapped(&mark));
	assert_true(mark_pattern_holds(&mark));
}

TEST(new_regions_are_never_laid_over_disowned_memory)
{
	struct mark mark = make_disowned(2, AT_BASE);
	static void *volatile region[500];

	for (int i = 0; i < 3; i++) {
		collect_times(1);
		for (size_t k = 0; k < COUNT_OF(region); k++)
			make_anon_region(&region[k], 2, AT_BASE);
		for (size_t k = 0; k < COUNT_OF(region); k++)
			region[k] = NULL;
	}
	assert_true(mark_is_mapped(&mark));
	assert_true(mark_pattern_holds(&mark));
}

TEST(a_pointer_to_no_region_is_told)
{
	static char own;

	make_memfd_region(&kept, 1, AT_END);
	assert_fails(ENOENT, foster_disown(&own));
	assert_fails(ENOENT, foster_disown(NULL));
	assert_fails(ENOENT, foster_disown(kept));
}

TEST(a_revoked_region_cannot_be_disowned)
{
	struct mark mark = make_memfd_region(&kept, 1, AT_BASE);

	assert_int_equal(foster_close(kept), 0);
	assert_fails(EALREADY, foster_disown(kept));
	assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
}

TEST(a_region_with_a_revoked_page_cannot_be_disowned)
{
	struct mark mark = make_memfd_region(&kept, 3, AT_BASE);

	assert_int_equal(foster_munmap((char *)kept + page_size(), page_size()), 0);
	assert_fails(EALREADY, foster_disown(kept));
	assert_true(mark_is_tracked(&mark));
	kept = NULL;
	assert_goes(&mark);
}

static void *disown_unseen(void *arg)
{
	void *volatile slot;

	*(struct mark *)arg = make_memfd_region(&slot, 2, AT_BASE);
	if (foster_disown(slot))
		abort();
	return NULL;
}

TEST(a_region_of_a_thread_unknown_to_the_collector_can_be_disowned)
{
	struct mark mark;

	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(disown_unseen, &mark);
	assert_int_equal(stats_now().unseen, 0);
	assert_int_equal(stats_now().regions, 0);
	collect_times(ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_int_equal(info_hidden(&mark), -ENOENT);
}
