/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions that are held by a word in ordinary memory where a round has found one before, or beside
 * one: these are many and are kept without being put in doubt (track/witness.h).  On the reaper.
 *
 *   a round                        keeps it by
 *   finds a word                   the sweep; r->witness is where
 *   begins, and it is there still  its witness
 *   begins, and it is not          what the sweep finds in that same round, if anything
 *   begins, and it is its turn     the same, whatever is there
 */
#ifndef FOSTER_REGION_WITNESSED_H
#define FOSTER_REGION_WITNESSED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "track/sweep.h"

/*
 * After sweep_begin() of that round: asks the witnesses, if enough regions have some.  Where few are in
 * doubt the sweep costs the same with them.
 */
void witnessed_find(struct sweep *s, uint32_t round) _nonnull_all_;

/* Does its witness keep that region in this round?  Then it is in doubt no more. */
bool witnessed_is(uint32_t number) _must_check_;

/* So many since witnessed_find(), which statistics then count. */
uint32_t witnessed_count(void);

/* The sweep found a word there that points into the region; 0: in no place for a witness. */
void witnessed_note(uint32_t number, uintptr_t at);

#endif
