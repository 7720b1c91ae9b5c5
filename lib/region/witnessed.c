/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/witnessed.h"

#include "base/check.h"
#include "os/thread.h"
#include "region/region.h"
#include "region/registry.h"
#include "region/round.h"
#include "region/stats.h"
#include "track/witness.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define SET(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

#define LEAST 1024u    /* regions for which it is worth the while */
#define TOGETHER 256u  /* numbers that have their turn together */
#define PARTS 8u       /* in one of so many rounds it is the turn of one of so many parts */
#define BITS 64u

/* Of the round; written by the reaper before its companion is there. */
static uint32_t this_round;
static uint64_t now;
static uint32_t numbers_end;
static uint32_t kept;
/* A bit for each number, in scratch: written to, a page of regions that is watched faults. */
static uint64_t *held;

/*
 * Is no witness asked about it this time?  What a witness cannot tell for sure has an end so.
 * In most rounds it is nobody's turn: where all are held then, there is nothing to sweep for.
 */
static bool has_its_turn(uint32_t number)
{
	return this_round % PARTS == 0 &&
	       (number / TOGETHER + this_round / PARTS) % PARTS == 0;
}

/* Would the sweep be asked about it? */
static bool is_asked_about(const struct region *r)
{
	uint64_t life = life_get(&r->life);

	if (life & LIFE_QUEUED)
		return false;
	switch (life_state(life)) {
	case LIFE_LIVE:
	case LIFE_REVOKED:
		return GET(r->in_place) && !life_pins(life) && !life_holds(life) &&
		       !region_is_spared_at(r, now);
	case LIFE_DOUBTED:
	case LIFE_FADING:
		return GET(r->in_place) || !round_trusts_sign();
	default:
		return false;
	}
}

static bool is_held(uint32_t number)
{
	return held && number < numbers_end && held[number / BITS] >> number % BITS & 1;
}

/* The next to that number; NULL: none. */
static const struct region *next_region(uint32_t *at, bool backwards)
{
	if (backwards && !*at)
		*at = numbers_end;
	for (*at += backwards ? -1u : 1u; *at && *at < numbers_end; *at += backwards ? -1u : 1u) {
		const struct region *r = region_at(*at);

		if (is_held(*at) || (!has_its_turn(*at) && is_asked_about(r)))
			return r;
	}
	return NULL;
}

/* In the companion, whose stack is no evidence. */
static bool next_question(uint32_t *at, bool backwards, struct witness *w)
{
	const struct region *r = next_region(at, backwards);
	uintptr_t hidden;

	if (!r)
		return false;
	hidden = GET(r->witness);
	w->start = region_base(r) + GET(r->delta);
	w->end = w->start + GET(r->len);
	w->at = hidden ? reveal((hidden_addr){ hidden }) : 0;
	w->number = *at;
	w->held = is_held(*at);
	return true;
}

void witnessed_note(uint32_t number, uintptr_t at)
{
	struct region *r = region_at(number);
	uintptr_t hidden = at ? hide(at).complement : 0;

	if (GET(r->witness) != hidden)
		SET(r->witness, hidden);
}

static void on_held(const struct witness *w)
{
	witnessed_note(w->number, w->at);
	held[w->number / BITS] |= (uint64_t)1 << w->number % BITS;
	kept++;
	if (GET(region_at(w->number)->in_place))
		return; /* the next round will see for itself */
	region_spare(w->number, now);
	region_acquit(w->number);
}

/* evidence_owner_fn of witnesses.  One that is being made or unmade counts too. */
static uintptr_t owner_of(uintptr_t at)
{
	return region_account_of(at) || registry_find(at).region ? at : 0;
}

static bool owns_page(uintptr_t page)
{
	return registry_has_page(page) || region_account_of(page) ||
	       region_account_of(page + REGISTRY_PAGE - 1);
}

static const struct witness_owner owner = {
	.next = next_question,
	.holds = on_held,
	.owns_page = owns_page,
	.owner = owner_of,
};

/* Are there many questions, and a witness to begin with? */
static bool is_worth_it(void)
{
	const struct region *r;
	uint32_t at = 0, questions = 0;
	bool any = false;

	while ((!any || questions < LEAST) && (r = next_region(&at, false))) {
		questions++;
		any |= GET(r->witness) != 0;
	}
	return any && questions >= LEAST;
}

void witnessed_find(struct sweep *s, uint32_t round)
{
	this_round = round;
	now = clock_ns();
	numbers_end = region_numbers_end();
	kept = 0;
	held = NULL;
	if (!is_worth_it())
		return;
	held = scratch_take(&s->own, (numbers_end / BITS + 1) * sizeof(*held));
	/* Best effort: who has no witness is a suspect. */
	if (held)
		(void)!witness_look(&owner, &s->own, &s->shared);
}

bool witnessed_is(uint32_t number)
{
	return is_held(number);
}

uint32_t witnessed_count(void)
{
	uint32_t n = kept;

	kept = 0;
	held = NULL; /* it goes with the scratch */
	stats_add(kept, n);
	stats_add(kept_memory, n);
	return n;
}
