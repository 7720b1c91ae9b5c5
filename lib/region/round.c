/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/round.h"

#include <errno.h>
#include <foster/foster.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/thread.h"
#include "region/doubt.h"
#include "region/place.h"
#include "region/region.h"
#include "region/registry.h"
#include "region/stats.h"
#include "region/witnessed.h"
#include "track/overlay.h"
#include "track/sweep.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)

#define SWAPPED_OUT_MOST 3u /* rounds that a swapped page may leave undecided */

static _Atomic unsigned int way = FOSTER_SWEEP_DEFAULT;

#define READING_ALL 8u /* after a round that left unread what it had to know */

/* The reaper's own. */
static unsigned int swapped_out; /* rounds in a row */
static unsigned int reading_all; /* until it is 0; one less in each round */
static uint32_t rounds_begun;
static uint64_t began;	 /* clock_ns() */
static uint64_t last_id; /* of a region, then */
static bool signs_follow; /* the collection that decides gives them, to what is new */
static uint32_t newest;	  /* collection, when the round began */

void round_set_way(unsigned int chosen)
{
	way = chosen;
}

bool round_trusts_sign(void)
{
	return way == FOSTER_SWEEP_OFF || gc_sees_all();
}

static enum sweep_way sweep_way(void)
{
	switch (way) {
	case FOSTER_SWEEP_PAUSE:
		return SWEEP_PAUSE;
	case FOSTER_SWEEP_TRACKED:
		return SWEEP_TRACKED;
	case FOSTER_SWEEP_SNAPSHOT:
		return SWEEP_SNAPSHOT;
	default:
		return SWEEP_BEST;
	}
}

/* ------------------------------------------------------------------ who is in doubt */

#define AHEAD 24

/* One of all, which are gone through several times in a round, by one thread at a time. */
static struct region *one_of_all(uint32_t number)
{
	static struct region_run run;

	return region_in_turn(&run, number, AHEAD);
}

/* evidence_owner_fn.  Lock-free: read in the pause, from the companion. */
static uintptr_t owner_of(uintptr_t at)
{
	uint32_t number = region_calls_of(at);
	const struct region *r;

	if (!number)
		number = registry_find(at).region;
	if (!number)
		return 0;
	r = region_at(number);
	if (!life_is_known(life_get(&r->life)))
		return 0;
	return region_base(r) + GET(r->delta);
}

/* Is the sweep asked about it?  The collector cannot speak for what lies outside its heap. */
static bool is_swept(const struct region *r)
{
	return GET(r->in_place) || !round_trusts_sign();
}

/* ------------------------------------------------------------------ what need not be listed */

#define SEEN_ROUNDS 32u	   /* in so many each region is looked at */
#define SEEN_TOGETHER 256u /* numbers */
#define ALONE_MOST ((size_t)8 << 10) /* bytes of a private region that is left to the pause */

static size_t count_gaps(void)
{
	size_t regions = stats_get(regions), in_place = stats_get(in_place);

	/* The two change one after the other. */
	return stats_get(pool_ranges) + place_slots() +
	       (regions > in_place ? regions - in_place : 0) + 1;
}

/* Is there no region but in place? */
static bool is_all_in_place(void)
{
	return stats_get(regions) <= stats_get(in_place);
}

/* What foster has mapped itself; of BPF maps some are arenas, and adopted memory may be anything. */
static enum layout_vouched vouch_for(const struct region *r)
{
	bool written = GET(r->prot) & PROT_WRITE;

	switch (GET(r->source)) {
	case FOSTER_SOURCE_PATH: /* opened as it is mapped */
		return written ? LAYOUT_VOUCHED : LAYOUT_VOUCHED_CONST;
	case FOSTER_SOURCE_ANON:
	case FOSTER_SOURCE_FILE: /* by whom, and how? */
		return written ? LAYOUT_VOUCHED : LAYOUT_NOT_VOUCHED;
	default:
		return LAYOUT_NOT_VOUCHED;
	}
}

static enum layout_vouched vouch(uintptr_t start)
{
	uint32_t number = registry_find(start).region;
	const struct region *r;

	if (!number)
		return LAYOUT_NOT_VOUCHED;
	r = region_at(number);
	if (!life_is_known(life_get(&r->life)))
		return LAYOUT_NOT_VOUCHED;
	return vouch_for(r);
}

/*
 * Shared memory is read in the pause, so that nothing is lost if it is on no list before, and so is a
 * page or two of private memory.
 */
