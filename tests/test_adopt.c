/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster_adopt(): what may be adopted, what may not and stays the caller's, and what
 * foster then tells of it.  What becomes of it: test_adopt_release.c.
 */
#include "adopting.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

static void *volatile kept;

/* --------------------------------------------------------------------------- refusals */

static int count_one(const struct foster_info *info UNUSED, void *arg)
{
	++*(int *)arg;
	return 0;
}

static int count_regions(void)
{
	int n = 0;

	assert_int_equal(foster_for_each(count_one, &n), 0);
	return n;
}

/* Who foster says the byte belongs to; 0: no region. */
static uint64_t id_at(const void *p)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(p, &info) ? 0 : info.id;
}

static void assert_same_stats(const struct foster_stats *was)
{
	const struct foster_stats now = stats_now();

	assert_int_equal(now.regions, was->regions);
	assert_int_equal(now.bytes, was->bytes);
	assert_int_equal(now.mapped, was->mapped);
	assert_int_equal(now.in_place, was->in_place);
	assert_int_equal(now.abandoned, was->abandoned);
	assert_int_equal(now.disowned, was->disowned);
}

/* It stays the caller's: foster knows of nothing new. */
static void assert_refused(int error, void *addr, size_t len, foster_release_fn *release)
{
	const char *last = (char *)addr + len - 1;
	const struct foster_stats stats = stats_now();
	const uint64_t first_id = id_at(addr), last_id = id_at(last);
	const int regions = count_regions();

	assert_null_with(error, foster_adopt(addr, len, release, NULL));
	assert_same_stats(&stats);
	assert_int_equal(count_regions(), regions);
	assert_int_equal(id_at(addr), first_id);
	assert_int_equal(id_at(last), last_id);
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
}

TEST(null_is_refused)
{
	adopting_begin();
	assert_refused(EINVAL, NULL, 100, on_release);
	assert_refused(EINVAL, NULL, page_size(), NULL);
}

TEST(no_bytes_are_refused)
{
	adopting_begin();
	assert_refused(EINVAL, area_new(1), 0, on_release);
	assert_refused(EINVAL, area_new(1), 0, NULL);
}

TEST(a_range_that_wraps_around_is_refused)
{
	char *p = area_new(1);

	adopting_begin();
	assert_refused(EOVERFLOW, p, SIZE_MAX, on_release);
	assert_refused(EOVERFLOW, p, -(uintptr_t)p + 1, on_release);
	assert_refused(EOVERFLOW, p, -(uintptr_t)p, on_release);
	assert_refused(EOVERFLOW, p, -(uintptr_t)p, NULL);
}

TEST(addresses_that_no_program_has_are_refused)
{
	adopting_begin();
	assert_refused(EFAULT, (void *)((uintptr_t)1 << 63), 100, on_release);
	assert_refused(EFAULT, (void *)(UINTPTR_MAX - 100), 100, on_release);
	/* Not even canonical. */
	assert_refused(EFAULT, (void *)((uintptr_t)1 << 62), 100, on_release);
}

TEST(a_range_too_long_for_the_processor_is_refused)
{
	char *p = area_new(1);

	adopting_begin();
	assert_refused(EFAULT, p, (size_t)1 << 62, on_release);
}

TEST(memory_that_is_not_mapped_is_refused)
{
	char *p = area_new(3);

	adopting_begin();
	assert_int_equal(munmap(p + page_size(), page_size()), 0);
	assert_refused(EFAULT, p + page_size(), 1, on_release);
	assert_refused(EFAULT, p + page_size(), page_size(), NULL);
	assert_refused(EFAULT, p + page_size() - 1, 2, on_release);   /* its first */
	assert_refused(EFAULT, p + 2 * page_size() - 1, 2, on_release); /* its last */
	assert_refused(EFAULT, p, 3 * page_size(), NULL);		/* in the middle */
}

TEST(munmap_of_parts_of_pages_is_refused)
{
	char *p = area_new(3);

	adopting_begin();
	assert_refused(EINVAL, p + 1, page_size(), NULL);
	assert_refused(EINVAL, p, page_size() - 1, NULL);
	assert_refused(EINVAL, p, page_size() + 1, NULL);
	assert_refused(EINVAL, p + 1, page_size() - 1, NULL);
	assert_refused(EINVAL, p, 1, NULL);
}

/* A refused range is as it was: readable, written, and free to be adopted. */
TEST(refused_memory_stays_with_the_caller)
{
	char *p = area_new(1);
	struct mark mark;

	adopting_begin();
	memset(p, 7, page_size());
	assert_refused(EINVAL, p, 100, NULL);
	collect_times(ROUNDS);
	for (size_t i = 0; i < page_size(); i++)
		assert_int_equal(p[i], 7);
	mark = adopt_bytes(&kept, hidden_of(p), 100, NULL);
	assert_stays(&mark);
}

