/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/tracking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "base/check.h"
#include "os/pagemap.h"
#include "os/raw.h"
#include "os/vm.h"

/* Newer than Debian 12's headers. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/*
 * In one go, about 1 ms each: while the kernel protects, nobody can map memory; while it
 * makes writable again, nobody can touch new pages of that mapping either.
 */
#define PROTECT_AT_ONCE 32768u
#define RELEASE_AT_ONCE 8192u

/* So much is worth a question of its own; so far apart, two stretches are told apart. */
#define SIEVED_PAGES 1024u
#define NEAR_PAGES 128u
/* So many runs are no longer told faster than all pages are asked about closely. */
#define SIEVED_RUNS 1024u

#define ONLY_TRACKED PAGEMAP_ONLY_TRACKED

/* ------------------------------------------------------------------ the userfaultfd */

static int call(const struct tracking *t, unsigned long request, void *arg)
{
	return (int)raw(SYS_ioctl, (uintptr_t)t->faults.fd, request, (uintptr_t)arg);
}

static int enter(struct tracking *t, uintptr_t start, uintptr_t end)
{
	struct uffdio_register arg = {
		.range = { start, end - start },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return call(t, UFFDIO_REGISTER, &arg);
}

static int leave(struct tracking *t, uintptr_t start, uintptr_t end)
{
	struct uffdio_range arg = { start, end - start };

	return call(t, UFFDIO_UNREGISTER, &arg);
}

/* A kernel without the features says EINVAL. */
static int set_up(struct tracking *t)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	uint64_t known = pagemap_knows(t->pagemap);
	int err = call(t, UFFDIO_API, &api);

	if (err == -EINVAL || !known)
		return -ENOSYS;
	t->empty = (PAGEMAP_ZERO | PAGEMAP_GUARD) & known;
	return err;
}

