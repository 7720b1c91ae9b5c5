/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/life.h"

#include "base/check.h"

/* What the invariants of region.c say of a word that somebody is about to see. */
static void check(uint64_t life)
{
	fo_assert(life_state(life) < LIFE_STATES);
	switch (life_state(life)) {
	case LIFE_DOUBTED:
	case LIFE_FADING:
		fo_assert(!life_pins(life) && !life_holds(life)); /* (4) */
		break;
	case LIFE_POOLED:
	case LIFE_FREE:
		fo_assert(!life_pins(life) && !life_holds(life)); /* (6) */
		fo_assert(!(life & LIFE_QUEUED));		  /* (5) */
		break;
	case LIFE_NEWBORN:
		fo_assert(!life_pins(life) && !(life & LIFE_QUEUED));
		break;
	default:
		break;
	}
}

bool life_swap(life_word *word, uint64_t *life, uint64_t want)
{
	check(want);
	return atomic_compare_exchange_strong_explicit(word, life, want, memory_order_acq_rel,
						       memory_order_acquire);
}

void life_set(life_word *word, uint64_t want)
{
	check(want);
	atomic_store_explicit(word, want, memory_order_release);
}
