/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When foster asks for a collection.
 *
 * Most programs that use foster never allocate from the collector, so it would never run.
 * Like Java's accounting of direct memory, foster counts what has been mapped since the
 * last collection, whoever ran it, and asks for one when that is much, or when nothing
 * has happened for long.  Makers that outrun the reaper wait for it, for a bounded time,
 * so that a program that maps and drops stays flat.
 */
#ifndef FOSTER_REGION_PACE_H
#define FOSTER_REGION_PACE_H

#include <foster/foster.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes the options, and how many mappings the system allows; before anything else here. */
void pace_start(const struct foster_options *opts, size_t mappings);

/* A region of span bytes has been made.  True: the reaper should hear of it. */
bool pace_note(size_t span);

/* The memory of a region of span bytes was given back at once: only its addresses are left. */
void pace_closed(size_t span);

/* Has so much been mapped that a collection is due?  And when is it; UINT64_MAX: not yet. */
bool pace_due(void);
uint64_t pace_due_at(void);

/*
 * Is a collection due, and were regions made so fast that the makers should wait for it
 * at once? Maker and reaper change one address space; side by side on two processors they
 * wait for its lock and interrupt each other for every flush of translations, and both
 * take twice as long.
 */
bool pace_fast(void);

/*
 * Has so much been mapped that its makers should wait until the collector has caught up?
 */
bool pace_overrun(void);

/* ---- for the reaper only */

/* A round begins: what is made from here on is of the next. */
void pace_collects(void);

/*
 * It ended, or could not decide; it took cost nanoseconds and released something or not.
 */
void pace_collected(uint64_t cost, bool decided, bool released);

/*
 * May a round be run for regions in doubt?  Not before the last has been paid for: rounds take a share of
 * one processor, as idle collections do.  And when.
 */
bool pace_round(void);
uint64_t pace_round_at(void);

/* Are there idle collections at all? */
bool pace_has_idle(void);

/* Is an idle collection due?  Notices collections of the host, which put it off. */
bool pace_idle(void);

/* When pace_idle() may become true; UINT64_MAX: never, as things are. */
uint64_t pace_idle_at(void);

#endif
