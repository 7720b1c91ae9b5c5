/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "base/check.h"
#include "os/descriptor.h"
#include "os/raw.h"
#include "os/vm.h"

/* struct pm_scan_arg of linux/fs.h */
struct scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end; /* where the kernel stopped */
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};
#define SCAN _IOWR('f', 16, struct scan_arg)

/* More would be slower: the kernel's own buffer then costs more than the call. */
#define RUNS_AT_ONCE 256u
#define ENTRIES_AT_ONCE 2048u

/* A page that does not match costs a fiftieth of one that does. */
#define PAGES_PER_MATCH 64u

/* Categories since the first kernel that has the ioctl. */
#define FIRST_CATEGORIES                                                   \
	(PAGEMAP_TRACKED | PAGEMAP_WRITTEN | PAGEMAP_FILE | PAGEMAP_HELD | \
	 PAGEMAP_ZERO | PAGEMAP_HUGE)

static struct descriptor process = { .fd = -1 };

/* ---------------------------------------------------------------------- descriptors */

int pagemap_own_fd(void)
{
	static const char path[] = "/proc/self/pagemap";

	return (int)raw(SYS_openat, (uintptr_t)AT_FDCWD, (uintptr_t)path,
			O_RDONLY | O_CLOEXEC);
}

int pagemap_fd(void)
{
	int fd, err;

	if (descriptor_is_ours(&process))
		return process.fd;
	fd = pagemap_own_fd();
	if (fd < 0)
		return fd;
	err = descriptor_keep(&process, fd);
	return err ? err : process.fd;
}

void pagemap_open(void)
{
	(void)!pagemap_fd();
}

void pagemap_after_fork(void)
{
	descriptor_close(&process);
	pagemap_open();
}

/* ----------------------------------------------------------------------------- runs */

/* Joins runs that touch and are alike: a walk in several steps may cut them. */
struct joiner {
	struct pagemap_run run; /* the one that goes on; empty: none */
	pagemap_fn *fn;
	void *arg;
};

static int end_run(struct joiner *j)
{
	struct pagemap_run run = j->run;

	j->run = (struct pagemap_run){ 0 };
	return run.end ? j->fn(&run, j->arg) : 0;
}

static int add_run(struct joiner *j, const struct pagemap_run *run)
{
	int r;

	if (j->run.end == run->start && j->run.categories == run->categories) {
		j->run.end = run->end;
		return 0;
	}
	fo_assert(run->start < run->end && j->run.end <= run->start);
	r = end_run(j);
	j->run = *run;
	return r;
}

/* ------------------------------------------------------------------------ the ioctl */

/* Where a call has to stop that is not to last longer than for q->most matching pages. */
static uintptr_t polite_end(uintptr_t start, uintptr_t end,
			    const struct pagemap_question *q)
{
	uint64_t most = q->most * PAGES_PER_MATCH * vm_page_size();

	return most && end - start > most ? start + most : end;
}

/* One call.  How many runs, and *start moves on to where the kernel stopped, or to end. */
static long step(int fd, uintptr_t *start, uintptr_t end,
		 const struct pagemap_question *q, struct pagemap_run runs[RUNS_AT_ONCE])
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = q->flags,
		.start = *start,
		.end = end,
		.vec = (uintptr_t)runs,
		.vec_len = RUNS_AT_ONCE,
		.max_pages = q->most,
		.category_inverted = q->inverted,
		.category_mask = q->all,
		.category_anyof_mask = q->any,
		.return_mask = q->tell,
	};
	long n = raw(SYS_ioctl, (uintptr_t)fd, SCAN, (uintptr_t)&arg);

	if (n < 0)
		return n;
	if (arg.walk_end <= *start)
		return -EIO; /* it would never end */
	*start = (uintptr_t)arg.walk_end;
	return n;
}

/* An empty range: nothing but the question is looked at. */
static bool accepts(int fd, uint64_t categories)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.flags = PAGEMAP_PROTECT | PAGEMAP_ONLY_TRACKED,
		.return_mask = categories,
	};

	return raw(SYS_ioctl, (uintptr_t)fd, SCAN, (uintptr_t)&arg) == 0;
}