static bool has_pages_of_ours(const struct region *r, struct gap *gap)
{
	enum layout_vouched vouched = vouch_for(r);
	struct region_pages pages = region_pages(r);

	if (vouched == LAYOUT_NOT_VOUCHED || GET(r->backing) == BACKING_OTHER || GET(r->revoked))
		return false;
	gap->anonymous = GET(r->backing) == BACKING_ANONYMOUS;
	if (gap->anonymous && pages.end - pages.start > ALONE_MOST)
		return false;
	gap->from = pages.start;
	gap->to = pages.end;
	gap->early = vouched == LAYOUT_VOUCHED_CONST;
	return true;
}

/* A slot that rests is none: its addresses are free, and anybody's. */
static bool may_be_gap(const struct region *r)
{
	enum life_state state = life_state(life_get(&r->life));

	if (state == LIFE_POOLED)
		return !GET(r->in_place);
	return (state == LIFE_LIVE || state == LIFE_DOUBTED) && GET(r->in_place) != REGION_IN_PLACE;
}

/*
 * A range of the pool is forbidden since it was mapped, and so is what of a range its region does not
 * use; the collector writes nothing into the pages around it.
 */
static bool is_gap(uint32_t number, struct gap *gap)
{
	const struct region *r = one_of_all(number);
	uintptr_t base = region_base(r);

	if (!may_be_gap(r))
		return false;
	*gap = (struct gap){
		.start = base,
		.end = base + region_span(r),
		.from = base,
		.to = base,
		.number = number,
	};
	if (!GET(r->in_place)) {
		gap->start = overlay_object(base);
		gap->end = overlay_object_end(base, region_span(r));
	}
	return life_state(life_get(&r->life)) == LIFE_POOLED || has_pages_of_ours(r, gap);
}

/* By turns; those that lie together have their turn together. */
static bool has_its_turn(uint32_t number)
{
	return (number / SEEN_TOGETHER + rounds_begun) % SEEN_ROUNDS == 0;
}

/* Of a file, a page that is there no more would have to be fetched. */
static bool was_seen(uint32_t number)
{
	const struct region *r = region_at(number);

	return GET(r->seen) == SEEN_WHOLE && GET(r->backing) != BACKING_FILE && !has_its_turn(number);
}

#define NEWEST 64u /* regions: as many makers may stand between mapping and touching */

/* It may not have been touched yet, and is held by who makes it. */
static bool is_newest(const struct region *r)
{
	return region_is_in_slot(r) && GET(r->id) + NEWEST > last_id;
}

/* To read what is kept again and again is faster together with all others. */
static bool is_wakeful(uint32_t number)
{
	const struct region *r = region_at(number);

	return GET(r->survived) || GET(r->seen) == SEEN_ODD || is_newest(r);
}

static bool next_gap(uint32_t *at, struct gap *gap)
{
	if (count_gaps() == 1)
		return false;
	while (++*at < region_numbers_end())
		if (is_gap(*at, gap)) {
			gap->seen = was_seen(*at);
			gap->wakeful = is_wakeful(*at);
			return true;
		}
	return false;
}

static void saw_gap(const struct gap *gap, bool whole)
{
	atomic_store_explicit(&region_at(gap->number)->seen, whole ? SEEN_WHOLE : SEEN_ODD,
			      memory_order_relaxed);
}

static bool is_gap_still(const struct gap *gap)
{
	struct gap now;

	return is_gap(gap->number, &now) && now.start == gap->start && now.end == gap->end &&
	       now.from == gap->from && now.to == gap->to;
}

static bool may_gap_go(const struct gap *gap)
{
	return region_may_go_yet(gap->number, gc_cycles());
}

static const struct gaps_owner gaps = {
	.count = count_gaps,
	.next = next_gap,
	.vouch = vouch,
	.saw = saw_gap,
	.is_still = is_gap_still,
	.may_go = may_gap_go,
};

/* In doubt, and the sweep is asked. */
static bool is_doubted(uint32_t number)
{
	const struct region *r = region_at(number);
	enum life_state state = life_state(life_get(&r->life));

	return (state == LIFE_DOUBTED || state == LIFE_FADING) && is_swept(r);
}

/*
 * The doubts of the collector: each was in the queue, and is in it no more.  Where its sign alone
 * decides the queue is the reaper's, and only regions in place are swept for.
 */
