/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounds: which regions are in doubt, what the sweep says of them, and what follows.  All of it on
 * the reaper.
 */
#ifndef FOSTER_REGION_ROUND_H
#define FOSTER_REGION_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* FOSTER_SWEEP_*; from foster_init(). */
void round_set_way(unsigned int way);

/* Does the collector's sign alone decide over a region that it tracks? */
bool round_trusts_sign(void);

enum round_why {
	ROUND_ASKED,  /* for, by foster_collect() or for want of room: no back-off counts */
	ROUND_DUE,    /* so much has been made */
	ROUND_DOUBTS, /* signs have come, with a collection of anybody's */
	ROUND_IDLE,   /* nothing has happened for long */
};

/*
 * Decides over what is in doubt, and releases what nothing points to: by a collection of its own at the
 * end of whose marking the sweep looks.  What is tracked by the collector is in doubt by its sign, for
 * which there is a collection before, unless signs are what the round is for, or it is due: then most
 * regions are new, and so put in doubt themselves; what is older has a sign from this collection for the
 * next round.
 * 0, or why not: -EBUSY: no collection; -EAGAIN and others of sweep_decide(): a collection, but nothing
 * was decided.
 */
int round_run(enum round_why why) _must_check_;

/* Takes back the doubts of which nothing will come now; for code that ends. */
void round_drop_doubts(void);

#endif
