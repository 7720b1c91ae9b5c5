/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each transition of the table in lib/region/region.c, and what must not happen between them.
 *
 * The null collector says what is reachable when a test says so, and the reaper does not run: the
 * test takes its part, so that each step is taken alone.
 */
#include "support.h"

#include <sys/resource.h>

#include "base/sync.h"
#include "gc/gc.h"
#include "gc/null.h"
#include "os/vm.h"
#include "region/doubt.h"
#include "region/lock.h"
#include "region/pool.h"
#include "region/region.h"
#include "region/registry.h"
#include "region/stats.h"

#define PAGES 4u

static size_t span(void)
{
	return PAGES * page_size();
}

static void begin(size_t pool_bytes)
{
	assert_int_equal(gc_start(region_sign), 0);
	region_lock();
	pool_set_limit(pool_bytes);
	region_unlock();
}

static uint64_t life_at(uint32_t number)
{
	return life_get(&region_at(number)->life);
}

static enum life_state state_at(uint32_t number)
{
	return life_state(life_at(number));
}

static void check(uint32_t number)
{
	region_lock();
	region_check(number);
	region_unlock();
}

static uint32_t make_newborn(void)
{
	const uint32_t number = region_create(span());

	assert_true(number);
	return number;
}

static void bear(uint32_t number, bool unseen)
{
	const struct region_facts facts = { .len = span(), .source = FOSTER_SOURCE_ANON,
					    .prot = PROT_READ | PROT_WRITE, .unseen = unseen };
	const struct vm_what what = { PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 };

	assert_int_equal(vm_lay(region_base(region_at(number)), span(), &what), 0);
	region_born(number, &facts);
}

static uint32_t make_live(void)
{
	const uint32_t number = make_newborn();

	bear(number, false);
	return number;
}

static char *address_of(uint32_t number)
{
	return (char *)region_base(region_at(number));
}

static void collect_with(uint32_t number, bool reachable)
{
	assert_true(gc_null_reach(region_base(region_at(number)), reachable));
	assert_int_equal(gc_collect(), 0);
}

static uint32_t make_doubted(void)
{
	const uint32_t number = make_live();

	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
	return number;
}

static void revoke_region(uint32_t number)
{
	struct region *r = region_hold(address_of(number));

	assert_non_null(r);
	assert_int_equal(region_revoke(r), 0);
	assert_int_equal(vm_forbid(region_base(r), region_span(r)), 0);
	region_drop(r);
}

static uint32_t make_fading(void)
{
	const uint32_t number = make_live();

	revoke_region(number);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_FADING);
	return number;
}

/* As the reaper: takes one out of the queue and decides. */
static bool settle_one(uint32_t number)
{
	assert_int_equal(doubt_take_all(), number);
	return region_settle(number);
}

static uint32_t make_releasing(void)
{
	const uint32_t number = make_doubted();

	assert_true(settle_one(number));
	assert_int_equal(state_at(number), LIFE_RELEASING);
	return number;
}

static uint32_t make_pooled(void)
{
	const uint32_t number = make_releasing();

	assert_int_equal(region_release(number), 0);
	assert_int_equal(state_at(number), LIFE_POOLED);
	return number;
}

static void limit(int resource, struct rlimit *before, rlim_t value)
{
	struct rlimit now;

	assert_int_equal(getrlimit(resource, before), 0);
	now = (struct rlimit){ value, before->rlim_max };
	assert_int_equal(setrlimit(resource, &now), 0);
}

#define POOL ((size_t)16 << 20)

/* ----------------------------------------------------------------------------- transitions */

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
	struct rlimit before;
	uint32_t number;

	begin(POOL);
	number = make_releasing();
	limit(RLIMIT_AS, &before, 1 << 20);
	assert_int_equal(region_release(number), -ENOMEM);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
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

TEST(pooled_stays_pooled_by_region_unpool_where_the_kernel_refuses)
{
	struct rlimit before;
	uint32_t number;

	begin(POOL);
	number = make_pooled();
	limit(RLIMIT_DATA, &before, 1 << 16);
	assert_int_equal(region_unpool(), -ENOMEM);
	assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
	assert_int_equal(state_at(number), LIFE_POOLED);
	assert_int_equal(stats_get(pool_ranges), 1);
	assert_int_equal(region_reuse(span()), number);
}

