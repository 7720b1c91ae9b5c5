/* SPDX-License-Identifier: BSD-2-Clause */
/* Each transition of the table in lib/region/region.c. */
#include "region_states.h"

/* ------------------------------------------------------------------------ transitions */

TEST(free_to_newborn_by_region_create)
{
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	assert_int_equal(state_at(number), LIFE_NEWBORN);
	assert_int_equal(region_span(region_at(number)), span());
	assert_int_equal(registry_find(region_base(region_at(number))).region, number);
	check(number);
}

TEST(region_create_without_memory_changes_nothing)
{
	begin(POOL);
	gc_null_fail(1);
	assert_int_equal(region_create(span()), 0);
	assert_int_equal(gc_null_objects(), 0);
	assert_int_equal(registry_nodes(), 0);
	assert_true(region_create(span()));
}

TEST(pooled_to_newborn_by_region_reuse)
{
	uint32_t number;

	begin(POOL);
	number = make_pooled();
	assert_int_equal(region_reuse(span()), number);
	assert_int_equal(state_at(number), LIFE_NEWBORN);
	assert_int_equal(stats_get(pool_ranges), 0);
	check(number);
}

TEST(region_reuse_gives_out_exact_sizes_only)
{
	begin(POOL);
	make_pooled();
	assert_int_equal(region_reuse(span() - page_size()), 0);
	assert_int_equal(region_reuse(span() + page_size()), 0);
	assert_true(region_reuse(span()));
	assert_int_equal(region_reuse(span()), 0);
}

TEST(newborn_to_live_by_region_born)
{
	uint32_t number;

	begin(POOL);
	number = make_live();
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(life_pins(life_at(number)), 0);
	check(number);
}

TEST(a_region_of_an_unseen_maker_is_born_with_a_pin)
{
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	bear(number, true);
	assert_int_equal(life_pins(life_at(number)), 1);
	assert_int_equal(region_user_pins(region_at(number), life_at(number)), 0);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_LIVE);
}

TEST(newborn_to_pooled_by_region_stillborn)
{
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	region_stillborn(number, false);
	assert_int_equal(state_at(number), LIFE_POOLED);
	assert_int_equal(stats_get(mapped), 0);
	check(number);
}

TEST(newborn_to_free_by_region_stillborn_without_a_pool)
{
	uint32_t number;

	begin(0);
	number = make_newborn();
	region_stillborn(number, false);
	assert_int_equal(state_at(number), LIFE_FREE);
	assert_int_equal(registry_nodes(), 0);
	assert_int_equal(gc_null_objects(), 1);
}

TEST(newborn_to_disowned_by_region_stillborn_where_the_range_is_lost)
{
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	region_stillborn(number, true);
	assert_int_equal(state_at(number), LIFE_DISOWNED);
	assert_int_equal(stats_get(abandoned), 1);
	collect_with(number, false);
	assert_int_equal(gc_null_objects(), 1);
}

TEST(live_to_doubted_by_region_sign)
{
	uint32_t number;

	begin(POOL);
	number = make_doubted();
	assert_true(life_at(number) & LIFE_QUEUED);
	assert_int_equal(stats_get(doubted), 1);
	assert_int_equal(doubt_take_all(), number);
	check(number);
}

TEST(live_stays_live_while_it_is_reachable)
{
	uint32_t number;

	begin(POOL);
	number = make_live();
	collect_with(number, true);
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(doubt_take_all(), 0);
}

TEST(doubted_to_live_by_region_hold)
{
	uint32_t number;
	struct region *r;

	begin(POOL);
	number = make_doubted();
	r = region_hold(address_of(number) + 5);
	assert_ptr_equal(r, region_at(number));
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(life_holds(life_at(number)), 1);
	assert_int_equal(stats_get(revived), 1);
	region_drop(r);
	assert_false(settle_one(number));
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_false(life_at(number) & LIFE_QUEUED);
}

TEST(doubted_to_live_by_region_hold_number)
{
	uint32_t number;
	struct region *r;

	begin(POOL);
	number = make_doubted();
	r = region_hold_number(number);
	assert_ptr_equal(r, region_at(number));
	assert_int_equal(state_at(number), LIFE_LIVE);
	region_drop(r);
	assert_false(settle_one(number));
}

TEST(doubted_to_live_by_pin)
{
	uint32_t number;

	begin(POOL);
	number = make_doubted();
	assert_int_equal(foster_pin(address_of(number)), 0);
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(life_pins(life_at(number)), 1);
	assert_false(settle_one(number));
}

TEST(doubted_to_releasing_by_region_settle)
{
	uint32_t number;

	begin(POOL);
	number = make_releasing();
	assert_false(life_at(number) & LIFE_QUEUED);
	assert_null(region_hold(address_of(number)));
	assert_null(region_hold_number(number));
}

static uint32_t shown;

static void show(const char *point)
{
	struct region *r;

	if (strcmp(point, "sign"))
		return;
	r = region_hold_number(shown);
	assert_non_null(r);
	region_drop(r);
}

TEST(doubted_to_live_by_region_settle_where_the_sign_was_overtaken)
{
	begin(POOL);
	shown = make_live();
	sync_hook = show;
	collect_with(shown, false);
	sync_hook = NULL;
	assert_int_equal(state_at(shown), LIFE_DOUBTED);
	assert_false(settle_one(shown));
	assert_int_equal(state_at(shown), LIFE_LIVE);
	collect_with(shown, false);
	assert_true(settle_one(shown));
}

