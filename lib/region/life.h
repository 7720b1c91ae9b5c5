/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life word: all that decides over a region, in one word, so that one
 * compare-and-swap sees it all at one moment.
 *
 *     63        40 39          16 15       5     4      3   0
 *     [generation ] [   pins     ] [  holds  ] [queued] [state]
 *
 *   generation  goes up when the number is used for another region: a stale reader's swap fails
 *   pins        of users, and one of foster's for a region whose maker is unseen
 *   holds       calls that look at the region right now
 *   queued      it stands in the doubt queue, where it can stand once only
 */
#ifndef FOSTER_REGION_LIFE_H
#define FOSTER_REGION_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

enum life_state {
	LIFE_FREE = 0,
	LIFE_POOLED,
	LIFE_NEWBORN,
	LIFE_LIVE,
	LIFE_DOUBTED,
	LIFE_REVOKED,
	LIFE_FADING,
	LIFE_RELEASING,
	LIFE_DISOWNED,
	LIFE_STATES,
};

#define LIFE_STATE_MASK 0xfull
#define LIFE_QUEUED (1ull << 4)
#define LIFE_HOLD (1ull << 5)
#define LIFE_HOLDS_MAX 0x7ffu
#define LIFE_PIN (1ull << 16)
#define LIFE_PINS_MAX 0xffffffu
#define LIFE_GENERATION (1ull << 40)

_Static_assert(LIFE_STATES <= LIFE_STATE_MASK + 1, "states fit");
_Static_assert(LIFE_HOLD * (LIFE_HOLDS_MAX + 1ull) == LIFE_PIN, "holds end where pins begin");
_Static_assert(LIFE_PIN * (LIFE_PINS_MAX + 1ull) == LIFE_GENERATION, "and pins where it does");

static inline enum life_state life_state(uint64_t life)
{
	return (enum life_state)(life & LIFE_STATE_MASK);
}

static inline unsigned int life_holds(uint64_t life)
{
	return (unsigned int)(life / LIFE_HOLD) & LIFE_HOLDS_MAX;
}

static inline unsigned int life_pins(uint64_t life)
{
	return (unsigned int)(life / LIFE_PIN) & LIFE_PINS_MAX;
}

static inline uint64_t life_with(uint64_t life, enum life_state state)
{
	return (life & ~LIFE_STATE_MASK) | (uint64_t)state;
}

/* The same with neither pins nor holds. */
static inline uint64_t life_let_go(uint64_t life)
{
	return life & ~(LIFE_GENERATION - LIFE_HOLD);
}

/* Does the region belong to users: may a pointer into it be asked about? */
static inline bool life_is_known(uint64_t life)
{
	enum life_state state = life_state(life);

	return state >= LIFE_LIVE && state <= LIFE_FADING;
}

/* What a call that was given a pointer has proved: the doubt was wrong. */
static inline uint64_t life_revived(uint64_t life)
{
	switch (life_state(life)) {
	case LIFE_DOUBTED:
		return life_with(life, LIFE_LIVE);
	case LIFE_FADING:
		return life_with(life, LIFE_REVOKED);
	default:
		return life;
	}
}

typedef _Atomic uint64_t life_word;

/* Acquire: what was written of the region before the word is seen with it. */
static inline uint64_t life_get(const life_word *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

/*
 * The swap that a transition is.  On failure *life is what the word holds now.  Release:
 * what was written of the region before is seen by who sees the new word; acquire: and
 * the other way.
 */
bool life_swap(life_word *word, uint64_t *life, uint64_t want) _must_check_ _nonnull_all_;

/*
 * A transition out of a state that the calling thread owns: nobody else changes the word
 * then.
 */
void life_set(life_word *word, uint64_t want) _nonnull_all_;

#endif
