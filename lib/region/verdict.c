/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way from LIVE or REVOKED to RELEASING: signs, doubts and verdicts.  The states are those of
 * region.c, whose invariants (4), (5) and (8) are kept here.
 */
#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/thread.h"
#include "region/doubt.h"
#include "region/reaper.h"
#include "region/region.h"
#include "region/registry.h"
#include "region/stats.h"
#include "track/overlay.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define SET(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

/*
 * Nothing points to what is judged, so nobody can ask about it: but foster_for_each() needs no
 * pointer to give one out.  What it shows stays, and so must all that is held by it; so it shows
 * nothing between the look whether suspects may go and the last verdict.
 */
static _Atomic uint32_t judging;
static _Atomic uint32_t showing; /* threads about to show one */

static uint64_t life_of(const struct region *r)
{
	return life_get(&r->life);
}

/* ------------------------------------------------------------------ the sign */

/* How many in collections in a row there are with one in this cycle. */
static uint32_t signs_in(const struct region *r, uint32_t cycle)
{
	return GET(r->sign_cycle) + 1 == cycle ? GET(r->signs) + 1 : 1;
}

/* Counts the signs; true when there were enough of them. */
static bool enough_signs(struct region *r)
{
	uint32_t cycle = gc_cycles();
	uint32_t in_a_row = signs_in(r, cycle);

	SET(r->signs, in_a_row);
	SET(r->sign_cycle, cycle);
	return in_a_row >= gc_signs_needed();
}

/* The cycle's number goes up while the world is stopped for the end of marking. */
static bool touched_since(const struct region *r, uint32_t cycle)
{
	return (int32_t)(GET(r->touched) - cycle) >= 0;
}

/* The state that a sign leads to; the same one where it means nothing now. */
static enum life_state signed_state(uint64_t life)
{
	enum life_state state = life_state(life);

	if (life_pins(life) || life_holds(life))
		return state; /* (4) */
	return state == LIFE_LIVE ? LIFE_DOUBTED : state == LIFE_REVOKED ? LIFE_FADING : state;
}

bool region_sign(uintptr_t object)
{
	uintptr_t base = overlay_base(object);
	uint32_t number = registry_find(base).region;
	struct region *r;
	uint64_t life;
	enum life_state to;

	if (!number)
		return false; /* (2) */
	r = region_at(number);
	life = life_of(r);
	if (life_state(life) == LIFE_FREE || region_base(r) != base)
		return false; /* given back, and the number used again, under our eyes */
	if (touched_since(r, gc_cycles()) || !enough_signs(r) || region_is_spared(r))
		return true;
	FOSTER_SYNC("sign");
	do {
		to = signed_state(life);
		if (life_state(life) == LIFE_FREE || region_base(r) != base)
			return false;
		if (to == life_state(life))
			return true;
	} while (!life_swap(&r->life, &life, life_with(life, to) | LIFE_QUEUED));
	stats_add(doubted, 1);
	/*
	 * (5); a ring for the first: on its way to the queue the reaper meets the others
	 * too.
	 */
	if (!(life & LIFE_QUEUED) && doubt_put(number))
		reaper_ring();
	return true;
}

void region_doubt(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	/* A visit of foster_for_each() may hold it: then the collector will find out. */
	if (life_state(life) == LIFE_LIVE && !life_holds(life) && !(life & LIFE_QUEUED) &&
	    life_swap(&r->life, &life, life_with(life, LIFE_DOUBTED) | LIFE_QUEUED) &&
	    doubt_put(number))
		reaper_ring();
}

bool region_settle(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);
	bool ends;

	fo_assert(life & LIFE_QUEUED); /* (5): the caller took it from the queue */
	do {
		ends = life_state(life) == LIFE_DOUBTED || life_state(life) == LIFE_FADING;
		/* (8): a call may have come and gone between the sign's look and its swap. */
		if (touched_since(r, GET(r->sign_cycle)))
			ends = false;
	} while (!life_swap(&r->life, &life,
			    (ends ? life_with(life, LIFE_RELEASING) : life_revived(life)) &
				    ~LIFE_QUEUED));
	return ends;
}

/* ------------------------------------------------------------------ back-off */

#define SPARE_NS (200 * NS_PER_MS)
#define SPARE_DOUBLINGS 7u /* up to half a minute */

static _Atomic bool none_is_spared;