TEST(live_to_revoked_by_region_revoke)
{
	uint32_t number;

	begin(POOL);
	number = make_live();
	revoke_region(number);
	assert_int_equal(state_at(number), LIFE_REVOKED);
	assert_int_equal(stats_get(closed), 1);
	assert_int_equal(stats_get(revoked), 1);
	assert_int_equal(stats_get(regions), 0);
	check(number);
}

TEST(revoking_a_region_of_an_unseen_maker_takes_its_pin)
{
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	bear(number, true);
	revoke_region(number);
	assert_int_equal(life_pins(life_at(number)), 0);
	assert_int_equal(stats_get(unseen), 0);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_FADING);
}

TEST(revoked_to_live_by_region_unrevoke)
{
	struct region *r;
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	bear(number, true);
	r = region_hold(address_of(number));
	assert_int_equal(region_revoke(r), 0);
	region_unrevoke(r);
	region_drop(r);
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(life_pins(life_at(number)), 1);
	assert_int_equal(stats_get(closed), 0);
	assert_int_equal(stats_get(revoked), 0);
	assert_int_equal(stats_get(regions), 1);
	assert_int_equal(stats_get(unseen), 1);
}

TEST(a_region_is_revoked_once)
{
	struct region *r;
	uint32_t number;

	begin(POOL);
	number = make_live();
	revoke_region(number);
	r = region_hold(address_of(number));
	assert_int_equal(region_revoke(r), -EALREADY);
	region_drop(r);
	assert_int_equal(stats_get(closed), 1);
}

TEST(revoked_to_fading_by_region_sign)
{
	uint32_t number;

	begin(POOL);
	number = make_fading();
	assert_true(life_at(number) & LIFE_QUEUED);
}

TEST(fading_to_revoked_by_region_hold)
{
	uint32_t number;

	begin(POOL);
	number = make_fading();
	region_drop(region_hold(address_of(number)));
	assert_int_equal(state_at(number), LIFE_REVOKED);
	assert_false(settle_one(number));
	assert_int_equal(stats_get(revoked), 1);
}

TEST(fading_to_releasing_by_region_settle)
{
	uint32_t number;

	begin(POOL);
	number = make_fading();
	assert_true(settle_one(number));
	assert_int_equal(state_at(number), LIFE_RELEASING);
	assert_int_equal(region_release(number), 0);
	assert_int_equal(state_at(number), LIFE_POOLED);
	assert_int_equal(stats_get(revoked), 0);
	assert_int_equal(stats_get(released), 1);
}

TEST(live_to_disowned_by_region_disown)
{
	struct region *r;
	uint32_t number;

	begin(POOL);
	number = make_live();
	r = region_hold(address_of(number));
	assert_int_equal(region_disown(r), 0);
	region_drop(r);
	assert_int_equal(state_at(number), LIFE_DISOWNED);
	assert_null(region_hold(address_of(number)));
	collect_with(number, false);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(state_at(number), LIFE_DISOWNED);
	assert_int_equal(gc_null_objects(), 1);
	assert_int_equal(doubt_take_all(), 0);
	address_of(number)[0] = 1;
}

TEST(what_is_revoked_cannot_be_disowned)
{
	struct region *r;
	uint32_t number;

	begin(POOL);
	number = make_live();
	revoke_region(number);
	r = region_hold(address_of(number));
	assert_int_equal(region_disown(r), -EALREADY);
	region_drop(r);
	assert_int_equal(state_at(number), LIFE_REVOKED);
}

TEST(releasing_to_pooled_by_region_release)
{
	uint32_t number;

	begin(POOL);
	number = make_pooled();
	assert_int_equal(stats_get(released), 1);
	assert_int_equal(stats_get(regions), 0);
	assert_int_equal(stats_get(bytes), 0);
	assert_int_equal(stats_get(pool_ranges), 1);
	assert_int_equal(gc_null_objects(), 1);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(gc_null_objects(), 1);
	check(number);
}

TEST(releasing_to_free_by_region_release_where_the_pool_is_full)
{
	uint32_t number;

	begin(0);
	number = make_releasing();
	assert_int_equal(region_release(number), 0);
	assert_int_equal(state_at(number), LIFE_FREE);
	assert_int_equal(registry_nodes(), 0);
	assert_int_equal(gc_null_objects(), 1);
	/* The null collector writes to all of it, as libgc may. */
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(gc_null_objects(), 0);
}

TEST(releasing_to_doubted_by_region_release_where_the_kernel_refuses)
{
	uint32_t number;

	begin(POOL);
	number = make_releasing();
	assert_refused(RLIMIT_AS, 1 << 20, region_release, number);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
	assert_int_equal(stats_get(released), 0);
	assert_true(settle_one(number));
	assert_int_equal(region_release(number), 0);
	assert_int_equal(state_at(number), LIFE_POOLED);
	assert_int_equal(stats_get(released), 1);
}

TEST(pooled_to_free_by_region_unpool)
{
	uint32_t number;

	begin(POOL);
	number = make_pooled();
	assert_int_equal(region_unpool(), 0);
	assert_int_equal(state_at(number), LIFE_FREE);
	assert_int_equal(stats_get(pool_ranges), 0);
	assert_int_equal(region_unpool(), -ENOENT);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(gc_null_objects(), 0);
}

static int unpool_any(uint32_t number UNUSED)
{
	return region_unpool();
}

TEST(pooled_stays_pooled_by_region_unpool_where_the_kernel_refuses)
{
	uint32_t number;

	begin(POOL);
	number = make_pooled();
	assert_refused(RLIMIT_DATA, 1 << 16, unpool_any, number);
	assert_int_equal(state_at(number), LIFE_POOLED);
	assert_int_equal(stats_get(pool_ranges), 1);
	assert_int_equal(region_reuse(span()), number);
}
