/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only the kernel's long list of mappings (/proc/self/smaps) tells, remembered
 * from the last reading.  One thread at a time; no lock, no malloc; works from a
 * companion (os/companion.h).
 *
 * What is remembered is found again by what the short list shows of a mapping: its
 * place, its file, the offset.  A mapping that takes the place of another between the
 * reading and the question, alike in all of these, is taken for it.
 */
#ifndef FOSTER_OS_SMAPS_H
#define FOSTER_OS_SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/mapline.h"
#include "os/scratch.h"

enum smaps_flags {
	SMAPS_KNOWN = 1 << 0,	 /* it was there at the last reading */
	SMAPS_WRITABLE = 1 << 1, /* now or perhaps later, or its descriptor can write */
	SMAPS_MIXED = 1 << 2,	 /* its pages were put there when it was made */
	SMAPS_DEVICE = 1 << 3,	 /* a device's memory, or the kernel's own */
	SMAPS_ANSWERED = 1 << 4, /* a userfaultfd answers for pages that are missing */
	SMAPS_WATCHED = 1 << 5,	 /* a userfaultfd watches writes */
	SMAPS_HUGE = 1 << 6,	 /* MAP_HUGETLB */
	SMAPS_UNCOPIED = 1 << 7, /* fork leaves it out, or empties it */
	SMAPS_SHARED = 1 << 8,
	SMAPS_SWAPPED = 1 << 9, /* some of it is on a disk; not remembered */
};

/* Opens the descriptor now, while the process may; best effort. */
void smaps_open(void);

/* In the child of fork: what was open and remembered is the parent's. */
void smaps_after_fork(void);

/*
 * Reads the list and remembers it in place of the one before.  0, or a negative errno:
 * what was remembered stays.  Takes PROCFILE_SCRATCH bytes of scratch.
 */
int smaps_learn(struct scratch *scratch) _must_check_ _nonnull_all_;

/*
 * The last reading failed for a reason that does not pass: the list is missing, or
 * refused.
 */
bool smaps_are_refused(void);

/* For questions in order of address, out of which nothing is found; begins as { 0 }. */
struct smaps_cursor {
	size_t at;
};

/*
 * enum smaps_flags of a mapping; 0: nothing is remembered.
 *   shared   of exactly this mapping
 *   private  of all that is remembered in its place; SMAPS_KNOWN if it has but grown,
 *            or merged with others, since.  (The kernel merges only what is alike in
 *            all flags.  A part of what is remembered is not known: it was split off for
 *            some reason.)
 */
unsigned int smaps_recall(struct smaps_cursor *c, const struct mapline *m)
	_must_check_ _nonnull_all_;

/*
 * A mapping, and its enum smaps_flags.  Returns 0 to go on, or what the walk then
 * returns.
 */
typedef int smaps_fn(const struct mapline *m, unsigned int flags, void *arg);

/*
 * Reads the calling process's own list afresh, by a descriptor of its own, and calls fn
 * for each mapping (without its name and protection).  0, what fn returned, or a
 * negative errno.  For a snapshot (os/snapshot.h).
 */
int smaps_each(struct scratch *scratch, smaps_fn *fn, void *arg)
	_must_check_ _nonnull_(1, 2);

#endif
