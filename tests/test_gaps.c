/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gaps: what holds nothing is neither listed nor read, and what came to hold something meanwhile
 * is.
 */
#include "support.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/sync.h"
#include "layout_look.h"
#include "track/gaps.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PAGES 64

/* ------------------------------------------------------------------ the list around them */

static char *map_striped(void)
{
	char *p = mmap(NULL, PAGES * page_size(), LOOK_RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < PAGES; i += 2)
		assert_int_equal(mprotect(p + i * page_size(), page_size(), PROT_READ), 0);
	return p;
}

static struct layout list_around(struct scratch *s, const struct layout_gap *gap, size_t n)
{
	struct layout l;

	assert_int_equal(layout_read_around(&l, s, NULL, gap, n, NULL), 0);
	return l;
}

/* Gaps begin and end inside of mappings, at their edges, and where nothing is mapped. */
TEST(the_list_around_gaps_lacks_nothing_else)
{
	const size_t page = page_size();
	const uintptr_t p = (uintptr_t)map_striped();
	const struct layout_gap gap[] = {
		{ page, 2 * page },
		{ p + page / 2, p + page },
		{ p + 2 * page, p + 4 * page },
		{ p + 5 * page + 16, p + 9 * page + 32 },
		{ p + 63 * page, p + 64 * page },
	};
	struct scratch s = look_scratch();
	const struct layout l = list_around(&s, gap, COUNT_OF(gap));

	if (!layout_at(&l, p + page / 2)) { /* a kernel that answers */
		assert_null(layout_at(&l, p + page - 1));
		assert_null(layout_at(&l, p + 2 * page));
		assert_null(layout_at(&l, p + 4 * page - 1));
		assert_null(layout_at(&l, p + 5 * page + 16));
		assert_null(layout_at(&l, p + 9 * page + 31));
		assert_null(layout_at(&l, p + 63 * page));
	} else {
		test_skip("this kernel answers no questions about one mapping");
	}
	assert_int_equal(layout_at(&l, p)->start, p);
	assert_int_equal(layout_at(&l, p)->end, p + page / 2);
	assert_int_equal(layout_at(&l, p)->prot, PROT_READ);
	assert_int_equal(layout_at(&l, p + page)->prot, LOOK_RW);
	assert_int_equal(layout_at(&l, p + 4 * page)->start, p + 4 * page);
	assert_int_equal(layout_at(&l, p + 5 * page)->end, p + 5 * page + 16);
	assert_int_equal(layout_at(&l, p + 9 * page + 32)->start, p + 9 * page + 32);
	for (size_t i = 10; i < 63; i++)
		assert_int_equal(layout_at(&l, p + i * page)->end, p + (i + 1) * page);
	assert_non_null(layout_at(&l, (uintptr_t)&s));
	scratch_close(&s);
}

TEST(without_gaps_the_list_is_the_same)
{
	struct scratch s = look_scratch(), other = look_scratch();
	/* Behind all that is mapped. */
	const struct layout_gap gap = { UINTPTR_MAX - 4095, UINTPTR_MAX };
	const struct layout whole = list_of(&s, &other);
	struct layout l;

	assert_int_equal(layout_read_around(&l, &other, &s, &gap, 1, NULL), 0);
	/* [vsyscall], which is no mapping, is in the kernel's list only. */
	assert_true(l.count + 1 >= whole.count && l.count > 10);
	for (size_t i = 0; i < l.count && l.entry[i].start < (uintptr_t)1 << 48; i++) {
		assert_int_equal(l.entry[i].start, whole.entry[i].start);
		assert_int_equal(l.entry[i].end, whole.entry[i].end);
		assert_int_equal(l.entry[i].kind, whole.entry[i].kind);
		assert_int_equal(l.entry[i].prot, whole.entry[i].prot);
		assert_int_equal(l.entry[i].inode, whole.entry[i].inode);
		assert_int_equal(l.entry[i].device, whole.entry[i].device);
		assert_int_equal(l.entry[i].offset, whole.entry[i].offset);
	}
	scratch_close(&s);
	scratch_close(&other);
}

static uintptr_t vouched;

static enum layout_vouched as;

static enum layout_vouched vouch_for_one(uintptr_t start)
{
	return start == vouched ? as : LAYOUT_NOT_VOUCHED;
}

