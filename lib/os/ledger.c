/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/ledger.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/check.h"
#include "os/vm.h"

/*
 * Beginnings and ends of mappings are addresses of what lies beside them, and so evidence, wherever they
 * are stored: only what is inside is named.
 */
#define HEAD 64u

static struct {
	uintptr_t inside; /* HEAD bytes behind the beginning */
	size_t size;
} taken[LEDGER_PARTS];
/* Release and acquire: who sees the number sees the parts. */
static _Atomic size_t count;

void *ledger_take(size_t bytes)
{
	size_t n = atomic_load_explicit(&count, memory_order_relaxed);
	size_t size = vm_round_up(bytes + HEAD);
	void *pages;

	fo_assert(bytes);
	if (n == LEDGER_PARTS || !size)
		return NULL;
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;
	taken[n].inside = (uintptr_t)pages + HEAD;
	taken[n].size = size;
	atomic_store_explicit(&count, n + 1, memory_order_release);
	return (char *)pages + HEAD;
}

size_t ledger_parts(struct ledger_part part[LEDGER_PARTS])
{
	size_t n = atomic_load_explicit(&count, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		uintptr_t start = taken[i].inside - HEAD;
		size_t at = i;

		for (; at && part[at - 1].start > start; at--)
			part[at] = part[at - 1];
		part[at] = (struct ledger_part){ start, start + taken[i].size };
	}
	return n;
}
