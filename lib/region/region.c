/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a region.  A state changes here, in verdict.c (doubts and their ends), in release.c (what
 * follows), in hold.c (the end of a doubt) and in place.c (the ends of regions in place).
 *
 * Terms
 *   range     span bytes of address space: inside an object of the collector (an overlay,
 *             track/overlay.h), or in place, wherever they are
 *   region    what users see in a range, from birth to release
 *   number    names a struct region; range and region share one
 *   sign      the collector's word that it sees no pointer into the range (gc/gc.h)
 *   forbidden inaccessible memory of ours; what was there before has been given back
 *
 * Invariants
 *   (1) A number whose state is not FREE stands in the registry for all of its range, and for no
 *       other address.
 *   (2) While the state of an overlay is not FREE the sign keeps the object, so nobody else is
 *       given its addresses.  The range of a FREE number is ordinary memory and the collector's.
 *   (3) Users reach a region in LIVE, DOUBTED, REVOKED and FADING only.
 *   (4) Pins or holds keep a region in LIVE or REVOKED: with either, no doubt begins.
 *   (5) A number is in the doubt queue if and only if its queued bit is set, and at most once.
 *   (6) A number is in the pool if and only if its state is POOLED; then its range is forbidden (of
 *       a slot the last page is), and it has neither pins nor holds.
 *   (7) In REVOKED, FADING and (but in a slot) POOLED all of the range is forbidden, in REVOKED from
 *       the moment that foster_close() returns; in LIVE and DOUBTED the revoked pages are, and what
 *       of the range is not the region's.
 *   (8) A sign counts only if nobody touched the region since the marking that led to it: between
 *       marking and sign threads run, and may be given a pointer by a call of ours.
 *   (9) RELEASING has one owner: the thread that made it so.
 *  (10) The generation goes up each time a number becomes NEWBORN, and never otherwise.
 *  (11) A verdict counts only for the doubt that it is about: a round unqueues what it decides
 *       over, every doubt of the sign queues, and what is queued is not condemned.
 *  (12) In place, RELEASING stands in the registry no more (but in a slot), and neither does DISOWNED.
 *
 *                    region_born()          region_sign()          region_condemn()
 *     FREE ---> NEWBORN ------------> LIVE ----------------> DOUBTED -----------+
 *       ^          ^  |              |  |  <----------------                    |
 *       |          |  |              |  |     region_change()                   |
 *       |          |  | refused      |  | region_revoke()                       v
 *       |        POOLED <---+        |  +----------> REVOKED -----> FADING --> RELEASING
 *       |          |        |        |                       <-----             |   |
 *       |          |        |        | region_disown()                          |   |
 *       |          |        |        v                                          |   |
 *       |          |        |     DISOWNED <--- the range is lost --------------+   |
 *       |          v        +--------------------- region_release() ----------------+
 *       +----- RELEASING <----- region_unpool()                                     |
 *       +---------------------------------------------------------------------------+
 *
 *   from       to         by                 when
 *   FREE       NEWBORN    region_create()    a range has been made
 *   POOLED     NEWBORN    region_reuse(), region_reuse_slot()  the pool has one of that size
 *   NEWBORN    LIVE       region_born()      the mapping lies in the range
 *   NEWBORN    RELEASING  region_stillborn() the mapping was refused
 *   NEWBORN    DISOWNED   region_stillborn() and the range was lost
 *   NEWBORN    FREE       region_stillborn() and somebody's memory lies in the slot
 *   FREE       NEWBORN    place_enter()      in place
 *   NEWBORN    FREE       place_leave()      in place: nothing came of it
 *   LIVE       DOUBTED    region_sign()      no pointer seen, no pin, no hold
 *   LIVE       DOUBTED    region_suspect()   in place, or new: a round begins, no pin, no hold
 *   LIVE       DOUBTED    region_doubt()     its maker failed after its birth
 *   DOUBTED    LIVE       region_change()    a caller has a pointer
 *                         region_hold_number()    foster_for_each() shows it
 *   DOUBTED    LIVE       region_acquit()    a round found a pointer, or decided nothing
 *   DOUBTED    RELEASING  region_condemn()   a round found none, and the doubt is the same
 *   DOUBTED    RELEASING  region_settle()    where the sign alone decides: still in doubt
 *   DOUBTED    LIVE       region_settle()    touched since the sign looked
 *   LIVE       REVOKED    region_revoke()    foster_close(), last page of foster_munmap()
 *   REVOKED    LIVE       region_unrevoke()  the kernel refused
 *   REVOKED    FADING     as LIVE to DOUBTED
 *   FADING     REVOKED    as DOUBTED to LIVE
 *   FADING     RELEASING  as DOUBTED to RELEASING
 *   LIVE       DISOWNED   region_disown()
 *   LIVE, RELEASING  DISOWNED  region_abandon(), region_release()  the host unmapped it
 *   RELEASING  POOLED     region_release()   forbidden; the pool has room
 *   RELEASING  FREE       region_release()   ordinary again; the pool is full, or has no use for it
 *   RELEASING  FREE       region_release()   in a slot: the host unmapped it
 *   RELEASING  FREE       place_release()    in place: given back
 *   DISOWNED   FREE       place_bury()       in place: nobody looks at it any more
 *   RELEASING  DOUBTED, FADING  region_release()  the kernel refused; queued once more
 *   POOLED     RELEASING  region_unpool(), region_unpool_surplus()  the pool is made smaller
 */
