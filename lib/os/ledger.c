/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/ledger.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/check.h"
#include "os/vm.h"

static struct ledger_part taken[LEDGER_PARTS];
/* Release and acquire: who sees the number sees the parts. */
static _Atomic size_t count;

void *ledger_take(size_t bytes)
{
	size_t n = atomic_load_explicit(&count, memory_order_relaxed);
	size_t size = vm_round_up(bytes);
	void *pages;

	fo_assert(bytes);
	if (n == LEDGER_PARTS || !size)
		return NULL;
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;
	taken[n] = (struct ledger_part){ (uintptr_t)pages, (uintptr_t)pages + size };
	atomic_store_explicit(&count, n + 1, memory_order_release);
	return pages;
}

size_t ledger_parts(struct ledger_part part[LEDGER_PARTS])
{
	size_t n = atomic_load_explicit(&count, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		for (; at && part[at - 1].start > taken[i].start; at--)
			part[at] = part[at - 1];
		part[at] = taken[i];
	}
	return n;
}