/* Nobody need ask what is known: the kernel's long list is long. */
TEST(what_the_caller_has_mapped_leaves_no_question)
{
	struct scratch s;
	struct layout l;
	void *p;

	learn_all();
	p = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0), 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	s = look_scratch();
	assert_int_equal(layout_read(&l, &s, NULL), 0);
	assert_true(l.open);
	vouched = (uintptr_t)p;
	as = LAYOUT_VOUCHED;
	assert_int_equal(layout_read_around(&l, &s, NULL, NULL, 0, vouch_for_one), 0);
	assert_false(l.open);
	assert_int_equal(layout_at(&l, (uintptr_t)p)->kind, LAYOUT_SHARED);
	as = LAYOUT_VOUCHED_CONST;
	assert_int_equal(layout_read_around(&l, &s, NULL, NULL, 0, vouch_for_one), 0);
	assert_false(l.open);
	assert_int_equal(layout_at(&l, (uintptr_t)p)->kind, LAYOUT_CONST);
	scratch_close(&s);
}

/* ------------------------------------------------------------------ which there are */

#define NUMBERS 9

/* Of number n the n-th page, in a row but for the fifth; listed backwards. */
static bool filled[NUMBERS];

static size_t count_some(void)
{
	return NUMBERS;
}

static bool next_backwards(uint32_t *at, struct gap *gap)
{
	const uintptr_t n = NUMBERS - 1 - *at;

	if (*at == NUMBERS)
		return false;
	*gap = (struct gap){
		.start = 0x100000 + n * 4096,
		.end = 0x101000 + n * 4096,
		.from = 0x100000 + n * 4096,
		.to = 0x100000 + n * 4096,
		.number = (uint32_t)n,
	};
	++*at;
	return true;
}

static bool is_not_filled(const struct gap *gap)
{
	return !filled[gap->number];
}

TEST(gaps_that_hold_something_are_none)
{
	static const struct gaps_owner owner = { count_some, next_backwards, NULL, NULL,
						 is_not_filled, NULL };
	struct scratch s = look_scratch();
	struct gaps g;

	gaps_find(&g, &owner, &s);
	assert_int_equal(g.count, NUMBERS);
	assert_int_equal(g.merged_count, 1);
	assert_int_equal(g.merged[0].end - g.merged[0].start, NUMBERS * 4096);
	filled[0] = filled[5] = true;
	gaps_merge(&g);
	assert_int_equal(g.merged_count, 2);
	assert_int_equal(g.merged[0].start, 0x101000);
	assert_int_equal(g.merged[0].end, 0x105000);
	assert_int_equal(g.merged[1].start, 0x106000);
	scratch_close(&s);
}

TEST(without_room_there_are_no_gaps)
{
	static const struct gaps_owner owner = { count_some, next_backwards, NULL, NULL,
						 is_not_filled, NULL };
	struct scratch s = { 0 };
	struct gaps g;

	gaps_find(&g, &owner, &s);
	assert_int_equal(g.merged_count, 0);
	gaps_merge(&g);
	assert_int_equal(g.merged_count, 0);
}

/* ------------------------------------------------------------------ which hold a region */

#define REGION_PAGES 2u
#define STRIPE (REGION_PAGES + 2)

/* Regions of a memfd, with a page on either side that is not touched; every page of them is. */
static char *stripes;
static size_t stripe_count;
static int stripe_fd;
static bool seen; /* does the owner say so of all? */

static size_t count_stripes(void)
{
	return stripe_count;
}

static bool next_stripe(uint32_t *at, struct gap *gap)
{
	const uintptr_t start = (uintptr_t)stripes + *at * STRIPE * page_size();

	if (*at == stripe_count)
		return false;
	*gap = (struct gap){
		.start = start,
		.end = start + STRIPE * page_size(),
		.from = start + page_size(),
		.to = start + (STRIPE - 1) * page_size(),
		.number = (*at)++,
		.seen = seen,
	};
	return true;
}

static bool is_always(const struct gap *gap UNUSED)
{
	return true;
}

static size_t looks, whole_looks;

static void count_look(const struct gap *gap UNUSED, bool whole)
{
	looks++;
	whole_looks += whole;
}

static const struct gaps_owner striped = { count_stripes, next_stripe, NULL, count_look,
					   is_always, NULL };

static char *stripe(size_t i)
{
	return stripes + i * STRIPE * page_size();
}

static void lay_region(char *at)
{
	assert_ptr_equal(mmap(at, REGION_PAGES * page_size(), LOOK_RW,
			      MAP_SHARED | MAP_FIXED | MAP_POPULATE, stripe_fd, 0),
			 at);
}

static void map_stripes(size_t count)
{
	stripe_count = count;
	stripe_fd = pattern_memfd(REGION_PAGES * page_size(), 0);
	stripes = mmap(NULL, count * STRIPE * page_size(), LOOK_RW, ANON, -1, 0);
	assert_ptr_not_equal(stripes, MAP_FAILED);
	for (size_t i = 0; i < count; i++)
		lay_region(stripe(i) + page_size());
}