#include "region/region.h"

#include <errno.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/vm.h"
#include "region/account.h"
#include "region/doubt.h"
#include "region/lock.h"
#include "region/place.h"
#include "region/pool.h"
#include "region/registry.h"
#include "region/stats.h"
#include "track/overlay.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define SET(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

static _Atomic uint64_t last_id;

static uint64_t life_of(const struct region *r)
{
	return life_get(&r->life);
}

/* ------------------------------------------------------------------ the checker */

static void check_range(const struct region *r, uint32_t number)
{
	uintptr_t base = region_base(r);
	size_t span = region_span(r);

	fo_assert(span);
	fo_assert(GET(r->in_place) || (span | base) % vm_page_size() == 0);
	fo_assert(registry_find(base).region == number);		/* (1) */
	fo_assert(registry_find(base + span - 1).region == number);	/* (1) */
	fo_assert(registry_find(base + span).region != number);	/* (1) */
	fo_assert(registry_find(base - 1).region != number);		/* (1) */
}

static void check_known(const struct region *r)
{
	fo_assert(GET(r->len) && GET(r->revoked) <= region_bytes(r));
	fo_assert(GET(r->delta) + GET(r->len) <= region_span(r));
	fo_assert(GET(r->id) && GET(r->source));
}

/*
 * Asserts the invariants above of one region; life.c asserts those that the word alone
 * tells, at every change of it.  What a concurrent thread may change is not looked at.
 */
void region_check(uint32_t number)
{
	const struct region *r = region_at(number);
	uint64_t life = life_of(r);

	fo_assert(region_locked());
	fo_assert((life_state(life) == LIFE_FREE) <= (GET(r->revoked) == 0));
	if (life_state(life) != LIFE_FREE)
		check_range(r, number);
	if (life_is_known(life))
		check_known(r);
}

/* ------------------------------------------------------------------ birth */

/*
 * The generation is seen to go up before any member changes: a reader that read a new
 * member finds the word changed.
 */
static void begin_newborn(struct region *r)
{
	uint64_t life = life_of(r);

	fo_assert(life_state(life) == LIFE_FREE || life_state(life) == LIFE_POOLED);
	life_set(&r->life, life_with(life_let_go(life) + LIFE_GENERATION, LIFE_NEWBORN));
	atomic_thread_fence(memory_order_release);
	SET(r->revoked, 0);
	SET(r->closed, false);
	SET(r->signs, 0);
	SET(r->witness, 0);
}

static uint32_t reuse(size_t span, enum region_place place)
{
	uint32_t number;

	region_lock();
	number = pool_take(span, place);
	if (number)
		begin_newborn(region_at(number));
	region_unlock();
	return number;
}

uint32_t region_reuse(size_t span)
{
	return reuse(span, REGION_OVERLAY);
}

uint32_t region_reuse_slot(size_t span)
{
	return reuse(span, REGION_IN_SLOT);
}

uint32_t region_number(uintptr_t base, size_t span, enum region_place place)
{
	struct region *r;
	uint32_t number;

	fo_assert(region_locked());
	if (registry_reserve())
		return 0;
	number = account_new();
	if (!number)
		return 0;
	r = region_at(number);
	begin_newborn(r);
	SET(r->base, hide(base).complement);
	SET(r->span, span);
	SET(r->in_place, (uint8_t)place);
	(void)registry_set(base, base + span, (struct registry_found){ number, false });
	region_check(number);
	return number;
}

