/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer lies in another region, or in the region itself: what is in a
 * region counts while the region is kept.
 */
#include "hide.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void *volatile in_static;

static NOINLINE void point_to(enum hide_kind kind)
{
	in_static = hide_pointer(kind);
}

/* --------------------------------------------------------------- another that lives */

static NOINLINE void hold_overlaid(void)
{
	in_static = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
	assert_ptr_not_equal(in_static, MAP_FAILED);
}

HIDING_PLACE(an_overlaid_region)
{
	hold_overlaid();
	hide_put(in_static);
	assert_kept();
	hide_clear(in_static);
	assert_gone();
}

HIDING_PLACE(an_overlaid_region_until_it_is_dropped)
{
	hold_overlaid();
	hide_put(in_static);
	assert_kept();
	in_static = NULL;
	assert_gone();
}

/* Inaccessible, and its contents given back: what was in it is gone. */
HIDING_PLACE(an_overlaid_region_until_it_is_closed)
{
	hold_overlaid();
	hide_put(in_static);
	assert_kept();
	assert_int_equal(foster_close(in_static), 0);
	assert_gone();
}

static _Atomic int released;

static void count(void *addr UNUSED, size_t len UNUSED, void *arg UNUSED)
{
	atomic_fetch_add(&released, 1);
}

/* 64 bytes of a page that is not otherwise used. */
static NOINLINE void hold_adopted(foster_release_fn *fn)
{
	char *p = mmap(NULL, 3 * page_size(), RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p += page_size() + 128;
	in_static = foster_adopt(p, 64, fn, NULL);
	assert_ptr_equal(in_static, p);
}

HIDING_PLACE(an_adopted_region)
{
	hold_adopted(count);
	hide_put(in_static);
	assert_kept();
	hide_clear(in_static);
	assert_gone();
	assert_int_equal(atomic_load(&released), 0);
}

static void clear(void *addr, size_t len, void *arg UNUSED)
{
	memset(addr, 0, len);
}

/* Released, it is ordinary memory again; who releases it clears it. */
HIDING_PLACE(an_adopted_region_until_it_is_dropped)
{
	hold_adopted(clear);
	hide_put(in_static);
	assert_kept();
	in_static = NULL;
	assert_gone();
}

/* --------------------------------------------------------------------------- chains */

static void check_chain(enum hide_kind first)
{
	const enum hide_kind second = (first + 1) % HIDE_KINDS;
	const enum hide_kind third = (first + 2) % HIDE_KINDS;

	point_to(first);
	hide_put_inside(first, second);
	hide_put_inside(second, third);
	assert_kept();
	in_static = NULL;
	assert_gone();
}

HIDING_PLACE(a_chain_whose_head_is_overlaid)
{
	check_chain(HIDE_OVERLAID);
}

HIDING_PLACE(a_chain_whose_head_is_pages)
{
	check_chain(HIDE_PAGES);
}

HIDING_PLACE(a_chain_whose_head_is_bytes)
{
	check_chain(HIDE_BYTES);
}

/* Nothing points to the head, and it is pinned. */
HIDING_PLACE(a_chain_whose_head_is_pinned)
{
	hide_put_inside(HIDE_BYTES, HIDE_PAGES);
	hide_put_inside(HIDE_PAGES, HIDE_OVERLAID);
	hide_pin(HIDE_BYTES);
	assert_kept();
	hide_unpin_one(HIDE_BYTES);
	assert_gone();
}

/* --------------------------------------------------------------------------- cycles */

IN_EACH_WAY(releases_regions_that_point_to_themselves)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_put_inside(kind, kind);
	hide_unpin();
	assert_gone();
}

static void check_pair(enum hide_kind one, enum hide_kind other)
{
	hide_put_inside(one, other);
	hide_put_inside(other, one);
	hide_unpin();
	assert_gone();
}

IN_EACH_WAY(releases_overlaid_and_pages_that_point_to_each_other)
{
	check_pair(HIDE_OVERLAID, HIDE_PAGES);
}

IN_EACH_WAY(releases_pages_and_bytes_that_point_to_each_other)
{
	check_pair(HIDE_PAGES, HIDE_BYTES);
}

IN_EACH_WAY(releases_a_cycle_of_three)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_put_inside(kind, (kind + 1) % HIDE_KINDS);
	hide_unpin();
	assert_gone();
}

/* All of it, while one pointer leads to one of them. */
IN_EACH_WAY(keeps_a_cycle_of_three_until_it_is_dropped)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_put_inside(kind, (kind + 1) % HIDE_KINDS);
	point_to(HIDE_PAGES);
	hide_unpin();
	assert_true(hide_kept());
	in_static = NULL;
	assert_gone();
}

/* Two of one kind, each with a word that points to the other's second page. */
static NOINLINE void make_overlaid_pair(struct mark mark[2])
{
	void *volatile slot[2];

	for (int i = 0; i < 2; i++)
		mark[i] = make_anon_region(&slot[i], 3, AT_MIDDLE);
	for (int i = 0; i < 2; i++)
		*(void *volatile *)hidden_show(mark[i].base) = slot[!i];
	slot[0] = slot[1] = NULL;
}

IN_EACH_WAY(releases_two_overlaid_regions_that_point_to_each_other)
{
	struct mark mark[2];

	make_overlaid_pair(mark);
	forget();
	assert_goes(&mark[0]);
	assert_goes(&mark[1]);
	assert_true(hide_whole());
}

/* The usual call: the callback's argument is the memory that it is to release. */
static NOINLINE struct mark adopt_with_itself(size_t len)
{
	char *p = mmap(NULL, 3 * page_size(), RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p += page_size() + 128;
	assert_ptr_equal(foster_adopt(p, len, count, p + len / 2), p);
	return mark_of(p);
}

static bool was_released(void *unused UNUSED)
{
	return atomic_load(&released) == 1;
}

IN_EACH_WAY(releases_a_region_that_its_own_argument_points_to)
{
	struct mark mark = adopt_with_itself(200);

	forget();
	assert_true(collecting_until(was_released, NULL, ROUNDS));
	assert_false(mark_is_tracked(&mark));
	assert_true(hide_whole());
}
