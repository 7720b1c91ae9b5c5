/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleepers: gaps with pages whose region is in doubt.  What is in them counts only if the region is kept,
 * and most are not; so they are neither looked at nor read until something speaks for them: a word
 * anywhere, be it in an unmarked object or in another region in doubt, or what the owner knows.  What
 * those hold that are read then may wake others.
 */
#ifndef FOSTER_TRACK_SLEEPERS_H
#define FOSTER_TRACK_SLEEPERS_H

#include "base/attributes.h"
#include "track/evidence.h"
#include "track/gaps.h"
#include "track/suspects.h"

/* Before the pause: which gaps are of a suspect, both being sorted. */
void sleepers_find(struct gaps *g, const struct suspects *s) _nonnull_all_;

/* In the pause, before gaps_look(): those that need not be looked at. */
void sleepers_choose(struct gaps *g) _nonnull_all_;

/* After gaps_merge(), before anything is judged: those that are no gaps after all do not sleep. */
void sleepers_begin(struct gaps *g, struct evidence *e) _nonnull_all_;

/* One that something speaks for by now, to be looked at and read; NULL: none. */
struct gap *sleepers_next(struct gaps *g, struct evidence *e) _must_check_ _nonnull_all_;

/* All others too. */
void sleepers_wake_all(struct gaps *g, struct evidence *e) _nonnull_all_;

#endif