/* --------------------------------------------------------------------------- overlaps */

TEST(what_overlaps_an_adopted_region_is_refused)
{
	char *p = area_new(1);

	adopting_begin();
	adopt_bytes(&kept, hidden_of(p + 100), 50, NULL);
	assert_refused(EEXIST, p + 100, 50, on_release); /* the same */
	assert_refused(EEXIST, p + 100, 1, on_release);	 /* inside: at its start, */
	assert_refused(EEXIST, p + 120, 5, on_release);	 /* in the middle, */
	assert_refused(EEXIST, p + 149, 1, on_release);	 /* at its end */
	assert_refused(EEXIST, p + 90, 100, on_release); /* around */
	assert_refused(EEXIST, p, page_size(), NULL);
	assert_refused(EEXIST, p + 99, 2, on_release); /* over its first byte, its last */
	assert_refused(EEXIST, p + 149, 2, on_release);
}

TEST(what_touches_a_region_is_none_of_it)
{
	char *p = area_new(2);
	void *volatile slot[3];

	adopting_begin();
	adopt_bytes(&slot[0], hidden_of(p + 100), 50, NULL);
	adopt_bytes(&slot[1], hidden_of(p + 99), 1, NULL);
	adopt_bytes(&slot[2], hidden_of(p + 150), page_size(), NULL);
	assert_int_equal(count_regions(), 3);
	assert_true(id_at(p + 99) != id_at(p + 100));
	assert_true(id_at(p + 149) != id_at(p + 150));
}

TEST(what_overlaps_a_region_that_foster_mapped_is_refused)
{
	adopting_begin();
	make_anon_region(&kept, 3, AT_BASE);
	assert_refused(EEXIST, kept, 3 * page_size(), NULL);
	assert_refused(EEXIST, (char *)kept + 5, 1, on_release);
	assert_refused(EEXIST, (char *)kept + 3 * page_size() - 1, 1, on_release);
}

TEST(the_addresses_of_a_closed_region_are_refused)
{
	adopting_begin();
	adopt_pages(&kept, 2);
	assert_int_equal(foster_close(kept), 0);
	assert_refused(EEXIST, kept, page_size(), NULL);
}

/* -------------------------------------------------------------- the collector's, stacks */

TEST(memory_of_the_collector_is_refused)
{
	const size_t len = 1 << 20;
	char *p = GC_MALLOC(40);

	adopting_begin();
	assert_refused(EPERM, p, 40, on_release);
	assert_refused(EPERM, p + 39, 1, on_release);
	assert_refused(EPERM, GC_MALLOC_UNCOLLECTABLE(40), 40, on_release);
	assert_refused(EPERM, GC_MALLOC_ATOMIC(40), 40, on_release);
	p = GC_MALLOC(len);
	assert_refused(EPERM, p, len, on_release);
	assert_refused(EPERM, p + len / 2, 100, on_release);
}

/* A range that only ends in the collector's heap. */
TEST(what_reaches_into_memory_of_the_collector_is_refused)
{
	const size_t len = (size_t)32 << 20;
	char *heap, *p;

	adopting_begin();
	heap = GC_MALLOC(len);
	assert_non_null(heap);
	while (GC_is_heap_ptr(heap))
		heap -= page_size();
	p = mmap(heap, page_size(), RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != heap && !(p == MAP_FAILED && errno == EEXIST))
		test_skip("something else is in front of the heap");
	assert_refused(EPERM, heap + page_size() - 1, 2, on_release);
	assert_refused(EPERM, heap, 2 * page_size(), NULL);
}

static NOINLINE void adopt_own_frame(void *unused UNUSED)
{
	char frame[64];

	memset(frame, 1, sizeof(frame));
	assert_refused(EPERM, frame, sizeof(frame), on_release);
}

TEST(the_stack_of_the_main_thread_is_refused)
{
	adopting_begin();
	adopt_own_frame(NULL);
}

static void *adopt_on_thread(void *arg UNUSED)
{
	char frame[64];

	errno = 0;
	child_check(!foster_adopt(frame, sizeof(frame), on_release, NULL));
	child_check(errno == EPERM);
	return NULL;
}

TEST(the_stack_of_another_thread_is_refused_to_itself)
{
	adopting_begin();
	on_plain_thread(adopt_on_thread, NULL);
	assert_int_equal(count_regions(), 0);
}

static struct {
	struct hidden frame;
	struct moment there, leave;
} attached;

static void *stand_attached(void *arg UNUSED)
{
	char frame[64];

	child_check(foster_thread_attach() == 0);
	attached.frame = hidden_of(frame);
	moment_announce(&attached.there);
	moment_await(&attached.leave);
	child_check(foster_thread_detach() == 0);
	return NULL;
}

