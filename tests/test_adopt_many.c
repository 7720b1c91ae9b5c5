/* SPDX-License-Identifier: BSD-2-Clause */
/* Many adopted regions that point to each other, that touch, and ranges of gigabytes. */
#include "adopting.h"

static void *volatile kept;

/* ------------------------------------------------------------------ selves and cycles */

enum kind { BYTES, PAGES, OVERLAY, KINDS };

static NOINLINE void *kind_new(enum kind kind, size_t pages)
{
	char *p;

	if (kind == OVERLAY) {
		p = foster_mmap(NULL, pages * page_size(), RW, ANON, -1, 0);
		assert_ptr_not_equal(p, MAP_FAILED);
		return p;
	}
	p = area_new(pages);
	if (kind == PAGES) {
		assert_ptr_equal(foster_adopt(p, pages * page_size(), NULL, NULL), p);
		return p;
	}
	p += 104;
	assert_ptr_equal(foster_adopt(p, 64, on_release, NULL), p);
	return p;
}

static NOINLINE struct mark make_self_pointer(enum kind kind)
{
	char *p = kind_new(kind, 1);

	*(void **)(p + 16) = p + 20;
	return mark_of(p);
}

/* Each from its own word to the other's last byte; *slot gets the first. */
static NOINLINE void make_cycle(struct mark mark[2], void *volatile *slot, enum kind one,
				enum kind other)
{
	char *p = kind_new(one, 1), *q = kind_new(other, 1);

	mark[0] = mark_of(p);
	mark[1] = mark_of(q);
	*(void **)(p + 8) = q + mark[1].len - 1;
	*(void **)(q + 8) = p + mark[0].len - 1;
	if (slot)
		*slot = p;
}

TEST(a_region_that_points_to_itself_goes)
{
	struct mark mark[KINDS];

	adopting_begin();
	for (unsigned int kind = 0; kind < KINDS; kind++)
		mark[kind] = make_self_pointer(kind);
	for (unsigned int kind = 0; kind < KINDS; kind++)
		assert_goes(&mark[kind]);
	assert_int_equal(atomic_load(&adopting_released.calls), 1);
}

TEST(two_that_point_to_each_other_go)
{
	struct mark mark[KINDS * KINDS][2];

	adopting_begin();
	for (unsigned int i = 0; i < KINDS * KINDS; i++)
		make_cycle(mark[i], NULL, i / KINDS, i % KINDS);
	for (unsigned int i = 0; i < KINDS * KINDS; i++) {
		assert_goes(&mark[i][0]);
		assert_goes(&mark[i][1]);
	}
	assert_int_equal(atomic_load(&adopting_released.calls), 2 * KINDS);
}

TEST(two_that_point_to_each_other_stay_while_one_is_pointed_to)
{
	struct mark mark[KINDS * KINDS][2];
	void *volatile *slot = calloc(KINDS * KINDS, sizeof(*slot));

	adopting_begin();
	for (unsigned int i = 0; i < KINDS * KINDS; i++)
		make_cycle(mark[i], &slot[i], i / KINDS, i % KINDS);
	forget();
	collect_times(ROUNDS);
	for (unsigned int i = 0; i < KINDS * KINDS; i++) {
		assert_true(mark_is_tracked(&mark[i][0]));
		assert_true(mark_is_tracked(&mark[i][1]));
	}
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
	free((void *)slot);
}

/* ----------------------------------------------------------------------------- a chain */

#define LINKS 1000u
#define LINK_BYTES 48u
#define LINK_STEP 64u

/* Where link i lies: neighbours in the chain are not neighbours in memory. */
static size_t link_at(unsigned int i)
{
	return (size_t)(i * 387u % LINKS) * LINK_STEP;
}

static NOINLINE void *make_chain(void)
{
	char *area = area_new(LINKS * LINK_STEP / page_size() + 1);

	for (unsigned int i = 0; i < LINKS; i++) {
		char *p = area + link_at(i);

		assert_ptr_equal(foster_adopt(p, LINK_BYTES, on_release, NULL), p);
		if (i + 1 < LINKS)
			*(void **)(p + 20) = area + link_at(i + 1) + i % LINK_BYTES;
	}
	return area + link_at(0);
}

TEST(a_chain_of_a_thousand_hangs_on_one_pointer)
{
	void *volatile *head = malloc(sizeof(*head));

	adopting_begin();
	*head = make_chain();
	forget();
	collect_times(ROUNDS);
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
	assert_int_equal(stats_now().regions, LINKS);
	*head = NULL;
	assert_true(are_released(LINKS));
	assert_int_equal(stats_now().regions, 0);
	free((void *)head);
}

/* What comes before the cut goes, the rest stays. */
TEST(a_chain_that_is_pointed_to_in_the_middle_keeps_its_end)
{
	void *volatile *head = malloc(sizeof(*head));
	char *first;

	adopting_begin();
	first = make_chain();
	*head = first - link_at(0) + link_at(LINKS / 4);
	first = NULL;
	assert_true(are_released(LINKS / 4));
	assert_int_equal(stats_now().regions, LINKS - LINKS / 4);
	collect_times(ROUNDS);
	assert_int_equal(atomic_load(&adopting_released.calls), LINKS / 4);
	*head = NULL;
	assert_true(are_released(LINKS));
	free((void *)head);
}

