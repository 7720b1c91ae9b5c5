/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Witnesses: words in ordinary memory that an earlier sweep found to point to something, and that
 * probably still do.  While one does, what it points to need not be made a suspect: it would be kept.
 *
 *     a word at ...                             is believed
 *     a page of private memory that is there    if nothing below is true of it
 *     a page of the collector's heap            no: its object may be unmarked now
 *     a page of the collector's headers         no
 *     a stack that was ever noted               no: it may be dead
 *     a region, or what its callbacks get       no: what is kept for it may be in doubt itself
 *     anything else                             no: to look at it is the sweep's
 *
 * To keep something is safe at any time, so that threads run meanwhile.  And nothing is kept for
 * longer than by the sweep, since the word itself is looked at each time; but for what cannot be told
 * here (that there is a stack by now which nobody noted, say), for which its owner does not ask about
 * each in all rounds.
 */
#ifndef FOSTER_TRACK_WITNESS_H
#define FOSTER_TRACK_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/scratch.h"
#include "track/evidence.h"

/* A question: is there a word that points into [start, end], as suspects_match() has it? */
struct witness {
	uintptr_t start;
	uintptr_t end;
	uintptr_t at; /* where it was; 0: not known */
	uint32_t number; /* the owner's name for it */
	bool held; /* not asked: answered with yes already, or some time ago */
};

/* All are called from a companion. */
struct witness_owner {
	/* The question next to number *at, and *at moved to it; from 0 on.  False: there is none. */
	bool (*next)(uint32_t *at, bool backwards, struct witness *w);
	/* The answer is yes; w->at is where. */
	void (*holds)(const struct witness *w);
	/* The order in which what the numbers name was made: one more each time. */
	uint64_t (*order)(uint32_t number);
	/* Does any region stand on that page, or the argument of a callback of one? */
	bool (*owns_page)(uintptr_t page);
	evidence_owner_fn *owner;
};

/*
 * Answers all questions, from a companion, while the program runs.  Where it ends early there are fewer
 * answers: -ENOMEM: no room in own; -EAGAIN, -EPERM: no companion; -ETIMEDOUT, -ECHILD: it came to
 * an end.  Nothing in own and shared is a witness.  Context: a thread.
 */
int witness_look(const struct witness_owner *owner, struct scratch *own,
		 const struct scratch *shared) _must_check_ _nonnull_all_;

#endif
