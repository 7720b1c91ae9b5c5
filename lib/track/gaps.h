/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gaps in the list of mappings: memory that the kernel need not be asked about mapping by mapping, since
 * the owner of the suspects knows what it holds.  A region and a range of the pool are two mappings
 * each, and there may be thousands.
 *
 *     start             from                        to              end
 *     | holds nothing   | pages of a region         | holds nothing |
 *
 * A range of the pool has no such pages (from == to).  In the pause the owner's word is not enough where
 * there are some: gaps_look() sees for itself, and what is not as it should be is no gap then.
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
	uintptr_t from;
	uintptr_t to;
	size_t held; /* bytes of pages that are there, of [from, to); GAP_STRANGE: or elsewhere */
	uint32_t number;
	bool anonymous; /* of its pages: private memory, of no file */
	bool early; /* only until the pause: then the kernel is asked about it after all */
	bool seen;  /* not long ago all pages were there, as the owner knows by saw() */
	bool wakeful; /* it will hardly sleep: rounds kept it, or a look has shown that it is no gap */
	bool asleep; /* neither looked at nor read yet: it may not be worth it */
	bool looked; /* in this round */
	bool late;   /* read when all sleepers were woken */
	bool listed; /* if it is no gap after all it was on the list, and read with that */
	uint32_t suspect; /* its index; GAP_NO_SUSPECT: its region is in no doubt */
};
#define GAP_NO_SUSPECT UINT32_MAX
#define GAP_STRANGE SIZE_MAX

struct gaps_owner {
	/* How many there may be now. */
	size_t (*count)(void);
	/* The next gap from number *at on, and *at moved behind it.  False: there is none. */
	bool (*next)(uint32_t *at, struct gap *gap);
	/* For shared memory of its own: see os/layout.h. */
	layout_vouch_fn *vouch;
	/* A look has shown whether it is as it should be.  Context as below. */
	void (*saw)(const struct gap *gap, bool whole);
	/* Is it still that gap?  Any context, no lock: asked with every thread stopped. */
	bool (*is_still)(const struct gap *gap);
	/*
	 * In doubt: as things are, is it released if no word keeps it?  Context as above; an
	 * answer may prove wrong.
	 */
	bool (*may_go)(const struct gap *gap);
};

#define GAPS_MANY 4096u

struct gaps {
	const struct gaps_owner *owner;
	struct gap *gap; /* sorted */
	size_t count;
	size_t with_pages;
	struct layout_gap *merged;
	size_t merged_count;
};

/*
 * Lists the gaps that there are.  Without scratch for them there are none.  Context: a thread.
 */
void gaps_find(struct gaps *g, const struct gaps_owner *owner, struct scratch *scratch)
	_nonnull_all_;

/* Those that still are gaps, neighbours in one: g->merged. */
void gaps_merge(struct gaps *g) _nonnull_all_;

/*
 * In the pause, before gaps_merge(): asks the kernel which pages are there, of many gaps at once.  A gap
 * with pages stays one if all of them are, and nothing beside them: then to read them is to read all
 * that it holds, whatever is mapped there by now.
 *
 * Where there are GAPS_MANY it passes over those that were seen.  What was done to these since is not
 * missed, for reading finds what is there; it may only touch what need not have been: a page that was
 * given back becomes memory once, or is fetched from where it was put.
 */
void gaps_look(struct gaps *g) _nonnull_all_;

/* The same of one.  None is looked at twice. */
void gaps_look_at(const struct gaps *g, struct gap *gap) _nonnull_all_;

/* Does it have pages that must be read, since no list has them?  After gaps_merge(). */
static inline bool gap_is_read(const struct gap *gap)
{
	return gap->from < gap->to && gap->held == gap->to - gap->from;
}

#endif
