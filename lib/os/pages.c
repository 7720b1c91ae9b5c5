/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/pages.h"

#include <errno.h>

#include "base/check.h"
#include "os/pagemap.h"
#include "os/raw.h"

/* 1 ms in one go. */
#define PAGES_AT_ONCE 32768u

struct listener {
	pages_fn *fn;
	void *arg;
	bool told;
};

static int tell(const struct pagemap_run *run, void *arg)
{
	struct listener *l = arg;
	const struct pages_run told = {
		.start = (uintptr_t)run->start,
		.end = (uintptr_t)run->end,
		.anonymous = !(run->categories & PAGEMAP_FILE),
		.swapped = run->categories & PAGEMAP_SWAPPED,
		.huge = run->categories & PAGEMAP_HUGE,
	};

	if (run->categories & PAGEMAP_GUARD)
		return 0;
	fo_assert(run->categories & PAGEMAP_HELD);
	l->told = true;
	return l->fn(&told, l->arg);
}

static bool is_refusal(int r)
{
	return r == -ENOSYS || r == -ENOTTY || r == -EINVAL || r == -EPERM || r == -EACCES;
}

static int held(int fd, uintptr_t start, uintptr_t end, struct listener *l, unsigned int how)
{
	const uint64_t known = pagemap_knows(fd);
	const uint64_t empty = (PAGEMAP_ZERO | PAGEMAP_GUARD) & known;
	const struct pagemap_question q = {
		.inverted = empty,
		.all = empty,
		.any = PAGEMAP_HELD,
		.tell = PAGEMAP_HELD | PAGEMAP_HUGE | (how & PAGES_FILES ? PAGEMAP_FILE : 0u),
		.most = PAGES_AT_ONCE,
	};

	int r = -ENOSYS;

	if (known)
		r = pagemap_scan(fd, start, end, &q, tell, l);
	if (!is_refusal(r) || l->told || how & PAGES_SCANNED)
		return r;
	/* The kernel does not know the question, or a filter forbids it by now. */
	if (known)
		pagemap_ask_again();
	return pagemap_read(fd, start, end, tell, l);
}

void pages_open(void)
{
	pagemap_open();
}

void pages_after_fork(void)
{
	pagemap_after_fork();
}

int pages_held(uintptr_t start, uintptr_t end, pages_fn *fn, void *arg, unsigned int how)
{
	struct listener l = { fn, arg, false };
	bool own = how & PAGES_OWN;
	int fd = own ? pagemap_own_fd() : pagemap_fd();
	int r;

	if (fd < 0)
		return fd;
	r = held(fd, start, end, &l, how);
	if (own)
		(void)raw(SYS_close, (uintptr_t)fd);
	return r;
}