static void empty_queue(void)
{
	uint32_t number = round_trusts_sign() ? 0 : doubt_take_all();

	while (number) {
		uint32_t next = GET(region_at(number)->next);

		region_unqueue(number);
		number = next;
	}
}

/*
 * Does a round begin its doubt, rather than a sign?  Of what was made or touched since the last marking
 * there can be none yet; what was marked then is not worth a look before there is one.
 */
static bool is_put_in_doubt(const struct region *r)
{
	return GET(r->in_place) || (signs_follow && GET(r->touched) == newest);
}

/* Is it in doubt, or can it be put there now? */
static bool is_suspect(uint32_t number)
{
	struct region *r = one_of_all(number);

	if (life_state(life_get(&r->life)) == LIFE_DISOWNED)
		place_bury(number);
	/* Doubted anew since the queue was emptied: the next round's. */
	if (life_get(&r->life) & LIFE_QUEUED)
		return false;
	/* What was made since the round began would come with the next, and no witness was asked about it. */
	if (is_put_in_doubt(r) && !is_doubted(number))
		return !region_is_spared_at(r, began) && GET(r->id) <= last_id &&
		       region_suspect(number);
	return is_doubted(number);
}

#define COUNTED_MOST 1024u /* beyond that to look at each is a part of the round */

/* How many may be in doubt: an upper bound, since only this thread makes suspects of them. */
static uint32_t count_candidates(void)
{
	uint32_t n = 0;

	if (is_all_in_place() && stats_get(in_place) > COUNTED_MOST)
		return (uint32_t)(stats_get(in_place) + stats_get(revoked));
	for (uint32_t number = 1; number < region_numbers_end(); number++)
		n += is_put_in_doubt(one_of_all(number)) || is_doubted(number);
	return n;
}

static void add_suspect(struct sweep *s, uint32_t number)
{
	const struct region *r = region_at(number);
	uintptr_t user = region_base(r) + GET(r->delta);

	sweep_add(s, user, user + GET(r->len), number);
	if (!GET(r->in_place))
		sweep_add_object(s, overlay_object(region_base(r)));
}

static void add_suspects(struct sweep *s, uint32_t end)
{
	for (uint32_t number = 1; number < end; number++) {
		if (s->suspects.count + 2 > s->suspects.capacity)
			return; /* what is newer waits for the next round */
		if (!witnessed_is(number) && is_suspect(number))
			add_suspect(s, number);
	}
}

/* ------------------------------------------------------------------ what follows */

static void count_kept(enum evidence_place place)
{
	stats_add(kept, 1);
	switch (place) {
	case EVIDENCE_REGISTER:
		stats_add(kept_register, 1);
		break;
	case EVIDENCE_SHARED:
		stats_add(kept_shared, 1);
		break;
	case EVIDENCE_COLLECTOR:
		stats_add(kept_collector, 1);
		break;
	case EVIDENCE_REGION:
		stats_add(kept_region, 1);
		break;
	case EVIDENCE_FULL:
		stats_add(kept_full, 1);
		break;
	default:
		stats_add(kept_memory, 1);
		break;
	}
}

/* The number of suspect i; 0: it is no region. */
static uint32_t number_of(const struct sweep *s, uint32_t i)
{
	uint32_t number = s->suspects.list[i].number;

	return number == EVIDENCE_HEADER ? 0 : number;
}

/* What was pinned or shown meanwhile, or the collector sees, stays with all that it points to. */
static void spare_others(struct sweep *s)
{
	FOSTER_SYNC("settle");
	for (uint32_t i = 0; i < s->suspects.count; i++)
		if (number_of(s, i) && !region_may_go(number_of(s, i), s->cycle))
			sweep_spare(s, i);
	sweep_close(s);
}

/* True: it goes. */
static bool pass_verdict(struct sweep *s, uint32_t i, uint64_t now)
{
	uint32_t number = number_of(s, i);
	enum evidence_place place = sweep_kept(s, i);

	if (!number)
		return false;
	if (place == EVIDENCE_NONE && region_condemn(number, s->cycle))
		return true;
	if (place != EVIDENCE_NONE && place != EVIDENCE_SPARED) {
		count_kept(place);
		witnessed_note(number, sweep_witness(s, i));
		region_spare(number, now);
	}
	region_acquit(number);
	return false;
}

#define CONDEMNED 1u /* flag of a suspect */

