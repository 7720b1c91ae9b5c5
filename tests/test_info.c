/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_info() and foster_for_each(): what is known of regions. */
#include "support.h"

#include <pthread.h>

#define RW (PROT_READ | PROT_WRITE)

static char *volatile kept;

/* ------------------------------------------------------------------------ foster_info */

TEST(everything_known_of_a_new_region_is_told)
{
	struct foster_info info = FOSTER_INFO_INIT;

	kept = map_pages(3);
	assert_int_equal(foster_info(kept, &info), 0);
	assert_int_equal(info.size, sizeof(info));
	assert_true(info.id != 0);
	assert_ptr_equal(info.base, kept);
	assert_int_equal(info.len, 3 * page_size());
	assert_int_equal(info.revoked, 0);
	assert_int_equal(info.state, FOSTER_LIVE);
	assert_int_equal(info.source, FOSTER_SOURCE_ANON);
	assert_int_equal(info.tracking, FOSTER_TRACK_OVERLAY);
	assert_int_equal(info.prot, RW);
	assert_int_equal(info.pins, 0);
	assert_int_equal(info.flags, 0);
}

TEST(the_source_of_a_descriptor_is_file)
{
	struct foster_info info = FOSTER_INFO_INIT;
	const int fd = pattern_memfd(page_size(), 0);

	kept = foster_mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	assert_int_equal(foster_info(kept, &info), 0);
	assert_int_equal(info.source, FOSTER_SOURCE_FILE);
	assert_int_equal(info.prot, PROT_READ);
}

TEST(any_pointer_into_the_region_finds_it)
{
	struct foster_info info = FOSTER_INFO_INIT;

	kept = map_pages(5);
	for (size_t i = 0; i < 5 * page_size(); i++) {
		info.base = NULL;
		if (foster_info(kept + i, &info) || info.base != kept)
			fail();
	}
}

TEST(bytes_around_the_region_are_not_in_it)
{
	struct foster_info info = FOSTER_INFO_INIT;

	kept = map_pages(2);
	assert_fails(ENOENT, foster_info(kept - 1, &info));
	assert_fails(ENOENT, foster_info(kept - page_size(), &info));
	assert_fails(ENOENT, foster_info(kept + 2 * page_size(), &info));
	assert_fails(ENOENT, foster_info(NULL, &info));
	assert_fails(ENOENT, foster_info((void *)UINTPTR_MAX, &info));
	assert_fails(ENOENT, foster_info((void *)&kept, &info));
}

TEST(an_output_is_not_written_on_failure)
{
	struct foster_info info, before;

	memset(&info, 0x5a, sizeof(info));
	info.size = sizeof(info);
	before = info;
	assert_fails(ENOENT, foster_info(NULL, &info));
	assert_memory_equal(&info, &before, sizeof(info));
	kept = map_pages(1);
	info.size = before.size = sizeof(info) - 1;
	assert_fails(EINVAL, foster_info(kept, &info));
	assert_memory_equal(&info, &before, sizeof(info));
}

TEST(a_size_smaller_than_any_version_is_invalid)
{
	struct foster_info info = FOSTER_INFO_INIT;

	kept = map_pages(1);
	info.size = 0;
	assert_fails(EINVAL, foster_info(kept, &info));
	info.size = sizeof(size_t);
	assert_fails(EINVAL, foster_info(kept, &info));
}

/*
 * A caller that was built with a newer header: its new members are zero, its size as it
 * was.
 */
TEST(a_larger_struct_is_filled_as_far_as_it_is_known)
{
	struct {
		struct foster_info known;
		uint64_t unknown[3];
	} newer = { FOSTER_INFO_INIT, { 1, 2, 3 } };

	newer.known.size = sizeof(newer);
	kept = map_pages(1);
	assert_int_equal(foster_info(kept, &newer.known), 0);
	assert_int_equal(newer.known.size, sizeof(newer));
	assert_ptr_equal(newer.known.base, kept);
	for (size_t i = 0; i < COUNT_OF(newer.unknown); i++)
		assert_int_equal(newer.unknown[i], 0);
}

