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

/*
 * A collection for the collector's signs (not where signs are there already), and if anything is in doubt
 * then, another that decides over it (what a back-off spares left out, unless all); releases what nothing
 * points to.  0, or why not: -EBUSY: no collection; -EAGAIN and others
 * of sweep_decide(): a collection, but nothing was decided.
 */
int round_run(bool all, bool signs) _must_check_;

/* Takes back the doubts of which nothing will come now; for code that ends. */
void round_drop_doubts(void);

#endif