static uint64_t ask_what_is_known(int fd)
{
	if (accepts(fd, FIRST_CATEGORIES | PAGEMAP_GUARD))
		return FIRST_CATEGORIES | PAGEMAP_GUARD;
	return accepts(fd, FIRST_CATEGORIES) ? FIRST_CATEGORIES : 0;
}

static _Atomic uint64_t known; /* 0: not asked */

void pagemap_ask_again(void)
{
	atomic_store_explicit(&known, 0, memory_order_relaxed);
}

uint64_t pagemap_knows(int fd)
{
	/* What the kernel knew once it goes on knowing; asked for each mapping. */
	uint64_t k = atomic_load_explicit(&known, memory_order_relaxed);

	if (!k) {
		k = ask_what_is_known(fd);
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return k;
}

int pagemap_scan(int fd, uintptr_t start, uintptr_t end, const struct pagemap_question *q,
		 pagemap_fn *fn, void *arg)
{
	struct joiner joiner = { .fn = fn, .arg = arg };
	struct pagemap_run runs[RUNS_AT_ONCE];
	long n = 0;
	int r = 0;

	while (start < end && r == 0) {
		n = step(fd, &start, polite_end(start, end, q), q, runs);
		if (n < 0)
			break;
		for (long i = 0; i < n && r == 0; i++)
			r = add_run(&joiner, &runs[i]);
	}
	if (r == 0)
		r = end_run(&joiner);
	return r == 0 && n < 0 ? (int)n : r;
}

uintptr_t pagemap_reach(int fd, uintptr_t start, uintptr_t end,
			const struct pagemap_question *q, bool *all)
{
	struct pagemap_run runs[RUNS_AT_ONCE];
	uintptr_t next = start;
	long n = step(fd, &next, end, q, runs);

	*all = n == 1 && runs->start == start && runs->end == next;
	return n < 0 ? end : next;
}

/* ----------------------------------------------------------------------- by reading */

/* Bits of an entry: Documentation/admin-guide/mm/pagemap.rst.  Guards: Linux 6.15. */
#define ENTRY_GUARD (UINT64_C(1) << 58)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

static uint64_t categories_of(uint64_t entry)
{
	return (entry & ENTRY_PRESENT ? PAGEMAP_PRESENT : 0u) |
	       (entry & ENTRY_SWAPPED ? PAGEMAP_SWAPPED : 0u) |
	       (entry & ENTRY_FILE ? PAGEMAP_FILE : 0u) |
	       (entry & ENTRY_GUARD ? PAGEMAP_GUARD : 0u);
}

static int add_entries(struct joiner *j, uintptr_t start, const uint64_t *entries,
		       size_t count)
{
	const size_t page = vm_page_size();
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++, start += page)
		if (entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED))
			r = add_run(j,
				    &(struct pagemap_run){ start, start + page,
							   categories_of(entries[i]) });
	return r;
}

int pagemap_read(int fd, uintptr_t start, uintptr_t end, pagemap_fn *fn, void *arg)
{
	struct joiner joiner = { .fn = fn, .arg = arg };
	const size_t page = vm_page_size();
	uint64_t entries[ENTRIES_AT_ONCE];
	int r = 0;

	while (start < end && r == 0) {
		size_t count = (end - start + page - 1) / page;
		long bytes;

		if (count > ENTRIES_AT_ONCE)
			count = ENTRIES_AT_ONCE;
		bytes = raw(SYS_pread64, (uintptr_t)fd, (uintptr_t)entries,
			    count * sizeof(*entries), start / page * sizeof(*entries));
		if (bytes < 0)
			return (int)bytes;
		count = (size_t)bytes / sizeof(*entries);
		if (!count)
			break; /* beyond all addresses */
		r = add_entries(&joiner, start, entries, count);
		start += count * page;
	}
	return r ? r : end_run(&joiner);
}
