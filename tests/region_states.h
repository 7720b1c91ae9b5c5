/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions brought into each state, for the tests of the state machine.
 *
 * The null collector says what is reachable when a test says so, and the reaper does not
 * run: the test takes its part, so that each step is taken alone.
 */
#ifndef FOSTER_TESTS_REGION_STATES_H
#define FOSTER_TESTS_REGION_STATES_H

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

static UNUSED size_t span(void)
{
	return PAGES * page_size();
}

static UNUSED void begin(size_t pool_bytes)
{
	assert_int_equal(gc_start(region_sign, region_each_object), 0);
	region_lock();
	pool_set_limit(pool_bytes, 16384);
	region_unlock();
}

static UNUSED uint64_t life_at(uint32_t number)
{
	return life_get(&region_at(number)->life);
}

static UNUSED enum life_state state_at(uint32_t number)
{
	return life_state(life_at(number));
}

static UNUSED void check(uint32_t number)
{
	region_lock();
	region_check(number);
	region_unlock();
}

static UNUSED uint32_t make_newborn(void)
{
	const uint32_t number = region_create(span());

	assert_true(number);
	return number;
}

static UNUSED void bear(uint32_t number, bool unseen)
{
	const struct region_facts facts = { .len = span(),
					    .source = FOSTER_SOURCE_ANON,
					    .prot = PROT_READ | PROT_WRITE,
					    .unseen = unseen };
	const struct vm_what what = { PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0 };

	assert_int_equal(vm_lay(region_base(region_at(number)), span(), &what), 0);
	region_born(number, &facts);
}

static UNUSED uint32_t make_live(void)
{
	const uint32_t number = make_newborn();

	bear(number, false);
	return number;
}

static UNUSED char *address_of(uint32_t number)
{
	return (char *)region_base(region_at(number));
}

static UNUSED void collect_with(uint32_t number, bool reachable)
{
	assert_true(gc_null_reach(region_base(region_at(number)), reachable));
	assert_int_equal(gc_collect(), 0);
}

static UNUSED uint32_t make_doubted(void)
{
	const uint32_t number = make_live();

	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
	return number;
}

static UNUSED void revoke_region(uint32_t number)
{
	struct region *r = region_hold(address_of(number));

	assert_non_null(r);
	assert_int_equal(region_revoke(r), 0);
	assert_int_equal(vm_forbid(region_base(r), region_span(r)), 0);
	region_drop(r);
}

static UNUSED uint32_t make_fading(void)
{
	const uint32_t number = make_live();

	revoke_region(number);
	collect_with(number, false);
	assert_int_equal(state_at(number), LIFE_FADING);
	return number;
}

/* As the reaper: takes one out of the queue and decides. */
static UNUSED bool settle_one(uint32_t number)
{
	assert_int_equal(doubt_take_all(), number);
	return region_settle(number);
}

static UNUSED uint32_t make_releasing(void)
{
	const uint32_t number = make_doubted();

	assert_true(settle_one(number));
	assert_int_equal(state_at(number), LIFE_RELEASING);
	return number;
}

static UNUSED uint32_t make_pooled(void)
{
	const uint32_t number = make_releasing();

	assert_int_equal(region_release(number), 0);
	assert_int_equal(state_at(number), LIFE_POOLED);
	return number;
}

/* fn(number) must say -ENOMEM where the kernel gives no more than that. */
static UNUSED void assert_refused(int resource, rlim_t value, int (*fn)(uint32_t),
				  uint32_t number)
{
	const struct rlimit before = limit_to(resource, value);

	assert_int_equal(fn(number), -ENOMEM);
	assert_int_equal(setrlimit(resource, &before), 0);
}

/* Unlike one before, this sign of the collector's counts. */
static UNUSED void assert_doubted_by_collection(uint32_t number)
{
	assert_int_equal(gc_collect(), 0);
	assert_int_equal(state_at(number), LIFE_DOUBTED);
}

#define POOL ((size_t)16 << 20)

#endif