/* ---------------------------------------------------------------------------- invariants */

TEST(a_sign_changes_nothing_while_a_region_is_pinned)
{
	uint32_t number;

	begin(POOL);
	number = make_live();
	assert_int_equal(foster_pin(address_of(number)), 0);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(foster_unpin(address_of(number)), 0);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
}

TEST(a_sign_changes_nothing_while_a_region_is_held)
{
	struct region *r;
	uint32_t number;

	begin(POOL);
	number = make_live();
	r = region_hold(address_of(number));
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_LIVE);
	region_drop(r);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
}

TEST(a_sign_keeps_the_object_of_a_newborn_a_pooled_and_a_releasing_region)
{
	uint32_t newborn, releasing;

	begin(POOL);
	releasing = make_releasing();
	newborn = make_newborn();
	collect_with(newborn, false);
	collect_with(releasing, false);
	assert_int_equal(state_at(newborn), LIFE_NEWBORN);
	assert_int_equal(state_at(releasing), LIFE_RELEASING);
	assert_int_equal(gc_null_objects(), 2);
	assert_int_equal(region_release(releasing), 0);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(gc_null_objects(), 2);
	assert_int_equal(doubt_take_all(), 0);
}

TEST(a_region_stands_in_the_queue_once)
{
	uint32_t number;

	begin(POOL);
	number = make_doubted();
	for (int i = 0; i < 5; i++) {
		region_drop(region_hold(address_of(number)));
		assert_int_equal(state_at(number), LIFE_LIVE);
		assert_int_equal(gc_collect(), 0);
		assert_int_equal(state_at(number), LIFE_DOUBTED);
	}
	assert_int_equal(doubt_take_all(), number);
	assert_int_equal(atomic_load(&region_at(number)->next), 0);
	assert_int_equal(doubt_take_all(), 0);
	assert_true(region_settle(number));
}

TEST(two_signs_in_a_row_are_needed_where_the_collector_says_so)
{
	uint32_t number;

	begin(POOL);
	gc_null_set_signs(2);
	number = make_live();
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_LIVE);
	collect_with(number, true);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
}

TEST(the_generation_goes_up_with_each_birth_and_at_no_other_time)
{
	uint64_t generation;
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	generation = life_at(number) / LIFE_GENERATION;
	for (int i = 0; i < 5; i++) {
		bear(number, false);
		region_drop(region_hold(address_of(number)));
		assert_int_equal(foster_pin(address_of(number)), 0);
		assert_int_equal(foster_unpin(address_of(number)), 0);
		if (i % 2)
			revoke_region(number);
		collect_with(number, false);
		assert_true(settle_one(number));
		assert_int_equal(region_release(number), 0);
		assert_int_equal(life_at(number) / LIFE_GENERATION, generation);
		assert_int_equal(region_reuse(span()), number);
		assert_int_equal(life_at(number) / LIFE_GENERATION, ++generation);
	}
}

TEST(revoked_pages_are_forgotten_in_the_pool)
{
	const uint32_t first = (begin(POOL), make_live());
	struct region *r = region_hold(address_of(first));
	const uintptr_t base = region_base(r);
	bool whole = true;

	assert_int_equal(region_revoke_part(r, base + page_size(), base + 2 * page_size(), &whole),
			 0);
	assert_false(whole);
	assert_true(registry_find(base + page_size()).revoked);
	region_drop(r);
	collect_with(first, false);
	assert_true(settle_one(first));
	assert_int_equal(region_release(first), 0);
	assert_int_equal(region_reuse(span()), first);
	assert_false(registry_find(base + page_size()).revoked);
	bear(first, false);
	address_of(first)[page_size()] = 1;
}

TEST(revoking_all_parts_tells_that_the_whole_is_left_to_revoke)
{
	const uint32_t number = (begin(POOL), make_live());
	struct region *r = region_hold(address_of(number));
	const uintptr_t base = region_base(r);
	bool whole;

	for (size_t i = 0; i < PAGES; i++) {
		whole = false;
		assert_int_equal(region_revoke_part(r, base + i * page_size(),
						    base + (i + 1) * page_size(), &whole), 0);
		assert_int_equal(whole, i == PAGES - 1);
	}
	assert_int_equal(region_revoke_part(r, base, base + page_size(), &whole), -EALREADY);
	region_drop(r);
}

