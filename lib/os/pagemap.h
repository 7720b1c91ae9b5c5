/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking the kernel about single pages: /proc/self/pagemap, by the PAGEMAP_SCAN ioctl
 * (Linux 6.7) or by reading it.  os/pages.h and os/tracking.h say what the answers mean.
 */
#ifndef FOSTER_OS_PAGEMAP_H
#define FOSTER_OS_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* What a page can be: PAGE_IS_* of linux/fs.h, newer than Debian 12's headers. */
enum pagemap_category {
	PAGEMAP_TRACKED = 1 << 0, /* of the mapping: a userfaultfd notes writes to it */
	PAGEMAP_WRITTEN = 1 << 1, /* not protected: perhaps written since */
	PAGEMAP_FILE = 1 << 2, /* the page cache's; dear: it costs as much as all else */
	PAGEMAP_PRESENT = 1 << 3,
	PAGEMAP_SWAPPED = 1 << 4, /* or migrating, or only a mark of the kernel's */
	PAGEMAP_ZERO = 1 << 5,	  /* the page of zeros that is everybody's */
	PAGEMAP_HUGE = 1 << 6,	  /* part of one entry for a huge page */
	PAGEMAP_GUARD = 1 << 8,	  /* MADV_GUARD_INSTALL (Linux 6.15) */
};
#define PAGEMAP_HELD (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)

/* The kernel's struct page_region. */
struct pagemap_run {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};
/* Returns 0 to go on, or what the walk then returns. */
typedef int pagemap_fn(const struct pagemap_run *run, void *arg);

/*
 * Which pages.  A category in inverted counts where the page does not have it.  All of
 * `all` must count, and one of `any`, unless that is 0.
 */
struct pagemap_question {
	uint64_t inverted;
	uint64_t all;
	uint64_t any;
	uint64_t tell;	/* categories that the runs carry */
	uint64_t flags; /* of what follows */
	uint64_t most;	/* matching pages in one go, while mmap() waits; 0: all */
};
/* Protects what it tells as written; passes silently over what is not tracked. */
#define PAGEMAP_PROTECT (UINT64_C(1) << 0)
/* -EPERM where something is not tracked. */
#define PAGEMAP_ONLY_TRACKED (UINT64_C(1) << 1)

/* Opens the descriptor now, while the process may; best effort. */
void pagemap_open(void);

/* In the child of fork: what was open describes the parent. */
void pagemap_after_fork(void);

/*
 * The descriptor, opened anew if somebody has closed it; it describes the memory of the
 * process, also when asked by a companion.  A negative errno.  One caller at a time.
 */
int pagemap_fd(void) _must_check_;

/* A new descriptor, which describes the process that calls; the caller closes it. */
int pagemap_own_fd(void) _must_check_;

/* The categories that the kernel's ioctl knows; 0: it is missing, or refused. */
uint64_t pagemap_knows(int fd) _must_check_;

/* It was refused though: pagemap_knows() asks the kernel again. */
void pagemap_ask_again(void);

/*
 * Calls fn for the runs of pages in [start, end) that match, as long as can be, in
 * ascending order.  0, what fn returned, or a negative errno.  With PAGEMAP_PROTECT alone
 * fn is told of every page that was protected, before an error too, unless it ends the
 * walk itself; with PAGEMAP_ONLY_TRACKED the kernel forgets at -EPERM what it has just
 * protected.  No allocation, no lock; 8 KiB of stack.
 */
int pagemap_scan(int fd, uintptr_t start, uintptr_t end, const struct pagemap_question *q,
		 pagemap_fn *fn, void *arg) _must_check_ _nonnull_(4, 5);

/*
 * The address before which not many more than q->most pages in [start, end) match; *all:
 * all before it do.  At an error: the end.
 */
uintptr_t pagemap_reach(int fd, uintptr_t start, uintptr_t end,
			const struct pagemap_question *q, bool *all)
	_must_check_ _nonnull_all_;

/*
 * By reading: the runs of pages held, in the categories PAGEMAP_FILE, PRESENT, SWAPPED
 * and GUARD.  Takes 0.8 s for 1 TiB of nothing.  As pagemap_scan(); 18 KiB of stack.
 */
int pagemap_read(int fd, uintptr_t start, uintptr_t end, pagemap_fn *fn, void *arg)
	_must_check_ _nonnull_(4);

#endif
