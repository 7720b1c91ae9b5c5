/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The collector, as foster sees it: the seam between foster and libgc (boehm.c).  null.c
 * stands behind the same seam in test builds, where nothing is scanned and a test says
 * what is reachable.
 *
 * No function here may be called with a lock of foster held: a call may run finalizers of
 * the host, and these may call foster.  Exceptions are said.
 */
#ifndef FOSTER_GC_GC_H
#define FOSTER_GC_GC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * Asked for each object of ours to which the collector saw no pointer, not even through
 * an object that waits for its finalizer.  base: the object's first byte.  Returns true
 * to keep the object; false gives its memory back to the collector, which then may write
 * to all of it.
 *
 * Context: the collector's lock is held, threads run.  No lock, no allocation, no call of
 * the collector.
 */
typedef bool gc_sign_fn(uintptr_t base);

/*
 * Calls fn with each object of ours that the sign would keep.  Context: the collector's
 * lock is held, the world is stopped.
 */
typedef void gc_each_fn(void (*fn)(uintptr_t base));

/*
 * Starts the collector where the host has not, on a thread that stays where the calling
 * thread may end, and makes it ready for threads.  sign: asked from then on.  Called
 * once, serialised by the caller. Errors: those of foster_init().
 */
int gc_start(gc_sign_fn *sign, gc_each_fn *each) _must_check_ _nonnull_all_;

/* Bytes of the collector's blocks: objects of ours begin at a multiple of it. */
size_t gc_block_size(void);

/*
 * A new pointer-free object of exactly the blocks that bytes need, contents undefined;
 * the collector writes a few words at its start and end.  NULL: no memory. Context: the
 * calling thread is known to the collector.  May collect; may run finalizers.
 */
void *gc_object_new(size_t bytes) _must_check_;

/* Does the host allocate from the collector, so that objects of ours would be in its way? */
bool gc_host_allocates(void) _must_check_;

/*
 * Does the collector know the calling thread, so that it stops it and searches its stack?
 */
bool gc_thread_known(void);

/* Makes it known, and unknown again.  0, -EALREADY, -ENOTSUP, -ENOMEM. */
int gc_thread_enter(void) _must_check_;
void gc_thread_leave(void);

/* The signals by which the collector stops and restarts threads; -1: none. */
#define GC_SIGNALS 2
void gc_signals(int signals[GC_SIGNALS]);

/*
 * One full collection, on the calling thread, which the collector knows.  -EBUSY: none,
 * since a thread that would have to be stopped blocks the signal for it, and libgc would
 * wait, and abort.
 */
int gc_collect(void) _must_check_;

/*
 * The moments of a collection that decides.  marked: the marking is complete, every thread that
 * the collector knows stands still, but for the calling one.  reclaimed: the collector has marked
 * what finalizers will see, and has asked the sign; threads run.  Context of both: the calling
 * thread of gc_decide(), the collector's lock is held; no call of the collector but the two below.
 */
typedef void gc_moment_fn(void *arg);

/*
 * gc_collect() with the two moments.  -EAGAIN: they did not come, since another hook than ours was
 * called, or the collection was given up.
 */
int gc_decide(gc_moment_fn *marked, gc_moment_fn *reclaimed, void *arg) _must_check_
	_nonnull_(1, 2);

/* What the collector's heap says of the memory at an address. */
enum gc_holder {
	GC_HOLDER_FOREIGN,  /* not its heap */
	GC_HOLDER_VACANT,   /* its heap, and nobody's */
	GC_HOLDER_MARKED,   /* an object that is marked */
	GC_HOLDER_UNMARKED, /* an object that is not; perhaps a free one */
};

/*
 * Memory that was found to be none of its heap: many words of one mapping ask the same.  All zero
 * at first; good for the questions of one moment.
 */
struct gc_foreign {
	uintptr_t start;
	uintptr_t end;
};

/*
 * floor: the start of the mapping that addr is in; object: out, the object's base or 0.
 * Context: at one of the two moments, or in gc_locked(); also from another process that shares, or has
 * a copy of, this one's memory.
 */
enum gc_holder gc_holder(uintptr_t addr, uintptr_t floor, struct gc_foreign *foreign,
			 uintptr_t *object) _nonnull_(3, 4);

/* Is there still such an object, and marked?  Context: the same. */
bool gc_object_marked(uintptr_t object);

/* Is the byte at addr in its heap, in an object or a free block's first?  Any context. */
bool gc_owns(uintptr_t addr);

/* Is any byte of [start, end) in its heap?  1, 0, or -ENOSYS: it does not tell.  Any context. */
int gc_owns_any(uintptr_t start, uintptr_t end) _must_check_;

/*
 * Is the word at addr in the header that the collector keeps of that object of ours?  What lies on the
 * same page is the collector's own, then: see gc_headers_note().  Context: as gc_holder().
 */
bool gc_header_is_of(uintptr_t addr, uintptr_t object);

/* Remembers the page of such a header.  Context: one thread at a time. */
void gc_headers_note(uintptr_t addr);

/*
 * Is addr on a page that is known to hold headers, or in the list that the collector keeps of the
 * sections of its heap?  Nothing there is a pointer.  Context: as gc_holder().
 */
bool gc_is_header(uintptr_t addr);

/* Is the page around addr known to hold headers?  Any context. */
bool gc_has_headers(uintptr_t addr);

/* Calls fn(arg) with the collector's lock held.  Context: a thread, no lock of ours. */
void gc_locked(void (*fn)(void *arg), void *arg) _nonnull_(1);

/*
 * Does the collector speak for all of memory, so that its sign alone decides?  libgc does not; the
 * null collector of tests does.
 */
bool gc_sees_all(void);

/* In the child of fork. */
void gc_after_fork(void);

/* Collections so far.  Any context. */
uint32_t gc_cycles(void);

/* Did the host disable collection? */
bool gc_disabled(void);

/*
 * Is the collector in leak-finding mode, in which nothing of ours may be made?  Any
 * context.
 */
bool gc_finds_leaks(void);

/*
 * Does the collector write-protect its heap and take every fault in it for its own
 * (incremental mode)?  It would make forbidden memory in it accessible.  Any context.
 */
bool gc_owns_faults(void);

/*
 * Collections in a row that must report an object before it is unreachable.  One, but two
 * where the host turned Java-style finalization off: then libgc does not mark what a
 * finalizer registered without order will see, and only the next collection finds it
 * (finalize.c, GC_finalize of 8.2).  Any context.
 */
unsigned int gc_signs_needed(void);

#endif