TEST(the_stack_of_an_attached_thread_is_refused_to_others)
{
	pthread_t thread;

	adopting_begin();
	thread = thread_begin(stand_attached, NULL);
	moment_await(&attached.there);
	assert_refused(EPERM, hidden_show(attached.frame), 64, on_release);
	moment_announce(&attached.leave);
	thread_end(thread);
}

static void *adopt_from_thread(void *frame)
{
	errno = 0;
	child_check(!foster_adopt(frame, 64, on_release, NULL));
	child_check(errno == EPERM);
	return NULL;
}

/* Which need not have called foster at all. */
TEST(the_stack_of_the_main_thread_is_refused_to_others)
{
	char frame[64];

	on_plain_thread(adopt_from_thread, frame);
	assert_int_equal(count_regions(), 0);
}

static void adopt_frame_of_foster(void *addr UNUSED, size_t len UNUSED, void *arg UNUSED)
{
	char frame[64];

	errno = 0;
	child_check(!foster_adopt(frame, sizeof(frame), on_release, NULL));
	child_check(errno == EPERM);
	atomic_fetch_add(&adopting_released.calls, 1);
}

static NOINLINE void adopt_dropped(foster_release_fn *release)
{
	char *p = area_new(1);

	assert_ptr_equal(foster_adopt(p + 500, 100, release, NULL), p + 500);
}

TEST(the_stack_of_fosters_own_thread_is_refused)
{
	adopting_begin();
	adopt_dropped(adopt_frame_of_foster);
	assert_true(are_released(1));
}

static void *do_nothing(void *arg UNUSED)
{
	foster_collect(0); /* known to foster */
	return NULL;
}

/* Memory that was a stack is its owner's again. */
TEST(what_was_a_stack_may_be_adopted)
{
	const size_t len = 256 << 10;
	char *stack = area_new(len / page_size());
	struct mark mark;
	pthread_attr_t attr;
	pthread_t thread;

	adopting_begin();
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, len), 0);
	assert_int_equal(pthread_create(&thread, &attr, do_nothing, NULL), 0);
	thread_end(thread);
	mark = adopt_bytes(&kept, hidden_of(stack), len, NULL);
	assert_true(mark_is_tracked(&mark));
}

/* ---------------------------------------------------------------------------- accepted */

/* Pages in a row may be several mappings of the kernel's. */
TEST(memory_of_any_protection_may_be_adopted)
{
	char *p = area_new(3);
	struct foster_info info = FOSTER_INFO_INIT;

	adopting_begin();
	assert_int_equal(mprotect(p, page_size(), PROT_NONE), 0);
	assert_int_equal(mprotect(p + page_size(), page_size(), PROT_READ), 0);
	assert_ptr_equal(foster_adopt(p, 3 * page_size(), NULL, NULL), p);
	assert_int_equal(foster_info(p + 2 * page_size(), &info), 0);
	assert_int_equal(info.len, 3 * page_size());
	assert_int_equal(info.prot, PROT_NONE);
	kept = p;
}

static void check_one(char *p, size_t len)
{
	struct foster_info info = FOSTER_INFO_INIT;

	assert_ptr_equal(foster_adopt(p, len, on_release, NULL), p);
	assert_int_equal(foster_info(p + len - 1, &info), 0);
	assert_ptr_equal(info.base, p);
	assert_int_equal(info.len, len);
	assert_int_equal(id_at(p + len), 0);
	assert_int_equal(id_at(p - 1), 0);
	assert_int_equal(foster_disown(p), 0);
	assert_int_equal(id_at(p), 0);
}

TEST(a_range_may_begin_anywhere_and_have_any_length)
{
	const size_t lengths[] = { 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 100, 4095, 4096, 4097, 9000 };
	char *p = area_new(5);

	adopting_begin();
	for (size_t at = 1; at < 20; at++)
		for (size_t i = 0; i < COUNT_OF(lengths); i++)
			check_one(p + page_size() - 10 + at, lengths[i]);
	assert_int_equal(count_regions(), 0);
}

TEST(static_data_may_be_adopted)
{
	static char data[100];

	adopting_begin();
	check_one(data + 20, 50);
}

TEST(memory_of_malloc_may_be_adopted)
{
	char *p = malloc(100);

	adopting_begin();
	check_one(p + 1, 98);
	free(p);
}

