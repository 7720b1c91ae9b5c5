/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/swap.h"

#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "os/raw.h"
#include "os/smaps.h"

bool swap_in_use(void)
{
	struct sysinfo info;

	return raw(SYS_sysinfo, (uintptr_t)&info) || info.freeswap != info.totalswap;
}

struct each {
	swap_fn *fn;
	void *arg;
};

static int look(const struct mapline *m, unsigned int flags, void *arg)
{
	const struct each *each = arg;

	if (!m->shared || !(flags & SMAPS_SWAPPED))
		return 0;
	return each->fn(m->start, m->end, each->arg);
}

int swap_each_shared(struct scratch *scratch, swap_fn *fn, void *arg)
{
	struct each each = { fn, arg };

	return smaps_each(scratch, look, &each);
}

void swap_fetch(uintptr_t start, uintptr_t end)
{
	/* Of memory without a file on a disk the kernel looks for swapped pages only. */
	(void)raw(SYS_madvise, start, end - start, MADV_WILLNEED);
}