/* False: one stays of which it is not known what it points to, so that all have to. */
static bool pass_verdicts(struct sweep *s)
{
	uint64_t now = clock_ns();
	bool known;

	region_judge();
	spare_others(s);
	known = !sweep_overslept(s);
	for (uint32_t i = 0; i < s->suspects.count && known; i++)
		s->suspects.list[i].flags = pass_verdict(s, i, now) ? CONDEMNED : 0;
	region_judged();
	return known;
}

/* Callbacks of users run here.  What the kernel will not release is in the queue again. */
static void release_condemned(const struct sweep *s)
{
	for (uint32_t i = 0; i < s->suspects.count; i++)
		if (s->suspects.list[i].flags & CONDEMNED)
			(void)!region_release(s->suspects.list[i].number);
}

static void acquit_all(struct sweep *s)
{
	for (uint32_t i = 0; i < s->suspects.count; i++)
		if (number_of(s, i))
			region_acquit(number_of(s, i));
}

static void count_round(const struct sweep *s, int err)
{
	stats_add(rounds, 1);
	stats_add(undecided, err != 0);
	stats_add(swept_bytes, s->bytes);
	stats_add(paused_us, s->pause_ns / 1000);
	swapped_out = s->reader.swapped ? swapped_out + 1 : 0;
}

/* -EAGAIN: nothing was decided; -EBUSY: not even tried. */
static int conclude(struct sweep *s, int err)
{
	if (!err && !pass_verdicts(s)) {
		reading_all = READING_ALL;
		err = -EAGAIN;
	}
	if (err != -EBUSY)
		count_round(s, err);
	if (err) {
		acquit_all(s);
		return err == -EBUSY ? err : -EAGAIN;
	}
	release_condemned(s);
	return 0;
}

void round_drop_doubts(void)
{
	empty_queue();
	for (uint32_t number = 1; number < region_numbers_end(); number++)
		if (is_doubted(number))
			region_acquit(number);
}

#define NOTHING_TO_DECIDE 1

/* Out of line: who calls it wipes what it leaves of addresses on the stack. */
static _noinline_ int run_round(void)
{
	/* Static: it names the scratch that holds addresses, and is no evidence itself. */
	static struct sweep sweep;
	uint32_t candidates, end = region_numbers_end();
	bool again;
	int err;

	rounds_begun++;
	began = clock_ns();
	last_id = region_last_id();
	FOSTER_SYNC("round-begun");
	newest = gc_cycles();
	reading_all -= reading_all != 0;
	/* Else the reaper settles it, after the round. */
	if (!round_trusts_sign())
		empty_queue();
	candidates = count_candidates();
	if (!candidates)
		return NOTHING_TO_DECIDE;
	do {
		err = sweep_begin(&sweep, 2 * candidates, owner_of, &gaps);
		if (err) {
			round_drop_doubts();
			return err;
		}
		witnessed_find(&sweep, rounds_begun);
		add_suspects(&sweep, end);
		sweep.reader.fault_in = swapped_out >= SWAPPED_OUT_MOST;
		sweep.reads_all = reading_all;
		err = sweep.suspects.count ? sweep_decide(&sweep, sweep_way()) : 0;
		again = err == -ENOMEM && sweep_grow();
		if (!again && (witnessed_count() || sweep.suspects.count))
			err = conclude(&sweep, err);
		if (!again && !err && !sweep.suspects.count)
			err = NOTHING_TO_DECIDE;
		sweep_end(&sweep);
	} while (again);
	return err;
}

static bool is_anything_tracked(void)
{
	return stats_get(regions) + stats_get(revoked) > stats_get(in_place);
}

/* Is a collection needed first, for signs that are not there yet? */
static bool wants_signs(enum round_why why)
{
	if (why == ROUND_DOUBTS || signs_follow)
		return false;
	return why == ROUND_ASKED || is_anything_tracked();
}

int round_run(enum round_why why)
{
	int err = 0;

	FOSTER_SYNC("round");
	region_spare_none(why == ROUND_ASKED);
	signs_follow = why == ROUND_DUE && !round_trusts_sign() && gc_signs_needed() == 1;
	if (wants_signs(why))
		err = gc_collect();
	if (!err) {
		err = run_round();
		thread_wipe_stack();
	}
	/* What is not new is to have its signs. */
	if (err == NOTHING_TO_DECIDE)
		err = signs_follow && is_anything_tracked() ? gc_collect() : 0;
	region_spare_none(false);
	return err;
}
