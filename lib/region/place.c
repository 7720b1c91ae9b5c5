/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/place.h"

#include <errno.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/vm.h"
#include "region/callback.h"
#include "region/identity.h"
#include "region/lock.h"
#include "region/region.h"
#include "region/registry.h"
#include "region/round.h"
#include "region/stats.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)

static const struct registry_found nothing = { 0 };

/* Highest address and one more, of which the registry knows. */
#define ADDRESSES_END ((uintptr_t)1 << 57)

/* ------------------------------------------------------------------ which place, and how many */

static _Atomic size_t slots;

size_t place_slots(void)
{
	return GET(slots);
}

void place_count(const struct region *r, bool more)
{
	const uint64_t by = more ? 1 : (uint64_t)-1;

	if (!GET(r->in_place))
		return;
	stats_add(in_place, by);
	if (region_is_in_slot(r))
		(void)atomic_fetch_add_explicit(&slots, (size_t)by, memory_order_relaxed);
}

void place_count_none(void)
{
	stats_zero(in_place);
	atomic_store_explicit(&slots, 0, memory_order_relaxed);
}

/* Of who has made as many regions the signs are no help any more, and the objects a burden. */
#define MANY 4096u

bool place_is_better(size_t bytes)
{
	return !round_trusts_sign() &&
	       (bytes >= PLACE_BYTES || gc_host_allocates() || stats_get(mapped) >= MANY);
}

/* ------------------------------------------------------------------ in and out */

int place_enter(uintptr_t start, size_t span, enum region_place place, uint32_t *number)
{
	int err = 0;

	fo_assert(start && span && start + span > start);
	if (start + span > ADDRESSES_END)
		return -EINVAL;
	region_lock();
	if (registry_overlaps(start, start + span))
		err = -EEXIST;
	else
		*number = region_number(start, span, place);
	region_unlock();
	return err ? err : *number ? 0 : -ENOMEM;
}

static void leave_registry(const struct region *r)
{
	uintptr_t start = region_base(r);

	(void)registry_set(start, start + region_span(r), nothing);
}

void place_leave(uint32_t number)
{
	region_lock();
	leave_registry(region_at(number));
	region_free_number(number);
	region_unlock();
}

/*
 * Out of the registry first: once the memory is given back, anybody may get it, and adopt it.  The
 * number stays ours.
 */
static void take_out(const struct region *r)
{
	region_lock();
	leave_registry(r);
	region_unlock();
	FOSTER_SYNC("taken-out");
}

/* False: no memory to enter it with; then it is nobody's. */
static bool put_back(uint32_t number)
{
	const struct region *r = region_at(number);
	uintptr_t start = region_base(r);
	bool room;

	region_lock();
	room = !registry_reserve() && !registry_overlaps(start, start + region_span(r));
	if (room)
		(void)registry_set(start, start + region_span(r),
				   (struct registry_found){ number, false });
	region_unlock();
	return room;
}

static void end_number(uint32_t number)
{
	region_lock();
	region_free_number(number);
	region_unlock();
}

static void call_release(uint32_t number, foster_release_fn *release)
{
	const struct region *r = region_at(number);
	uintptr_t user = region_base(r) + GET(r->delta);

	callback_enter();
	release((void *)user, GET(r->len), GET(region_calls_at(number)->release_arg));
	callback_leave();
}

int place_release(uint32_t number)
{
	struct region *r = region_at(number);
	bool closed = GET(r->closed);
	foster_release_fn *release = GET(region_calls_at(number)->release);
	bool ours = release || closed || identity_holds(r);
	int err = 0;

	fo_assert(life_state(life_get(&r->life)) == LIFE_RELEASING);
	take_out(r);
	if (release)
		call_release(number, release);
	else if (ours)
		err = vm_unmap(region_base(r), region_span(r));
	if (err && put_back(number)) {
		region_doubt_again(number);
		return err;
	}
	region_count_end(r, closed);
	if (ours && !err)
		stats_add(released, 1);
	else
		stats_add(abandoned, 1);
	end_number(number);
	return 0;
}

void place_forget(struct region *r)
{
	fo_assert(region_locked() && life_state(life_get(&r->life)) == LIFE_DISOWNED);
	leave_registry(r);
}

void place_abandon(uint32_t number)
{
	region_lock();
	leave_registry(region_at(number));
	region_free_number(number);
	region_unlock();
	stats_add(abandoned, 1);
}

void place_bury(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life;

	region_lock();
	life = life_get(&r->life);
	/* Who still looks at it may do so; the reaper comes again. */
	if (GET(r->in_place) && life_state(life) == LIFE_DISOWNED && !life_holds(life) &&
	    life_swap(&r->life, &life, life_with(life_let_go(life), LIFE_RELEASING)))
		region_free_number(number);
	region_unlock();
}