int tracking_begin(struct tracking *t)
{
	int fd, err;

	*t = (struct tracking){
		.faults = { .fd = -1 },
		.lowest = hide(UINTPTR_MAX),
		.highest = hide(0),
	};
	t->pagemap = pagemap_fd();
	if (t->pagemap < 0)
		return t->pagemap;
	fd = (int)raw(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		return fd == -EINVAL ? -ENOSYS : fd; /* before Linux 5.11 */
	err = descriptor_keep(&t->faults, fd);
	if (!err)
		err = set_up(t);
	if (err)
		descriptor_close(&t->faults);
	return err;
}

bool tracking_works(void)
{
	enum { UNKNOWN, WORKS, REFUSED };
	static _Atomic int known = UNKNOWN;
	int k = atomic_load_explicit(&known, memory_order_relaxed);
	struct tracking t;
	int err;

	if (k != UNKNOWN)
		return k == WORKS;
	err = tracking_begin(&t);
	if (!err)
		tracking_end(&t);
	if (!err || err == -ENOSYS || err == -EPERM || err == -EACCES)
		atomic_store_explicit(&known, err ? REFUSED : WORKS,
				      memory_order_relaxed);
	return !err;
}

/* ------------------------------------------------------------------------------ runs */

static struct pages_run pages_of(const struct pagemap_run *run)
{
	return (struct pages_run){
		.start = (uintptr_t)run->start,
		.end = (uintptr_t)run->end,
		.anonymous = !(run->categories & PAGEMAP_FILE),
		.swapped = run->categories & PAGEMAP_SWAPPED,
		.huge = run->categories & PAGEMAP_HUGE,
	};
}

struct pages_listener {
	pages_fn *fn;
	void *arg;
	bool stale; /* something was protected before we protected it */
};

static int tell_pages(const struct pagemap_run *run, void *arg)
{
	const struct pages_listener *l = arg;
	const struct pages_run pages = pages_of(run);

	return l->fn(&pages, l->arg);
}

/* ------------------------------------------------------------------------- watching */

static int tell_protected(const struct pagemap_run *run, void *arg)
{
	struct pages_listener *l = arg;

	l->stale |= !(run->categories & PAGEMAP_WRITTEN);
	return tell_pages(run, l);
}

/*
 * Only what is there: a page that comes later is not protected, so it counts as written.
 * (Marks for pages that are not there yet would need page tables, and look like swapped
 * pages.)
 */
static int protect(struct tracking *t, uintptr_t start, uintptr_t end,
		   struct pages_listener *l)
{
	const uint64_t without = t->empty | PAGEMAP_HUGE;
	const struct pagemap_question q = {
		.inverted = without,
		.all = without,
		.any = PAGEMAP_HELD,
		.tell = PAGEMAP_WRITTEN | PAGEMAP_SWAPPED,
		.flags = PAGEMAP_PROTECT | ONLY_TRACKED,
		.most = PROTECT_AT_ONCE,
	};

	l->stale = false;
	return pagemap_scan(t->pagemap, start, end, &q, tell_protected, l);
}

/*
 * A page that counts as protected before we protect it may be writable all the same:
 * until Linux 6.13 mremap() left the mark on pages that it moved away from a tracked
 * mapping.  Leaving takes the marks off, and all is told again.  (A range that is watched
 * already comes this way too.)
 */
static int begin_protection(struct tracking *t, uintptr_t start, uintptr_t end,
			    struct pages_listener *l)
{
	int err = protect(t, start, end, l);

	if (err || !l->stale)
		return err;
	err = leave(t, start, end);
	if (!err)
		err = enter(t, start, end);
	return err ? err : protect(t, start, end, l);
}

static void release(struct tracking *t, uintptr_t start, uintptr_t end);

int tracking_watch(struct tracking *t, uintptr_t start, uintptr_t end, pages_fn *fn,
		   void *arg)
{
	struct pages_listener l = { .fn = fn, .arg = arg };
	int err;

	fo_assert(start < end && (start | end) % vm_page_size() == 0);
	err = enter(t, start, end);
	if (err == -EBUSY)
		t->strangers = true;
	if (!err)
		err = begin_protection(t, start, end, &l);
	if (err) {
		release(t, start, end);
		return err;
	}
	if (start < reveal(t->lowest))
		t->lowest = hide(start);
	if (end > reveal(t->highest))
		t->highest = hide(end);
	return 0;
}

/* --------------------------------------------------------------------------- asking */

int tracking_written(struct tracking *t, uintptr_t start, uintptr_t end, bool anew,
		     pages_fn *fn, void *arg)
{
	const uint64_t small = t->empty | PAGEMAP_HUGE;
	const struct pagemap_question rest = {
		.inverted = t->empty,
		.all = t->empty | PAGEMAP_WRITTEN,
		.any = PAGEMAP_HELD,
		.tell = PAGEMAP_SWAPPED | PAGEMAP_HUGE,
		.flags = ONLY_TRACKED,
	};
	const struct pagemap_question again = {
		.inverted = small,
		.all = small | PAGEMAP_WRITTEN,
		.any = PAGEMAP_HELD,
		.tell = PAGEMAP_SWAPPED,
		.flags = PAGEMAP_PROTECT,
		.most = PROTECT_AT_ONCE,
	};
	struct pages_listener l = { .fn = fn, .arg = arg };
	int r = 0;

	/*
	 * First what can be protected; then whatever is not protected by now: huge pages,
	 * also those that were huge during the first walk only, and what is not tracked
	 * at all, which the first walk passes over lest it forget what it has protected.
	 */
	if (anew)
		r = pagemap_scan(t->pagemap, start, end, &again, tell_pages, &l);
	return r ? r : pagemap_scan(t->pagemap, start, end, &rest, tell_pages, &l);
}

struct tracking_listener {
	tracking_fn *fn;
	void *arg;
};

/* Pages that are not there match too where nothing is tracked. */
static int tell_held(const struct pagemap_run *run, void *arg)
{
	const struct tracking_listener *l = arg;
	const struct tracking_run told = {
		.pages = pages_of(run),
		.tracked = run->categories & PAGEMAP_TRACKED,
	};

	return run->categories & PAGEMAP_HELD ? l->fn(&told, l->arg) : 0;
}

static int scan_each(struct tracking *t, uintptr_t start, uintptr_t end,
		     struct tracking_listener *l)
{
	/* What is not tracked may bear an old mark: see begin_protection(). */
	const struct pagemap_question q = {
		.inverted = t->empty | PAGEMAP_TRACKED,
		.all = t->empty,
		.any = PAGEMAP_WRITTEN | PAGEMAP_TRACKED,
		.tell = PAGEMAP_HELD | PAGEMAP_HUGE | PAGEMAP_TRACKED | PAGEMAP_FILE,
	};

	return pagemap_scan(t->pagemap, start, end, &q, tell_held, l);
}

/* Stretches with written pages, or pages that are not there: to be asked about closely. */
struct sieve {
	struct tracking *tracking;
	struct tracking_listener *listener;
	uintptr_t start; /* of the stretch that goes on */
	uintptr_t end;	 /* the same as start: none; all before has been told */
	unsigned int runs;
	int ended; /* by the listener */
};
#define GIVE_UP 1

static int end_stretch(struct sieve *s)
{
	uintptr_t start = s->start;

	s->start = s->end;
	if (start < s->end)
		s->ended = scan_each(s->tracking, start, s->end, s->listener);
	return s->ended;
}

static int add_stretch(const struct pagemap_run *run, void *arg)
{
	struct sieve *s = arg;
	int r = 0;

	fo_assert(run->start >= s->end);
	if (++s->runs > SIEVED_RUNS)
		return GIVE_UP;
	if (run->start - s->end > NEAR_PAGES * vm_page_size()) {
		r = end_stretch(s);
		s->start = (uintptr_t)run->start;
	}
	s->end = (uintptr_t)run->end;
	return r;
}

/*
 * First by the one question that the kernel answers without a closer look at each page:
 * 0.3 ms for each GiB, where the other takes 0.7.  By the other from where there turns out
 * to be too much to tell, or a mapping is not tracked (-EPERM).
 */
static int scan_sieved(struct tracking *t, uintptr_t start, uintptr_t end,
		       struct tracking_listener *l)
{
	const struct pagemap_question q = {
		.all = PAGEMAP_WRITTEN,
		.tell = PAGEMAP_WRITTEN,
		.flags = ONLY_TRACKED,
	};
	struct sieve s = { .tracking = t, .listener = l, .start = start, .end = start };
	int r = pagemap_scan(t->pagemap, start, end, &q, add_stretch, &s);

	if ((r == -EPERM || r == GIVE_UP) && !s.ended)
		return scan_each(t, s.start, end, l);
	return r ? r : end_stretch(&s);
}

int tracking_scan(struct tracking *t, uintptr_t start, uintptr_t end, tracking_fn *fn,
		  void *arg)
{
	struct tracking_listener l = { fn, arg };

	if ((end - start) / vm_page_size() < SIEVED_PAGES)
		return scan_each(t, start, end, &l);
	return scan_sieved(t, start, end, &l);
}

/* -------------------------------------------------------------------------- the end */

static int leave_run(const struct pagemap_run *run, void *arg)
{
	return leave(arg, (uintptr_t)run->start, (uintptr_t)run->end);
}

static int try_to_leave_run(const struct pagemap_run *run, void *arg)
{
	(void)leave_run(run, arg);
	return 0;
}

/* What of [start, end) is tracked. */
static int leave_tracked(struct tracking *t, uintptr_t start, uintptr_t end, pagemap_fn *fn)
{
	const struct pagemap_question tracked = {
		.all = PAGEMAP_TRACKED,
		.tell = PAGEMAP_TRACKED,
	};

	return pagemap_scan(t->pagemap, start, end, &tracked, fn, t);
}

/*
 * Step by step, and without relying on the descriptor's end, for a child that was forked
 * meanwhile may hold it for ever.  What fails here is done when the descriptor ends.
 */
static void release(struct tracking *t, uintptr_t start, uintptr_t end)
{
	/* Every page costs the same, protected or not. */
	const struct pagemap_question held = {
		.all = PAGEMAP_TRACKED,
		.any = PAGEMAP_HELD,
		.tell = PAGEMAP_TRACKED,
		.most = RELEASE_AT_ONCE,
	};
	uintptr_t next;
	bool all;

	/* Old kernels would take ranges from another userfaultfd too. */
	for (; start < end && !t->strangers; start = next) {
		next = pagemap_reach(t->pagemap, start, end, &held, &all);
		if (all ? leave(t, start, next) :
			  leave_tracked(t, start, next, leave_run)) {
			/* At the limit of mappings none can be split. */
			(void)!leave_tracked(t, start, end, try_to_leave_run);
			return;
		}
	}
}

void tracking_end_around(struct tracking *t, const struct layout_gap *gap, size_t gaps)
{
	uintptr_t at = reveal(t->lowest), end = reveal(t->highest);

	if (descriptor_is_ours(&t->faults)) {
		t->pagemap = pagemap_fd();
		for (size_t i = 0; i < gaps && gap[i].start < end; i++) {
			if (gap[i].start > at)
				release(t, at, gap[i].start);
			if (gap[i].end > at)
				at = gap[i].end;
		}
		if (at < end)
			release(t, at, end);
	}
	descriptor_close(&t->faults);
}

void tracking_end(struct tracking *t)
{
	tracking_end_around(t, NULL, 0);
}

void tracking_after_fork(struct tracking *t)
{
	descriptor_close(&t->faults);
}