TEST(holds_are_counted)
{
	struct region *r[100];
	uint32_t number;

	begin(POOL);
	number = make_live();
	for (size_t i = 0; i < COUNT_OF(r); i++)
		r[i] = region_hold(address_of(number) + i);
	assert_int_equal(life_holds(life_at(number)), COUNT_OF(r));
	for (size_t i = 0; i < COUNT_OF(r); i++)
		region_drop(r[i]);
	assert_int_equal(life_holds(life_at(number)), 0);
}

TEST(only_the_user_s_bytes_are_found)
{
	const struct vm_what what = { PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 };
	const struct region_facts facts = { .delta = 100, .len = page_size(),
					    .source = FOSTER_SOURCE_PATH, .prot = PROT_READ };
	uint32_t number;

	begin(POOL);
	number = make_newborn();
	assert_int_equal(vm_lay(region_base(region_at(number)), span(), &what), 0);
	region_born(number, &facts);
	assert_null(region_hold(address_of(number) + 99));
	assert_non_null(region_hold(address_of(number) + 100));
	assert_non_null(region_hold(address_of(number) + 99 + page_size()));
	assert_null(region_hold(address_of(number) + 100 + page_size()));
	assert_non_null(region_hold_page(region_base(region_at(number))));
}

/* --------------------------------------------------------------------------- after fork */

static uint32_t inherited;

static void inherit(void)
{
	region_lock_reset();
	doubt_take_all();
	region_inherit(inherited);
}

static void expect_pooled(void *arg UNUSED)
{
	inherit();
	child_check(state_at(inherited) == LIFE_POOLED);
	check(inherited);
}

TEST(what_another_thread_was_making_goes_into_the_pool_of_the_child)
{
	begin(POOL);
	inherited = make_newborn();
	assert_child_passes(expect_pooled, NULL);
	assert_int_equal(state_at(inherited), LIFE_NEWBORN);
}

TEST(what_another_thread_was_releasing_goes_into_the_pool_of_the_child)
{
	begin(POOL);
	inherited = make_releasing();
	assert_child_passes(expect_pooled, NULL);
}

static void expect_unheld(void *arg UNUSED)
{
	inherit();
	child_check(state_at(inherited) == LIFE_LIVE);
	child_check(life_holds(life_at(inherited)) == 0);
	child_check(life_pins(life_at(inherited)) == 1);
	collect_with(inherited, false);
	child_check(state_at(inherited) == LIFE_LIVE);
	child_check(foster_unpin(address_of(inherited)) == 0);
	assert_int_equal(gc_collect(), 0);
	child_check(state_at(inherited) == LIFE_DOUBTED);
}

TEST(holds_of_other_threads_end_in_the_child_and_pins_stay)
{
	begin(POOL);
	inherited = make_live();
	assert_int_equal(foster_pin(address_of(inherited)), 0);
	assert_non_null(region_hold(address_of(inherited)));
	assert_child_passes(expect_unheld, NULL);
}

static void expect_queued(void *arg UNUSED)
{
	inherit();
	child_check(state_at(inherited) == LIFE_DOUBTED);
	child_check(doubt_take_all() == inherited);
	child_check(region_settle(inherited));
	child_check(region_release(inherited) == 0);
}

TEST(a_doubt_that_the_parent_had_in_hand_is_queued_again_in_the_child)
{
	begin(POOL);
	inherited = make_doubted();
	assert_int_equal(doubt_take_all(), inherited);
	assert_child_passes(expect_queued, NULL);
	assert_true(region_settle(inherited));
}

static void expect_forbidden(void *arg UNUSED)
{
	struct maps_line line;

	inherit();
	child_check(state_at(inherited) == LIFE_REVOKED);
	child_check(life_holds(life_at(inherited)) == 0);
	child_check(maps_line_of(hidden_of(address_of(inherited)), &line));
	child_check(!strcmp(line.perms, "---p"));
}

TEST(a_close_that_another_thread_had_begun_is_ended_in_the_child)
{
	struct region *r;

	begin(POOL);
	inherited = make_live();
	r = region_hold(address_of(inherited));
	assert_int_equal(region_revoke(r), 0);
	assert_child_passes(expect_forbidden, NULL);
}
