/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/tracking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
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

/* ------------------------------------------------------------------------- watching */

static int note_stale(const struct pagemap_run *run, void *arg)
{
	bool *stale = arg;

	*stale |= !(run->categories & PAGEMAP_WRITTEN);
	return 0;
}

/*
 * Only what is there: a page that comes later is not protected, so it counts as written.
 * (Marks for pages that are not there yet would need page tables, and look like swapped
 * pages.)
 */
static int protect(struct tracking *t, uintptr_t start, uintptr_t end, bool *stale)
{
	const uint64_t without = t->empty | PAGEMAP_HUGE;
	const struct pagemap_question q = {
		.inverted = without,
		.all = without,
		.any = PAGEMAP_HELD,
		.tell = PAGEMAP_WRITTEN,
		.flags = PAGEMAP_PROTECT | ONLY_TRACKED,
		.most = PROTECT_AT_ONCE,
	};

	*stale = false;
	return pagemap_scan(t->pagemap, start, end, &q, note_stale, stale);
}

/*
 * A page that counts as protected before we protect it may be writable all the same:
 * until Linux 6.13 mremap() left the mark on pages that it moved away from a tracked
 * mapping.  Leaving takes the marks off.  (A range that is watched already comes this way
 * too.)
 */
static int begin_protection(struct tracking *t, uintptr_t start, uintptr_t end)
{
	bool stale;
	int err = protect(t, start, end, &stale);

	if (err || !stale)
		return err;
	err = leave(t, start, end);
	if (!err)
		err = enter(t, start, end);
	return err ? err : protect(t, start, end, &stale);
}

static void release(struct tracking *t, uintptr_t start, uintptr_t end);

int tracking_watch(struct tracking *t, uintptr_t start, uintptr_t end)
{
	int err;

	fo_assert(start < end && (start | end) % vm_page_size() == 0);
	err = enter(t, start, end);
	if (err == -EBUSY)
		t->strangers = true;
	if (!err)
		err = begin_protection(t, start, end);
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

static struct pages_run pages_of(const struct pagemap_run *run)
{
	return (struct pages_run){
		.start = (uintptr_t)run->start,
		.end = (uintptr_t)run->end,
		.anonymous = true,
		.swapped = run->categories & PAGEMAP_SWAPPED,
		.huge = run->categories & PAGEMAP_HUGE,
	};
}

struct pages_listener {
	pages_fn *fn;
	void *arg;
};

static int tell_pages(const struct pagemap_run *run, void *arg)
{
	const struct pages_listener *l = arg;
	const struct pages_run pages = pages_of(run);

	return l->fn(&pages, l->arg);
}

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
	struct pages_listener l = { fn, arg };
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

int tracking_scan(struct tracking *t, uintptr_t start, uintptr_t end, tracking_fn *fn,
		  void *arg)
{
	/* What is not tracked may bear an old mark: see begin_protection(). */
	const struct pagemap_question q = {
		.inverted = t->empty | PAGEMAP_TRACKED,
		.all = t->empty,
		.any = PAGEMAP_WRITTEN | PAGEMAP_TRACKED,
		.tell = PAGEMAP_HELD | PAGEMAP_HUGE | PAGEMAP_TRACKED,
	};
	struct tracking_listener l = { fn, arg };

	return pagemap_scan(t->pagemap, start, end, &q, tell_held, &l);
}

/* -------------------------------------------------------------------------- the end */

static int release_run(const struct pagemap_run *run, void *arg)
{
	struct tracking *t = arg;
	/* Every page costs the same, protected or not. */
	const struct pagemap_question held = {
		.any = PAGEMAP_HELD,
		.most = RELEASE_AT_ONCE,
	};
	uintptr_t at = (uintptr_t)run->start, end = (uintptr_t)run->end, next;

	for (; at < end; at = next) {
		next = pagemap_reach(t->pagemap, at, end, &held);
		/* At the limit of mappings none can be split. */
		if (leave(t, at, next)) {
			(void)leave(t, at, end);
			break;
		}
	}
	return 0;
}

/*
 * Step by step, and without relying on the descriptor's end, for a child that was forked
 * meanwhile may hold it for ever.  What fails here is done when the descriptor ends.
 */
static void release(struct tracking *t, uintptr_t start, uintptr_t end)
{
	const struct pagemap_question tracked = {
		.all = PAGEMAP_TRACKED,
		.tell = PAGEMAP_TRACKED,
	};

	/* Old kernels would take ranges from another userfaultfd too. */
	if (!t->strangers)
		(void)!pagemap_scan(t->pagemap, start, end, &tracked, release_run, t);
}

void tracking_end(struct tracking *t)
{
	if (descriptor_is_ours(&t->faults)) {
		t->pagemap = pagemap_fd();
		release(t, reveal(t->lowest), reveal(t->highest));
	}
	descriptor_close(&t->faults);
}

void tracking_after_fork(struct tracking *t)
{
	descriptor_close(&t->faults);
}
