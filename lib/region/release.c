/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From RELEASING to POOLED or FREE: what was mapped is given back, and the range rests in the pool or
 * ends.  The states are those of region.c, whose invariants (2), (6) and (9) are kept here.
 */
#include <errno.h>

#include "base/check.h"
#include "gc/gc.h"
#include "os/vm.h"
#include "region/account.h"
#include "region/doubt.h"
#include "region/identity.h"
#include "region/lock.h"
#include "region/place.h"
#include "region/pool.h"
#include "region/region.h"
#include "region/registry.h"
#include "region/stats.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define SET(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

static uint64_t life_of(const struct region *r)
{
	return life_get(&r->life);
}

/* ------------------------------------------------------------------ the end of a range */

static int end_range(const struct region *r)
{
	const size_t page = vm_page_size();

	if (region_is_in_slot(r))
		return vm_unmap(region_base(r) + region_span(r) - page, page);
	return vm_make_ordinary(region_base(r), region_span(r));
}

/* The last step of a range: the collector's, or nobody's, again, or where that fails, into the pool. */
static int give_back(uint32_t number)
{
	struct region *r = region_at(number);
	uintptr_t base = region_base(r);
	size_t span = region_span(r);
	int err = end_range(r);

	fo_assert(life_state(life_of(r)) == LIFE_RELEASING); /* (9) */
	region_lock();
	if (err) {
		pool_put_anyway(number);
		life_set(&r->life, life_with(life_of(r), LIFE_POOLED));
	} else {
		/* The sign keeps the object until the registry has let go of it. */
		(void)registry_set(base, base + span, (struct registry_found){ 0 });
		region_free_number(number);
	}
	region_unlock();
	return err;
}

/* ------------------------------------------------------------------ the end of a region */

void region_doubt_again(uint32_t number)
{
	struct region *r = region_at(number);

	life_set(&r->life, life_with(life_of(r), GET(r->closed) ? LIFE_FADING : LIFE_DOUBTED) |
				   LIFE_QUEUED);
	(void)doubt_put(number); /* the reaper, who called, knows that it has to come back */
}

/* Is a range of its kind what the next region of that size will lie in? */
static bool is_wanted(const struct region *r)
{
	return region_is_in_slot(r) == place_is_better(region_span(r));
}

/* RELEASING, and forbidden: into the pool if it has room. */
static bool pool_range(uint32_t number)
{
	struct region *r = region_at(number);
	uintptr_t base = region_base(r);
	/*
	 * Without the reserve, giving ranges back comes first: it lowers the number of
	 * mappings.
	 */
	bool room = vm_spare_mappings() && is_wanted(r);
	bool pooled;

	region_lock();
	if (GET(r->revoked))
		(void)registry_set(base, base + region_span(r),
				   (struct registry_found){ number, false });
	SET(r->revoked, 0);
	account_forget_calls(number);
	pooled = room && pool_put(number);
	if (pooled)
		life_set(&r->life, life_with(life_of(r), LIFE_POOLED));
	region_check(number);
	region_unlock();
	return pooled;
}

/* Not ours to unmap any more, nor the collector's to use again: kept for ever. */
static void lose(uint32_t number)
{
	struct region *r = region_at(number);

	if (GET(r->in_place)) {
		place_abandon(number);
		return;
	}
	stats_add(abandoned, 1);
	account_forget_calls(number);
	life_set(&r->life, life_with(life_of(r), LIFE_DISOWNED));
}

void region_count_end(const struct region *r, bool closed)
{
	if (closed) {
		stats_sub(revoked, 1);
	} else {
		stats_sub(regions, 1);
		stats_sub(bytes, region_bytes(r));
	}
	place_count(r, false);
}

/* All of a range but what stays forbidden while it rests in the pool. */
static int take_away(const struct region *r, bool closed)
{
	if (region_is_in_slot(r))
		return vm_unmap(region_base(r), region_span(r) - vm_page_size());
	return closed ? 0 : vm_forbid(region_base(r), region_span(r));
}

int region_release(uint32_t number)
{
	struct region *r = region_at(number);
	bool closed = GET(r->closed);
	int err;

	fo_assert(life_state(life_of(r)) == LIFE_RELEASING); /* (9) */
	if (GET(r->in_place) == REGION_IN_PLACE)
		return place_release(number);
	if (!closed && !identity_holds(r)) {
		region_count_end(r, closed);
		lose(number);
		return 0;
	}
	err = take_away(r, closed);
	if (err) {
		region_doubt_again(number);
		return err;
	}
	stats_add(released, 1);
	region_count_end(r, closed);
	if (!pool_range(number))
		(void)give_back(number); /* or it went into the pool after all */
	return 0;
}

/* ------------------------------------------------------------------ out of the pool */

/* The pool's ranges are changed under the lock only. */
static void leave_pool(struct region *r)
{
	fo_assert(region_locked() && life_state(life_of(r)) == LIFE_POOLED); /* (6) */
	life_set(&r->life, life_with(life_of(r), LIFE_RELEASING));
}

int region_unpool(void)
{
	uint32_t number;

	region_lock();
	number = pool_take_any();
	if (number)
		leave_pool(region_at(number));
	region_unlock();
	return number ? give_back(number) : -ENOENT;
}

void region_unpool_surplus(void)
{
	uint32_t number;

	region_lock();
	number = pool_take_surplus();
	for (uint32_t n = number; n; n = GET(region_at(n)->next))
		leave_pool(region_at(n));
	region_unlock();
	while (number) {
		uint32_t next = GET(region_at(number)->next);

		(void)give_back(number);
		number = next;
	}
}

/* ------------------------------------------------------------------ stillborn */

/* In a slot nothing was mapped. */
static int forbid_again(const struct region *r)
{
	return region_is_in_slot(r) ? 0 : vm_forbid_part(region_base(r), region_span(r));
}

void region_stillborn(uint32_t number, bool lost)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	fo_assert(life_state(life) == LIFE_NEWBORN);
	if (lost) {
		lose(number);
		return;
	}
	life_set(&r->life, life_with(life, LIFE_RELEASING));
	/*
	 * A range that cannot be forbidden is still what it was: forbidden, or ordinary.
	 */
	if (forbid_again(r) || !pool_range(number))
		(void)give_back(number);
}

/* ------------------------------------------------------------------ after fork */

/*
 * The owner of NEWBORN or RELEASING is not here.  What it began bears being done again.
 */
void region_release_again(uint32_t number)
{
	struct region *r = region_at(number);

	if (GET(r->in_place)) {
		place_abandon(number);
		return;
	}
	SET(r->closed, false);
	if (vm_forbid(region_base(r), region_span(r)))
		lose(number);
	else if (!pool_range(number))
		(void)give_back(number);
}