void region_spare(uint32_t number, uint64_t now)
{
	struct region *r = region_at(number);
	unsigned int survived = GET(r->survived);

	SET(r->spared_until, now + (SPARE_NS << survived));
	if (survived < SPARE_DOUBLINGS)
		SET(r->survived, (uint8_t)(survived + 1));
}

bool region_is_spared_at(const struct region *r, uint64_t now)
{
	return GET(r->survived) && !GET(none_is_spared) && now < GET(r->spared_until);
}

bool region_is_spared(const struct region *r)
{
	return GET(r->survived) && !GET(none_is_spared) &&
	       region_is_spared_at(r, clock_ns());
}

void region_spare_none(bool none)
{
	SET(none_is_spared, none);
}

/* ------------------------------------------------------------------ a round's */

bool region_suspect(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);
	enum life_state to;

	do {
		to = signed_state(life);
		if (to == life_state(life))
			return false;
	} while (!life_swap(&r->life, &life, life_with(life, to)));
	stats_add(doubted, 1);
	return true;
}

void region_unqueue(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	fo_assert(life & LIFE_QUEUED); /* (5) */
	while (!life_swap(&r->life, &life, life & ~LIFE_QUEUED))
		;
}

/*
 * The collector's word on a region that it tracks too: it saw no pointer in that cycle, as often in a
 * row as it takes.
 */
static bool collector_agrees(const struct region *r, uint32_t cycle)
{
	return GET(r->in_place) ||
	       (GET(r->sign_cycle) == cycle && GET(r->signs) >= gc_signs_needed());
}

/* The same at the end of marking: is the sign to come, as far as can be told? */
static bool collector_will_agree(const struct region *r, uint32_t cycle)
{
	return GET(r->in_place) || (signs_in(r, cycle) >= gc_signs_needed() &&
				    !gc_object_marked(overlay_object(region_base(r))));
}

static bool is_doubt_unchanged(const struct region *r, uint64_t life, uint32_t cycle)
{
	if (life_state(life) != LIFE_DOUBTED && life_state(life) != LIFE_FADING)
		return false;
	/* Revived and doubted anew; or (8), a doubt of a later collection. */
	return !(life & LIFE_QUEUED) && !touched_since(r, cycle);
}

static bool may_go(const struct region *r, uint64_t life, uint32_t cycle)
{
	return is_doubt_unchanged(r, life, cycle) && collector_agrees(r, cycle);
}

bool region_may_go_yet(uint32_t number, uint32_t cycle)
{
	const struct region *r = region_at(number);

	return is_doubt_unchanged(r, life_of(r), cycle) && collector_will_agree(r, cycle);
}

bool region_may_go(uint32_t number, uint32_t cycle)
{
	const struct region *r = region_at(number);

	return may_go(r, life_of(r), cycle);
}

bool region_condemn(uint32_t number, uint32_t cycle)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	fo_assert(atomic_load(&judging));
	do {
		if (!may_go(r, life, cycle))
			return false;
	} while (!life_swap(&r->life, &life, life_with(life, LIFE_RELEASING)));
	return true;
}

/* ------------------------------------------------------------------ judging and showing */

void region_judge(void)
{
	uint32_t now;

	atomic_store(&judging, 1);
	while ((now = atomic_load(&showing)))
		futex_wait(&showing, now, UINT64_MAX);
}

void region_judged(void)
{
	atomic_store(&judging, 0);
	futex_wake(&judging);
}

static void show_ends(void)
{
	atomic_fetch_sub(&showing, 1);
	if (atomic_load(&judging))
		futex_wake(&showing);
}

/*
 * Pairs with region_judge(): each says what it is about to do, and then looks for the other.
 */
static void show_begins(void)
{
	atomic_fetch_add(&showing, 1);
	while (atomic_load(&judging)) {
		show_ends();
		FOSTER_SYNC("show-waits");
		futex_wait(&judging, 1, UINT64_MAX);
		atomic_fetch_add(&showing, 1);
	}
}

struct region *region_show(uint32_t number)
{
	struct region *r;

	show_begins();
	r = region_hold_number(number);
	show_ends();
	return r;
}

void region_judging_after_fork(void)
{
	atomic_store(&judging, 0);
	atomic_store(&showing, 0);
}

void region_acquit(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	while (life_revived(life) != life && !life_swap(&r->life, &life, life_revived(life)))
		;
}
