/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gaps: memory of which the owner of the suspects knows that it holds nothing, so that the sweep need
 * neither ask what is mapped there nor read it.  A range of the pool is two mappings, and there may be
 * thousands.
 */
#ifndef FOSTER_TRACK_GAPS_H
#define FOSTER_TRACK_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/layout.h"
#include "os/scratch.h"

/* A gap, under the owner's name for it. */
struct gap {
	uintptr_t start;
	uintptr_t end;
	uint32_t number;
};

struct gaps_owner {
	/* How many there may be now. */
	size_t (*count)(void);
	/* The next gap from number *at on, and *at moved behind it.  False: there is none. */
	bool (*next)(uint32_t *at, struct gap *gap);
	/* For shared memory of its own: see os/layout.h. */
	layout_vouch_fn *vouch;
	/* Is it still one?  Any context, no lock: asked with every thread stopped. */
	bool (*holds_nothing)(const struct gap *gap);
};

struct gaps {
	const struct gaps_owner *owner;
	struct gap *gap; /* sorted */
	size_t count;
	struct layout_gap *merged;
	size_t merged_count;
};

/*
 * Lists the gaps that there are.  Without scratch for them there are none.  Context: a thread.
 */
void gaps_find(struct gaps *g, const struct gaps_owner *owner, struct scratch *scratch)
	_nonnull_all_;

/* Those that still hold nothing, neighbours in one: g->merged. */
void gaps_merge(struct gaps *g) _nonnull_all_;

#endif