TEST(ids_are_never_used_again)
{
	uint64_t last = 0;

	for (int i = 0; i < 100; i++) {
		struct mark mark = make_dropped(1);

		assert_true(mark.id > last);
		last = mark.id;
		if (i % 10 == 0)
			assert_goes(&mark);
	}
	assert_true(stats_now().reused > 0);
}

TEST(asking_does_not_keep_a_region)
{
	struct mark mark = make_dropped(1);

	for (int i = 0; i < 1000; i++)
		mark_info(&mark);
	assert_goes(&mark);
}

/* -------------------------------------------------------------------- foster_for_each */

struct visit {
	size_t calls, stop_after;
	uint64_t seen[64];
	int (*in_callback)(const struct foster_info *);
	int said;
};

static int visit(const struct foster_info *info, void *arg)
{
	struct visit *v = arg;

	v->seen[v->calls++ % COUNT_OF(v->seen)] = info->id;
	if (v->in_callback)
		v->said = v->in_callback(info);
	return v->stop_after == v->calls ? 77 : 0;
}

static bool was_seen(const struct visit *v, uint64_t id)
{
	size_t times = 0;

	for (size_t i = 0; i < v->calls; i++)
		times += v->seen[i] == id;
	assert_true(times <= 1);
	return times == 1;
}

TEST(nothing_is_visited_where_there_is_no_region)
{
	struct visit v = { 0 };

	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.calls, 0);
}

TEST(each_region_is_visited_once)
{
	static char *volatile region[20];
	struct visit v = { 0 };

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_pages(1 + i % 4);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.calls, COUNT_OF(region));
	for (size_t i = 0; i < COUNT_OF(region); i++)
		assert_true(was_seen(&v, mark_of(region[i]).id));
}

static int expect_info(const struct foster_info *info, void *arg)
{
	const struct foster_info *expected = arg;

	if (info->size != sizeof(*info) || memcmp(info, expected, sizeof(*info)))
		return -1;
	return 1;
}

TEST(a_visit_tells_the_same_as_foster_info)
{
	struct foster_info info = FOSTER_INFO_INIT;

	kept = map_pages(3);
	assert_int_equal(foster_pin(kept), 0);
	assert_int_equal(foster_info(kept, &info), 0);
	assert_int_equal(foster_for_each(expect_info, &info), 1);
}

TEST(a_return_value_ends_the_visit_and_is_returned)
{
	static char *volatile region[10];
	struct visit v = { .stop_after = 4 };

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_pages(1);
	assert_int_equal(foster_for_each(visit, &v), 77);
	assert_int_equal(v.calls, 4);
}

TEST(revoked_regions_are_visited)
{
	struct visit v = { 0 };

	kept = map_pages(1);
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.calls, 1);
}

TEST(gone_and_disowned_regions_are_not_visited)
{
	struct mark gone = make_dropped(1);
	struct visit v = { 0 };

	assert_goes(&gone);
	kept = map_pages(1);
	assert_int_equal(foster_disown(kept), 0);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.calls, 0);
}

static int collect(const struct foster_info *info UNUSED)
{
	return foster_collect(-1);
}

static int stop(const struct foster_info *info UNUSED)
{
	return foster_fini(-1);
}

TEST_WITHIN(collecting_in_the_callback_is_a_deadlock_told, 20)
{
	struct visit v = { .in_callback = collect };

	kept = map_pages(1);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.said, -EDEADLK);
	assert_true(foster_collect(10000) >= 0);
}

TEST_WITHIN(stopping_in_the_callback_is_a_deadlock_told, 20)
{
	struct visit v = { .in_callback = stop };

	kept = map_pages(1);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.said, -EDEADLK);
	assert_true(foster_collect(10000) >= 0);
}

static int close_it(const struct foster_info *info)
{
	return foster_close(info->base);
}

static int disown_it(const struct foster_info *info)
{
	return foster_disown(info->base);
}

static NOINLINE void close_ten_while_visiting(void)
{
	static char *volatile region[10];
	struct visit v = { .in_callback = close_it };

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_pages(1);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.calls, COUNT_OF(region));
	assert_int_equal(stats_now().closed, COUNT_OF(region));
	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = NULL;
}

