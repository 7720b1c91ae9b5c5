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
#define AHEAD 16

/* Of the round; written by the reaper before its companion is there. */
static uint32_t this_round;
static uint64_t now;
static uint32_t numbers_end;
static uint32_t kept;
/* A bit for each number, in scratch. */
static uint64_t *held;
static struct region_run run; /* of next_question()'s last */

/*
 * Is no witness asked about it this time?  What a witness cannot tell for sure has an end so.
 * In most rounds it is nobody's turn: where all are held then, there is nothing to sweep for.
 */
static bool has_its_turn(uint32_t number)
{
	return this_round % PARTS == 0 &&
	       (number / TOGETHER + this_round / PARTS) % PARTS == 0;
}

enum interest {
	NO_QUESTION,
	SPARED,	  /* nobody asks, but where its witness was may tell where those of others are */
	QUESTION, /* the sweep would be asked */
};

static enum interest interest_in(const struct region *r)
{
	uint64_t life = life_get(&r->life);

	if (life & LIFE_QUEUED)
		return NO_QUESTION;
	switch (life_state(life)) {
	case LIFE_LIVE:
	case LIFE_REVOKED:
		if (!GET(r->in_place) || life_pins(life) || life_holds(life))
			return NO_QUESTION;
		/* Those that come and go by the thousand had better not be guessed at. */
		if (!GET(r->witness) && region_is_in_slot(r))
			return NO_QUESTION;
		if (!region_is_spared_at(r, now))
			return QUESTION;
		return GET(r->witness) ? SPARED : NO_QUESTION;
	case LIFE_DOUBTED:
	case LIFE_FADING:
		return GET(r->in_place) || !round_trusts_sign() ? QUESTION : NO_QUESTION;
	default:
		return NO_QUESTION;
	}
}

static bool is_held(uint32_t number)
{
	return held && number < numbers_end && held[number / BITS] >> number % BITS & 1;
}

/* The next to that number of which we know, or that is asked about; NULL: none. */
static const struct region *next_region(uint32_t *at, bool backwards, bool *known)
{
	const uint32_t step = backwards ? -1u : 1u;

	if (backwards && !*at)
		*at = numbers_end;
	for (*at += step; *at && *at < numbers_end; *at += step) {
		const struct region *r = region_in_turn(&run, *at, AHEAD * (int)step);
		enum interest interest = interest_in(r);

		*known = is_held(*at) || interest == SPARED;
		if (*known || (interest == QUESTION && !has_its_turn(*at)))
			return r;
	}
	return NULL;
}

/* In the companion, whose stack is no evidence. */
static bool next_question(uint32_t *at, bool backwards, struct witness *w)
{
	const struct region *r = next_region(at, backwards, &w->held);
	uintptr_t hidden;

	if (!r)
		return false;
	hidden = GET(r->witness);
	w->start = region_base(r) + GET(r->delta);
	w->end = w->start + GET(r->len);
	w->at = hidden ? reveal((hidden_addr){ hidden }) : 0;
	w->number = *at;
	return true;
}

static void note(struct region *r, uintptr_t at)
{
	uintptr_t hidden = at ? hide(at).complement : 0;

	if (GET(r->witness) != hidden)
		SET(r->witness, hidden);
}

void witnessed_note(uint32_t number, uintptr_t at)
{
	note(region_at(number), at);
}

static void on_held(const struct witness *w)
{
	struct region *r = region_in_turn(&run, w->number, 0);

	note(r, w->at);
	held[w->number / BITS] |= (uint64_t)1 << w->number % BITS;
	kept++;
	if (GET(r->in_place))
		return; /* the next round will see for itself */
	region_spare(w->number, now);
	region_acquit(w->number);
}

static uint64_t order_of(uint32_t number)
{
	return GET(region_at(number)->id);
}

/* evidence_owner_fn of witnesses.  One that is being made or unmade counts too. */
static uintptr_t owner_of(uintptr_t at)
{
	return region_calls_of(at) || registry_find(at).region ? at : 0;
}

static bool owns_page(uintptr_t page)
{
	return registry_has_page(page) || region_calls_of(page) ||
	       region_calls_of(page + REGISTRY_PAGE - 1);
}

static const struct witness_owner owner = {
	.next = next_question,
	.holds = on_held,
	.order = order_of,
	.owns_page = owns_page,
	.owner = owner_of,
};

/* Are there many questions, and a witness to begin with? */
static bool is_worth_it(void)
{
	const struct region *r;
	uint32_t at = 0, questions = 0;
	bool any = false, known;

	while ((!any || questions < LEAST) && (r = next_region(&at, false, &known))) {
		questions += !known;
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
