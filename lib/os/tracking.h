/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages were written since: write protection by a userfaultfd that the kernel
 * resolves itself (UFFD_FEATURE_WP_ASYNC, Linux 6.7).  It tracks pages of mappings, so it
 * is for private memory only.  Not noticed in it: data that arrives in a page which the
 * kernel had pinned before the page was protected (io_uring's registered buffers,
 * O_DIRECT reads under way).  All else is, read(2), process_vm_writev() and
 * /proc/self/mem too.
 *
 * Protecting a huge page would split it at the next write and make the program slower for
 * good, so huge pages are left alone: they count as written every time.
 */
#ifndef FOSTER_OS_TRACKING_H
#define FOSTER_OS_TRACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/hidden.h"
#include "os/descriptor.h"
#include "os/layout.h"
#include "os/pages.h"

/* Of one round.  All zero is one that has not begun. */
struct tracking {
	struct descriptor faults; /* the userfaultfd */
	int pagemap;		  /* borrowed from os/pagemap.h */
	uint64_t empty;		  /* categories of pages that hold nothing */
	hidden_addr lowest;	  /* what was watched lies between */
	hidden_addr highest;
	bool strangers; /* another userfaultfd was met: what is tracked may be its */
};

/* Can this kernel, and may this process?  Found by trying, once. */
bool tracking_works(void);

/*
 * 0, or a negative errno with nothing left behind: -ENOSYS the kernel cannot; -EPERM it
 * does not let us; -EMFILE, -ENFILE, -ENOMEM; of open(2) where /proc refuses.  One round,
 * one caller at a time; from a companion too.
 */
int tracking_begin(struct tracking *t) _must_check_ _nonnull_all_;

/*
 * From now on writes to [start, end) are noticed.  Calls fn for the runs of pages that
 * hold something, when they are protected: read them in fn or later, not before.  Huge
 * pages are not told, for they count as written.  A page may be told twice, the order
 * starts again once.  (That they are told here saves a walk.)
 *
 * For whole mappings: one that is cut is split for the time.  Several neighbours and the
 * holes between may be given at once.  In private mappings of files every page counts,
 * written or not, and one that is given back meanwhile looks swapped out until it is
 * touched.
 *
 * -EBUSY: somebody else's userfaultfd is there; other errnos: it cannot be tracked, or
 * what fn returned.  Then nothing of the range is watched, whatever was told.
 */
int tracking_watch(struct tracking *t, uintptr_t start, uintptr_t end, pages_fn *fn,
		   void *arg) _must_check_ _nonnull_(1, 4);

/*
 * Calls fn for the runs in [start, end) that were perhaps written since they were last
 * protected, and hold something (anonymous is true: not asked for).  What is in a
 * page that is not told is what was in it when it was protected; or nothing, if it was
 * given back.
 *
 * anew: each page is protected again at the moment of telling; read it in fn or later,
 * not before.  A page may be told twice, the order starts again once.
 *
 * -EPERM: a part of the range is not tracked (any more: it was mapped anew), nothing
 * about that part is known; read it all.  The same at any other error.  Pages that were
 * protected have been told, unless fn itself ended the walk.
 */
int tracking_written(struct tracking *t, uintptr_t start, uintptr_t end, bool anew,
		     pages_fn *fn, void *arg) _must_check_ _nonnull_(1, 5);

/* A run of pages in any memory. */
struct tracking_run {
	struct pages_run pages;
	bool tracked; /* by a userfaultfd; ours, if the caller watched it */
};
/* Returns 0 to go on, or what the walk then returns. */
typedef int tracking_fn(const struct tracking_run *run, void *arg);

/*
 * The same for any stretch of the address space, in one walk: of what is tracked the runs
 * perhaps written, of all else the runs present or swapped, in ascending order (a run may
 * go over from one mapping to the next).  Here anonymous is told.  0.25 us for each
 * mapping, 0.7 ms for each GiB present, or 0.3 ms where all that is big is tracked and
 * little was written, against 1 us for each call of tracking_written().  Big shared
 * mappings had better be left out: they are walked page by page.
 */
int tracking_scan(struct tracking *t, uintptr_t start, uintptr_t end, tracking_fn *fn,
		  void *arg) _must_check_ _nonnull_(1, 4);

/*
 * Leaves no trace: makes everything writable again (20 ms for 1 GiB, in steps of 1 ms,
 * since meanwhile nobody can map memory).  Any number of times, at any time; also after
 * the companion that used it was killed.
 */
void tracking_end(struct tracking *t) _nonnull_all_;

/*
 * The same without a walk over the gaps, sorted, in which nothing was watched: the kernel looks at each
 * mapping.  (What somebody has moved there goes with the descriptor.)
 */
void tracking_end_around(struct tracking *t, const struct layout_gap *gap, size_t gaps)
	_nonnull_(1);

/* In the child of fork, which has inherited nothing but a descriptor: closes it. */
void tracking_after_fork(struct tracking *t) _nonnull_all_;

#endif
