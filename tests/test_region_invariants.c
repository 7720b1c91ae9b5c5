/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold between the transitions of lib/region/region.c, and in the child of
 * fork.
 */
#include "region_states.h"

/* ------------------------------------------------------------------------- invariants */

TEST(a_sign_changes_nothing_while_a_region_is_pinned)
{
	uint32_t number;

	begin(POOL);
	number = make_live();
	assert_int_equal(foster_pin(address_of(number)), 0);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_LIVE);
	assert_int_equal(foster_unpin(address_of(number)), 0);
	assert_doubted_by_collection(number);
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
	assert_doubted_by_collection(number);
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
	assert_doubted_by_collection(number);
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

	assert_int_equal(region_revoke_part(r, base + page_size(), base + 2 * page_size(),
					    &whole),
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
						    base + (i + 1) * page_size(), &whole),
				 0);
		assert_int_equal(whole, i == PAGES - 1);
	}
	assert_int_equal(region_revoke_part(r, base, base + page_size(), &whole),
			 -EALREADY);
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

/*
 * Wherever the collector looks, foster's own records must be no reason to keep a region.
 */
TEST(the_record_of_a_region_holds_no_address_of_it)
{
	const uint32_t number = (begin(POOL), make_live());
	const struct region *r = region_at(number);
	const uintptr_t low = region_base(r) - page_size();
	uintptr_t word;

	for (size_t i = 0; i + sizeof(word) <= sizeof(*r); i += 4) {
		memcpy(&word, (const char *)r + i, sizeof(word));
		assert_false(word - low <= span() + 2 * page_size());
	}
}

TEST(only_the_user_s_bytes_are_found)
{
	const struct vm_what what = { PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0 };
	const struct region_facts facts = { .delta = 100,
					    .len = page_size(),
					    .source = FOSTER_SOURCE_PATH,
					    .prot = PROT_READ };
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

/* ------------------------------------------------------------------------- after fork */

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