/* --------------------------------------------------------------------- bytes side by side */

#define SINGLES 10000

static NOINLINE struct hidden adopt_singles(void)
{
	char *p = area_new(SINGLES / page_size() + 2);

	p += page_size() / 2 + 3;
	for (int i = 0; i < SINGLES; i++)
		assert_ptr_equal(foster_adopt(p + i, 1, on_release, NULL), p + i);
	return hidden_of(p);
}

TEST(ten_thousand_neighbouring_bytes_are_released)
{
	struct hidden at;
	uint64_t sum = 0;

	adopting_begin();
	at = adopt_singles();
	assert_int_equal(stats_now().regions, SINGLES);
	assert_true(are_released(SINGLES));
	for (uint64_t i = 0; i < SINGLES; i++)
		sum += at.complement - i;
	assert_true(atomic_load(&adopting_released.sum) == sum);
	assert_int_equal(stats_now().regions, 0);
	assert_int_equal(stats_now().bytes, 0);
}

static NOINLINE void check_that_two_are_left(char *p)
{
	struct foster_info info = FOSTER_INFO_INIT;

	assert_int_equal(foster_info(p, &info), 0);
	assert_int_equal(foster_info(p - 1, &info), 0);
	assert_int_equal(foster_info(p + 1, &info), -ENOENT);
	assert_int_equal(foster_info(p - 2, &info), -ENOENT);
}

/* A pointer to a byte is also one just past the byte before: two stay. */
TEST(a_pointer_to_a_byte_keeps_it_and_the_one_before)
{
	struct hidden at;

	adopting_begin();
	at = adopt_singles();
	show_to(&kept, (struct hidden){ at.complement - 5000 });
	assert_true(are_released(SINGLES - 2));
	check_that_two_are_left(kept);
	kept = NULL;
	assert_true(are_released(SINGLES));
}

/* ------------------------------------------------------------------------------ gigabytes */

static void write_there(void *p)
{
	*(volatile char *)p = 1;
}

static NOINLINE struct mark map_gib(size_t gib)
{
	const size_t len = gib << 30;
	struct foster_info info = FOSTER_INFO_INIT;
	char *p = foster_mmap(NULL, len, RW, ANON | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p[0] = p[len - 1] = 1;
	assert_int_equal(foster_info(p + len - 1, &info), 0);
	assert_int_equal(info.tracking, FOSTER_TRACK_IN_PLACE);
	assert_int_equal(info.source, FOSTER_SOURCE_ANON);
	assert_ptr_equal(info.base, p);
	assert_int_equal(info.len, len);
	kept = p;
	return mark_of(p);
}

/* Nobody else can be given what lies there. */
static NOINLINE void check_guard(char *end)
{
	assert_child_dies(SIGSEGV, write_there, end);
	assert_child_dies(SIGSEGV, write_there, end + page_size() - 1);
}

static void check_gib(size_t gib)
{
	const size_t len = gib << 30;
	struct mark mark;
	uint64_t kib;

	adopting_begin();
	kib = status_figure("VmSize");
	mark = map_gib(gib);
	check_guard((char *)kept + len);
	show_to(&kept, (struct hidden){ mark.base.complement - len / 2 });
	forget();
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
	assert_true(status_figure("VmSize") < kib + (len >> 10) / 2);
}

TEST(a_gibibyte_is_mapped_in_place_and_goes)
{
	check_gib(1);
}

TEST(four_gibibytes_are_mapped_in_place_and_go)
{
	check_gib(4);
}

TEST(a_pointer_just_past_a_gibibyte_keeps_it)
{
	struct mark mark;

	adopting_begin();
	mark = map_gib(1);
	show_to(&kept, (struct hidden){ mark.base.complement - mark.len });
	forget();
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

/*
 * Far from all else: half a word that is left over of an old pointer, and an integer in the
 * other half, may make a pointer into one of 4 GiB among the libraries.
 */
#define FAR ((void *)((uintptr_t)0x2a << 40))

static NOINLINE struct mark adopt_gib(size_t gib)
{
	const size_t len = gib << 30;
	char *p = mmap(FAR, len, RW, ANON | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p[len - 1] = 1;
	assert_ptr_equal(foster_adopt(p, len, NULL, NULL), p);
	return mark_of(p);
}

TEST(four_gibibytes_may_be_adopted_and_go)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_gib(4);
	assert_goes(&mark);
	assert_false(mark_is_readable(&mark));
}

TEST(a_gibibyte_may_be_closed)
{
	struct mark mark;

	adopting_begin();
	mark = map_gib(1);
	assert_int_equal(foster_close(kept), 0);
	assert_child_dies(SIGSEGV, write_there, kept);
	assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
	kept = NULL;
	assert_goes(&mark);
}