void region_free_number(uint32_t number)
{
	struct region *r = region_at(number);

	fo_assert(region_locked());
	account_forget_calls(number);
	life_set(&r->life, life_with(life_of(r), LIFE_FREE));
	account_free(number);
}

uint32_t region_create(size_t span)
{
	uintptr_t base = overlay_new(span);
	uint32_t number = 0;

	FOSTER_SYNC("object-made");
	if (base) {
		region_lock();
		number = region_number(base, span, REGION_OVERLAY);
		region_unlock();
	}
	/* The only evidence for the object until the registry knows it. */
	__asm__ volatile("" : : "r"(base) : "memory");
	return number;
}

void region_born(uint32_t number, const struct region_facts *facts)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	fo_assert(life_state(life) == LIFE_NEWBORN);
	fo_assert(facts->len && facts->delta + facts->len <= region_span(r));
	SET(r->id, atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1);
	SET(r->delta, facts->delta);
	SET(r->len, facts->len);
	SET(r->source, (uint8_t)facts->source);
	SET(r->prot, (uint8_t)facts->prot);
	SET(r->backing, (uint8_t)facts->backing);
	SET(r->unseen, facts->unseen);
	SET(r->survives, facts->survives);
	SET(r->whole, facts->whole);
	r->identity = facts->identity;
	SET(r->damage, INTACT);
	SET(r->has_release, facts->release != NULL);
	account_set_calls(number, facts);
	SET(r->survived, 0);
	SET(r->seen, SEEN_NEVER);
	SET(r->touched, gc_cycles());
	stats_add(mapped, 1);
	stats_add(regions, 1);
	stats_add(bytes, region_bytes(r));
	stats_add(unseen, facts->unseen);
	place_count(r, true);
	FOSTER_SYNC("region-born");
	life_set(&r->life, life_with(life, LIFE_LIVE) + (facts->unseen ? LIFE_PIN : 0));
}

uint64_t region_last_id(void)
{
	return atomic_load_explicit(&last_id, memory_order_relaxed);
}

/* ------------------------------------------------------------------ being looked at */

/* Is addr a byte of the user's, or, for calls that speak of pages, of its pages? */
static bool contains(const struct region *r, uintptr_t addr, bool page)
{
	struct region_pages pages = region_pages(r);

	if (page)
		return addr - pages.start < pages.end - pages.start;
	return addr - (region_base(r) + GET(r->delta)) < GET(r->len);
}

/* What a call is about. */
struct subject {
	uintptr_t addr;
	bool page;
	uint32_t number; /* out: of the region that was looked at */
};

/*
 * One try.  True: *err is the answer; else somebody else got on meanwhile, and a new try
 * is due.
 */
static bool try_change(struct subject *s, region_change_fn *fn, int *err)
{
	struct region *r = region_at(s->number);
	uint64_t life = life_of(r);
	uint64_t want = life_revived(life);

	*err = life_is_known(life) && contains(r, s->addr, s->page) ? fn(r, &want) : -ENOENT;
	/* A failure, too, counts only if it was about the region that is there. */
	if (*err) {
		atomic_thread_fence(memory_order_acquire);
		return GET(r->life) == life && registry_find(s->addr).region == s->number;
	}
	if (!life_swap(&r->life, &life, want))
		return false;
	if (life_state(life) != life_state(want))
		stats_add(revived, 1);
	return true;
}

int region_change(const void *p, bool page, region_change_fn *fn, struct region **ret)
{
	struct subject s = { .addr = (uintptr_t)p, .page = page };
	int err;

	do {
		s.number = registry_find(s.addr).region;
		if (!s.number)
			return -ENOENT;
	} while (!try_change(&s, fn, &err));
	if (!err && ret)
		*ret = region_at(s.number);
	return err;
}

/* ------------------------------------------------------------------ ended by a caller */

/* LIVE with the pin of an unseen maker to REVOKED without it, or back. */
static bool swap_closed(struct region *r, enum life_state from, enum life_state to)
{
	uint64_t life = life_of(r);
	uint64_t want;

	do {
		if (life_state(life) != from)
			return false;
		want = life_with(life, to);
		if (GET(r->unseen))
			want = to == LIFE_REVOKED ? want - LIFE_PIN : want + LIFE_PIN;
	} while (!life_swap(&r->life, &life, want));
	return true;
}

static void count_closed(const struct region *r, uint64_t n)
{
	stats_sub(regions, n);
	stats_sub(bytes, n * region_bytes(r));
	stats_sub(unseen, n * GET(r->unseen));
	stats_add(revoked, n);
	stats_add(closed, n);
}