static struct gaps looked(struct scratch *s)
{
	struct gaps g;

	gaps_find(&g, &striped, s);
	assert_int_equal(g.count, stripe_count);
	assert_int_equal(g.merged_count, 1);
	gaps_look(&g);
	gaps_merge(&g);
	return g;
}

TEST(a_region_that_is_all_there_is_on_no_list)
{
	struct scratch s = look_scratch();
	struct gaps g;

	map_stripes(300); /* more than one call of the kernel tells */
	g = looked(&s);
	assert_int_equal(g.merged_count, 1);
	for (size_t i = 0; i < 300; i++)
		assert_true(gap_is_read(&g.gap[i]));
	scratch_close(&s);
}

static void assert_only_is_listed(size_t i)
{
	struct scratch s = look_scratch();
	const struct gaps g = looked(&s);

	assert_false(gap_is_read(&g.gap[i]));
	assert_int_equal(g.merged_count, 2);
	assert_int_equal(g.merged[0].end, (uintptr_t)stripe(i));
	assert_int_equal(g.merged[1].start, (uintptr_t)stripe(i + 1));
	for (size_t n = 0; n < g.count; n++)
		assert_int_equal(gap_is_read(&g.gap[n]), n != i);
	scratch_close(&s);
}

TEST(a_region_with_a_page_missing_is_listed)
{
	map_stripes(7);
	assert_int_equal(madvise(stripe(3) + page_size(), page_size(), MADV_DONTNEED), 0);
	assert_only_is_listed(3);
}

TEST(a_region_that_is_unmapped_is_listed)
{
	map_stripes(7);
	assert_int_equal(munmap(stripe(3), STRIPE * page_size()), 0);
	assert_only_is_listed(3);
}

TEST(a_region_with_something_before_it_is_listed)
{
	map_stripes(7);
	*stripe(3) = 1;
	assert_only_is_listed(3);
}

TEST(a_region_with_something_behind_it_is_listed)
{
	map_stripes(7);
	*(stripe(4) - 1) = 1;
	assert_only_is_listed(3);
}

/* As many pages are there as should be. */
TEST(a_region_that_lies_a_page_lower_is_listed)
{
	map_stripes(7);
	assert_int_equal(madvise(stripe(3), STRIPE * page_size(), MADV_DONTNEED), 0);
	lay_region(stripe(3));
	assert_int_equal(madvise(stripe(3) + REGION_PAGES * page_size(), page_size(),
				 MADV_DONTNEED), 0);
	assert_only_is_listed(3);
}

TEST(a_few_regions_are_looked_at_though_they_were_seen)
{
	map_stripes(7);
	seen = true;
	assert_int_equal(madvise(stripe(3) + page_size(), page_size(), MADV_DONTNEED), 0);
	assert_only_is_listed(3);
	assert_int_equal(looks, 7);
	assert_int_equal(whole_looks, 6);
}

TEST(many_regions_are_looked_at_unless_they_were_seen)
{
	struct scratch s = look_scratch();
	struct gaps g;

	map_stripes(GAPS_MANY);
	g = looked(&s);
	assert_int_equal(whole_looks, GAPS_MANY);
	seen = true;
	assert_int_equal(scratch_reset(&s), 0);
	g = looked(&s);
	assert_int_equal(looks, GAPS_MANY);
	assert_int_equal(g.merged_count, 1);
	for (size_t i = 0; i < g.count; i++)
		assert_true(gap_is_read(&g.gap[i]));
	scratch_close(&s);
}

/* ------------------------------------------------------------------ used again meanwhile */

static void *volatile *from; /* in malloc's memory */
static struct hidden to;

static NOINLINE void move_into_the_pool(void)
{
	void *volatile *p = foster_mmap(NULL, page_size(), LOOK_RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	*p = *from;
	*from = NULL;
	assert_int_equal(foster_pin((void *)p), 0);
	to = hidden_of((void *)p);
}

static void move_before_the_pause(const char *point)
{
	if (strcmp(point, "sweep-pause") || !*from)
		return;
	move_into_the_pool();
	forget();
}

TEST(a_range_of_the_pool_that_is_used_again_during_a_round_is_read)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	struct mark held;
	uint64_t reused;

	options.idle_collect_ms = FOSTER_NEVER;
	assert_int_equal(foster_init(&options), 0);
	for (int i = 0; i < 8; i++)
		(void)make_dropped(1);
	collect_times(2);
	assert_true(stats_now().pool_ranges > 0);
	reused = stats_now().reused;
	from = calloc(1, 64);
	held = make_memfd_region((void *volatile *)from, 2, AT_BASE);
	sync_hook = move_before_the_pause;
	collect_times(2);
	sync_hook = NULL;
	assert_null(*from);
	assert_true(stats_now().reused > reused);
	assert_stays(&held);
	assert_true(mark_pattern_holds(&held));
	assert_int_equal(foster_unpin(hidden_show(to)), 0);
	assert_goes(&held);
}