TEST(a_page_of_a_file_may_be_adopted)
{
	const int fd = pattern_memfd(3 * page_size(), 0);
	struct foster_info info = FOSTER_INFO_INIT;
	char *p;

	adopting_begin();
	p = mmap(NULL, 3 * page_size(), PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_ptr_equal(foster_adopt(p, 3 * page_size(), NULL, NULL), p);
	assert_int_equal(foster_info(p, &info), 0);
	assert_int_equal(info.prot, PROT_READ);
	kept = p;
}

/* ------------------------------------------------------------------------ what is told */

/* Four on a page, two of them side by side. */
static const struct {
	size_t at, len;
} piece[] = { { 0, 1 }, { 10, 20 }, { 30, 5 }, { 4000, 96 } };

static void *volatile pieces[COUNT_OF(piece)];

static char *adopt_pieces(void)
{
	char *p = area_new(1);

	for (size_t i = 0; i < COUNT_OF(piece); i++)
		adopt_bytes(&pieces[i], hidden_of(p + piece[i].at), piece[i].len, NULL);
	return p;
}

static size_t piece_at(size_t at)
{
	for (size_t i = 0; i < COUNT_OF(piece); i++)
		if (at >= piece[i].at && at < piece[i].at + piece[i].len)
			return i;
	return COUNT_OF(piece);
}

TEST(each_byte_of_a_page_is_told_apart)
{
	struct foster_info info = FOSTER_INFO_INIT;
	char *p;

	adopting_begin();
	p = adopt_pieces();
	for (size_t at = 0; at < page_size(); at++) {
		const size_t i = piece_at(at);

		if (i == COUNT_OF(piece)) {
			assert_fails(ENOENT, foster_info(p + at, &info));
			continue;
		}
		assert_int_equal(foster_info(p + at, &info), 0);
		assert_ptr_equal(info.base, p + piece[i].at);
		assert_int_equal(info.len, piece[i].len);
	}
}

TEST(info_tells_that_it_was_adopted_in_place)
{
	struct foster_info info = FOSTER_INFO_INIT;

	adopting_begin();
	adopt_bytes(&kept, hidden_of(area_new(1) + 5), 10, NULL);
	assert_int_equal(foster_info((char *)kept + 9, &info), 0);
	assert_int_equal(info.source, FOSTER_SOURCE_ADOPTED);
	assert_int_equal(info.tracking, FOSTER_TRACK_IN_PLACE);
	assert_int_equal(info.state, FOSTER_LIVE);
	assert_int_equal(info.prot, RW);
	assert_int_equal(info.pins, 0);
	assert_int_equal(info.revoked, 0);
	assert_int_equal(info.flags, 0);
	assert_true(info.id != 0);
}

struct visits {
	unsigned int of[COUNT_OF(piece)], others;
};

static int visit(const struct foster_info *info, void *arg)
{
	struct visits *visits = arg;

	for (size_t i = 0; i < COUNT_OF(piece); i++) {
		if (info->base != pieces[i])
			continue;
		assert_int_equal(info->len, piece[i].len);
		assert_int_equal(info->tracking, FOSTER_TRACK_IN_PLACE);
		visits->of[i]++;
		return 0;
	}
	visits->others++;
	return 0;
}

TEST(each_is_visited_once)
{
	struct visits visits = { 0 };

	adopting_begin();
	adopt_pieces();
	assert_int_equal(foster_for_each(visit, &visits), 0);
	for (size_t i = 0; i < COUNT_OF(piece); i++)
		assert_int_equal(visits.of[i], 1);
	assert_int_equal(visits.others, 0);
}

TEST(counters_tell_of_each)
{
	struct foster_stats before, after;

	adopting_begin();
	make_anon_region(&kept, 1, AT_BASE);
	before = stats_now();
	assert_int_equal(before.in_place, 0);
	adopt_pieces();
	after = stats_now();
	assert_int_equal(after.regions, before.regions + COUNT_OF(piece));
	assert_int_equal(after.in_place, COUNT_OF(piece));
	assert_int_equal(after.mapped, before.mapped + COUNT_OF(piece));
	assert_int_equal(after.bytes, before.bytes + COUNT_OF(piece) * page_size());
	for (size_t i = 0; i < COUNT_OF(piece); i++)
		assert_int_equal(foster_disown(pieces[i]), 0);
	after = stats_now();
	assert_int_equal(after.regions, before.regions);
	assert_int_equal(after.in_place, 0);
	assert_int_equal(after.bytes, before.bytes);
	assert_int_equal(after.released, before.released);
}

static void *adopt_unknown(void *arg)
{
	*(struct mark *)arg = adopt_pages(&kept, 1);
	return NULL;
}

/* The sweep sees every thread: there is no need to keep it. */
TEST(a_thread_unknown_to_the_collector_may_adopt)
{
	struct mark mark;

	adopting_begin();
	on_plain_thread(adopt_unknown, &mark);
	assert_int_equal(mark_info(&mark).flags, 0);
	assert_int_equal(stats_now().unseen, 0);
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

TEST(it_may_be_the_first_call)
{
	struct mark mark = adopt_pages(&kept, 1);

	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}