int region_revoke(struct region *r)
{
	bool won;

	fo_assert(life_holds(life_of(r)));
	region_lock();
	won = swap_closed(r, LIFE_LIVE, LIFE_REVOKED);
	if (won)
		SET(r->closed, true);
	region_unlock();
	if (!won)
		return -EALREADY;
	count_closed(r, 1);
	return 0;
}

void region_unrevoke(struct region *r)
{
	fo_assert(life_holds(life_of(r)));
	region_lock();
	if (swap_closed(r, LIFE_REVOKED, LIFE_LIVE))
		SET(r->closed, false);
	region_unlock();
	count_closed(r, (uint64_t)-1);
}

/* LIVE to DISOWNED; false: it is not LIVE. */
static bool let_go(struct region *r)
{
	uint64_t life = life_of(r);

	fo_assert(life_holds(life));
	do
		if (life_state(life) != LIFE_LIVE)
			return false;
	while (!life_swap(&r->life, &life, life_with(life, LIFE_DISOWNED)));
	stats_sub(regions, 1);
	stats_sub(bytes, region_bytes(r));
	stats_sub(unseen, GET(r->unseen));
	place_count(r, false);
	return true;
}

int region_disown(struct region *r)
{
	bool won;

	region_lock();
	won = !GET(r->revoked) && let_go(r);
	if (won && GET(r->in_place))
		place_forget(r);
	region_unlock();
	stats_add(disowned, won);
	return won ? 0 : -EALREADY;
}

void region_abandon(struct region *r)
{
	bool won = let_go(r);

	stats_add(abandoned, won);
	if (!won || !GET(r->in_place))
		return;
	region_lock();
	place_forget(r);
	region_unlock();
}

int region_revoke_part(struct region *r, uintptr_t start, uintptr_t end, bool *whole)
{
	uint32_t number = registry_find(region_base(r)).region;
	size_t newly = 0;
	int err;

	fo_assert(life_holds(life_of(r)));
	fo_assert(start < end && start >= region_pages(r).start && end <= region_pages(r).end);
	region_lock();
	err = life_state(life_of(r)) == LIFE_LIVE ? registry_reserve() : -EALREADY;
	/* Under the lock, so that what is entered is what is so; parts are small. */
	if (!err)
		err = vm_forbid_part(start, end - start);
	if (!err) {
		newly = registry_set(start, end, (struct registry_found){ number, true });
		/*
		 * A fault handler that did not see the entry yet may have laid zeros
		 * again.
		 */
		if (GET(r->damage) != INTACT)
			err = vm_forbid_part(start, end - start);
		SET(r->revoked, GET(r->revoked) + newly);
		*whole = GET(r->revoked) == region_bytes(r);
		region_check(number);
	}
	region_unlock();
	return err ? err : newly ? 0 : -EALREADY;
}

/* ------------------------------------------------------------------ after fork */

/* A close that another thread had begun: it is done now, or it has not been. */
static void end_closing(struct region *r)
{
	uint64_t life = life_of(r);

	if (life_state(life) != LIFE_REVOKED || !life_holds(life))
		return;
	if (vm_forbid(region_base(r), region_span(r)) &&
	    swap_closed(r, LIFE_REVOKED, LIFE_LIVE))
		SET(r->closed, false);
}

void region_inherit(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_of(r);

	if (life_state(life) == LIFE_FREE)
		return;
	end_closing(r);
	life = life_of(r);
	life &= ~(LIFE_PIN - LIFE_QUEUED); /* neither holds nor queued */
	if (life_state(life) == LIFE_NEWBORN)
		life = life_with(life, LIFE_RELEASING);
	else if (life_state(life) == LIFE_DOUBTED || life_state(life) == LIFE_FADING)
		life |= LIFE_QUEUED;
	life_set(&r->life, life);
	if (life & LIFE_QUEUED)
		(void)doubt_put(number);
	if (life_state(life) == LIFE_RELEASING)
		region_release_again(number);
}

/* ------------------------------------------------------------------ damage */

void region_damage(struct region *r)
{
	uint8_t intact = INTACT;

	fo_assert(life_holds(life_of(r)));
	(void)atomic_compare_exchange_strong(&r->damage, &intact, DAMAGED);
}

bool region_take_damage(struct region *r)
{
	uint8_t damaged = DAMAGED;

	fo_assert(life_holds(life_of(r)));
	return atomic_compare_exchange_strong(&r->damage, &damaged, REPORTED);
}