/* ------------------------------------------------------------------ what reading must not do */

static void *volatile sparse;

/* To touch a page of shared memory that was never there makes it. */
TEST(a_round_makes_no_memory_of_holes)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	const int fd = memfd_create("sparse", 0);
	struct stat file;

	options.idle_collect_ms = FOSTER_NEVER;
	assert_int_equal(foster_init(&options), 0);
	assert_int_equal(ftruncate(fd, (off_t)(8 * page_size())), 0);
	sparse = foster_mmap(NULL, 8 * page_size(), LOOK_RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(sparse, MAP_FAILED);
	*(volatile char *)sparse = 1;
	for (int i = 0; i < 3; i++) {
		(void)make_dropped(1);
		collect_times(1);
	}
	assert_true(stats_now().rounds > 0);
	assert_int_equal(fstat(fd, &file), 0);
	assert_int_equal(file.st_blocks, (blkcnt_t)(page_size() / 512));
}

/* ------------------------------------------------------------------ what was seen once */

#define CROWD (GAPS_MANY + 64u)
#define TURNS 40 /* rounds, in which each region has been looked at again */

static void *volatile crowd[CROWD];
static void *volatile apart;

/* So many regions that those which were seen are passed over, and one of that file; all are held. */
static NOINLINE void hold_crowd(int fd, size_t bytes)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	const int all = pattern_memfd(page_size(), 0);

	options.idle_collect_ms = FOSTER_NEVER;
	options.collect_regions = 1 << 30;
	assert_int_equal(foster_init(&options), 0);
	for (size_t i = 0; i < CROWD; i++) {
		crowd[i] = foster_mmap(NULL, page_size(), LOOK_RW, MAP_SHARED, all, 0);
		assert_ptr_not_equal(crowd[i], MAP_FAILED);
		*(volatile char *)crowd[i] = 1;
	}
	apart = foster_mmap(NULL, bytes, LOOK_RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(apart, MAP_FAILED);
	for (size_t at = 0; at < bytes; at += page_size())
		((volatile char *)apart)[at] = 1;
}

static void decide_once(void)
{
	(void)make_dropped(1);
	collect_times(1);
}

static blkcnt_t blocks_of(int fd)
{
	struct stat file;

	assert_int_equal(fstat(fd, &file), 0);
	return file.st_blocks;
}

static void give_back(char *page)
{
	assert_int_equal(madvise(page, page_size(), MADV_REMOVE), 0);
}

/* Who gives pages back again and again is heard, if not at once. */
TEST(a_page_that_is_given_back_to_the_kernel_is_left_alone_in_the_end)
{
	const int fd = memfd_create("apart", 0);
	const blkcnt_t one = (blkcnt_t)(page_size() / 512);
	int turns = TURNS;

	assert_int_equal(ftruncate(fd, (off_t)(2 * page_size())), 0);
	hold_crowd(fd, 2 * page_size());
	decide_once();
	assert_int_equal(blocks_of(fd), 2 * one);
	do {
		give_back((char *)apart + page_size());
		assert_int_equal(blocks_of(fd), one);
		decide_once();
	} while (blocks_of(fd) != one && --turns);
	assert_true(turns);
}

/* By a mapping of its own, which no round meets: a page that is mapped does not leave memory. */
static bool is_in_memory(int fd)
{
	void *p = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	unsigned char there;

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mincore(p, page_size(), &there), 0);
	assert_int_equal(munmap(p, page_size()), 0);
	return there & 1;
}

/* It would have to be fetched: no round may pass over the look, however often it was seen. */
TEST(a_page_of_a_file_that_memory_has_no_more_stays_where_it_is)
{
	char path[PATH_MAX];
	const int fd = pattern_file(path, page_size());

	hold_crowd(fd, page_size());
	decide_once();
	for (int i = 0; i < 3; i++) {
		assert_true(is_in_memory(fd));
		assert_int_equal(fsync(fd), 0);
		assert_int_equal(madvise((void *)apart, page_size(), MADV_DONTNEED), 0);
		assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		if (is_in_memory(fd))
			test_skip("the pages of this file system do not leave memory");
		decide_once();
		assert_false(is_in_memory(fd));
		__asm__ volatile("" : : "r"(*(volatile char *)apart));
	}
	assert_int_equal(unlink(path), 0);
}