static bool none_is_revoked(void *arg UNUSED)
{
	return stats_now().revoked == 0;
}

TEST(the_callback_may_close_the_region_it_looks_at)
{
	close_ten_while_visiting();
	forget();
	assert_true(collecting_until(none_is_revoked, NULL, ROUNDS));
}

TEST(the_callback_may_disown_the_region_it_looks_at)
{
	struct visit v = { .in_callback = disown_it };

	kept = map_pages(1);
	assert_int_equal(foster_for_each(visit, &v), 0);
	assert_int_equal(v.said, 0);
	*kept = 1;
}

static int close_all_others(const struct foster_info *info, void *arg)
{
	char *volatile *region = arg;

	for (size_t i = 0; i < 10; i++)
		if (region[i] != info->base)
			foster_close(region[i]);
	return 0;
}

TEST(the_callback_may_close_other_regions)
{
	static char *volatile region[10];

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_pages(1);
	assert_int_equal(foster_for_each(close_all_others, (void *)region), 0);
	assert_int_equal(stats_now().closed, COUNT_OF(region));
}

static int map_another(const struct foster_info *info UNUSED, void *arg)
{
	char *volatile *region = arg;

	for (size_t i = 0; i < 20; i++)
		if (!region[i]) {
			region[i] = map_pages(1);
			break;
		}
	return 0;
}

TEST(the_callback_may_map)
{
	static char *volatile region[20];

	for (size_t i = 0; i < 5; i++)
		region[i] = map_pages(1);
	assert_int_equal(foster_for_each(map_another, (void *)region), 0);
	assert_non_null(region[9]);
}

static int visit_inside(const struct foster_info *info UNUSED, void *arg)
{
	struct visit inner = { 0 };

	foster_for_each(visit, &inner);
	*(size_t *)arg += inner.calls;
	return 0;
}

TEST(a_visit_inside_a_visit_sees_all)
{
	static char *volatile region[4];
	size_t calls = 0;

	for (size_t i = 0; i < COUNT_OF(region); i++)
		region[i] = map_pages(1);
	assert_int_equal(foster_for_each(visit_inside, &calls), 0);
	assert_int_equal(calls, COUNT_OF(region) * COUNT_OF(region));
}

/* The region is kept while the callback looks, and its memory is there. */
static void *collect_on_thread(void *arg UNUSED)
{
	for (int i = 0; i < ROUNDS; i++)
		if (foster_collect(20000) < 0)
			abort();
	return NULL;
}

static struct moment looking, looked;

static int look_and_wait(const struct foster_info *info, void *arg)
{
	*(uint64_t *)arg = info->id;
	moment_announce(&looking);
	moment_await(&looked);
	return 0;
}

static void *visit_on_thread(void *arg)
{
	child_check(foster_for_each(look_and_wait, arg) == 0);
	return NULL;
}

static void check_visit_on_thread(void)
{
	struct mark mark = make_dropped(2);
	uint64_t seen;
	pthread_t thread = thread_begin(visit_on_thread, &seen);

	moment_await(&looking);
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	moment_announce(&looked);
	thread_end(thread);
	assert_int_equal(seen, mark.id);
	assert_goes(&mark);
}

TEST(a_region_stays_while_an_unknown_thread_looks_at_it)
{
	assert_int_equal(foster_init(NULL), 0);
	check_visit_on_thread();
}

/* On a thread whose stack nobody searches, so that the visit alone keeps the region. */
TEST(without_the_sweep_a_region_stays_while_an_unknown_thread_looks_at_it)
{
	init_without_sweep();
	check_visit_on_thread();
}

static int look_while_others_collect(const struct foster_info *info, void *arg)
{
	struct mark *mark = arg;

	*mark = mark_of(info->base);
	forget();
	on_plain_thread(collect_on_thread, NULL);
	return mark_is_mapped(mark) && mark_pattern_holds(mark) ? 1 : -1;
}

TEST(a_region_stays_while_the_callback_looks_at_it)
{
	struct mark dropped = make_dropped(2), seen;

	assert_int_equal(foster_for_each(look_while_others_collect, &seen), 1);
	assert_int_equal(seen.id, dropped.id);
	assert_goes(&dropped);
}
