/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sweep: one round that decides over all suspects together.
 *
 *   this thread                     the companion
 *   sweep_begin(), sweep_add()
 *   sweep_decide():   starts ---->  (tracked) reads everything while the program runs, and again what
 *                                   was written meanwhile
 *                     waits <------ ready
 *     a collection begins
 *     the marking ends    ------->  stops every thread; takes the list of mappings; reads what it has not
 *                     waits         read, or what was written since; registers; judges
 *                                   (snapshot) copies the process
 *                       <---------  lets all go on
 *     finalizable objects           (snapshot) reads the copy
 *     words in unmarked objects are judged once more
 *   sweep_kept()
 *
 * Why this is sound: doc/ARCHITECTURE.md, "Why a release is sound".
 */
#ifndef FOSTER_TRACK_SWEEP_H
#define FOSTER_TRACK_SWEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "os/companion.h"
#include "os/scratch.h"
#include "os/snapshot.h"
#include "os/tracking.h"
#include "track/evidence.h"
#include "track/gaps.h"
#include "track/reader.h"
#include "track/suspects.h"
#include "track/watched.h"

enum sweep_way { SWEEP_BEST, SWEEP_PAUSE, SWEEP_TRACKED, SWEEP_SNAPSHOT };

struct sweep {
	enum sweep_way way;
	pid_t process;
	pid_t owner;	     /* the thread that asks; it waits in at_marked() ... */
	uintptr_t owner_sp;  /* ... and nothing below here on its stack is of anybody else */
	_Atomic uint32_t phase; /* enum phase of sweep.c */
	_Atomic int err;	/* the companion's; 0: it has done its part */
	struct scratch own;	/* the companion's stack, lists */
	struct scratch shared;	/* what a snapshot writes to */
	struct suspects suspects;
	struct evidence *evidence; /* in shared */
	struct reader reader;
	bool swapped; /* shared memory to be read is on a disk */
	struct tracking *tracking;
	struct watched watched;
	struct layout layout;
	bool reads_all; /* also regions in doubt that nothing speaks for */
	const struct gaps_owner *gaps_owner;
	struct gaps gaps;
	const struct stop *stop; /* in the pause */
	struct snapshot snapshot;
	uint32_t cycle; /* of the deciding collection */
	/* for statistics, of the last round */
	uint64_t pause_ns;
	uint64_t bytes;
};

/* Opens what is needed of /proc now, while the process may; best effort. */
void sweep_open(void);
void sweep_after_fork(void);

/* For up to so many suspects.  -ENOMEM. */
int sweep_begin(struct sweep *s, uint32_t capacity, evidence_owner_fn *owner,
		const struct gaps_owner *gaps) _must_check_ _nonnull_all_;

/* [start, end) of that number is in doubt. */
void sweep_add(struct sweep *s, uintptr_t start, uintptr_t end, uint32_t number) _nonnull_all_;

/* The collector's object behind a region: shows where the collector keeps headers. */
void sweep_add_object(struct sweep *s, uintptr_t object) _nonnull_all_;

/*
 * Collects, and decides.  0, or why nothing was decided: -EBUSY as gc_collect(); -EAGAIN the moment did
 * not come, or something could not be known this time (a swapped page); -EPERM, -ETIMEDOUT: a
 * thread could not be stopped; -ENOMEM; -ENOSYS: this way does not work here.
 * Context: a thread that the collector knows, no lock.
 */
int sweep_decide(struct sweep *s, enum sweep_way way) _must_check_ _nonnull_all_;

/* Suspect i stays, whatever was found: it is in doubt no more. */
void sweep_spare(struct sweep *s, uint32_t i) _nonnull_all_;

/* After a sweep_decide() that returned 0: what kept suspects point to is kept too. */
void sweep_close(struct sweep *s) _nonnull_all_;

/*
 * After sweep_close(): one is kept that was not read, since nothing spoke for it at the moment.  What it
 * points to is not known; nothing may go in this round.
 */
bool sweep_overslept(const struct sweep *s) _must_check_ _nonnull_all_;

/* What keeps suspect i of s->suspects, after sweep_close(). */
enum evidence_place sweep_kept(const struct sweep *s, uint32_t i) _nonnull_all_;

/* Where the word is that keeps it, as evidence_witness(). */
uintptr_t sweep_witness(const struct sweep *s, uint32_t i) _nonnull_all_;

void sweep_end(struct sweep *s) _nonnull_all_;

/*
 * Writes to memory are no longer noticed: what the last rounds left to be done when nobody waits, 20 ms
 * for each GiB.  The next round does it first, else.
 */
void sweep_rest(void);

/* Between a sweep_decide() that returned -ENOMEM and sweep_end().  True: worth another try. */
bool sweep_grow(void) _must_check_;

#endif
