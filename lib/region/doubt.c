/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/doubt.h"

#include <stdatomic.h>

#include "base/check.h"
#include "region/region.h"

static _Atomic uint32_t head;

bool doubt_put(uint32_t number)
{
	struct region *r = region_at(number);
	uint32_t first = atomic_load_explicit(&head, memory_order_relaxed);

	fo_assert(atomic_load(&r->life) & LIFE_QUEUED);
	do {
		atomic_store_explicit(&r->next, first, memory_order_relaxed);
		/* Pairs with doubt_take_all(): who takes the number sees its link. */
	} while (!atomic_compare_exchange_weak_explicit(&head, &first, number,
							memory_order_release,
							memory_order_relaxed));
	return first == 0;
}

bool doubt_any(void)
{
	return atomic_load_explicit(&head, memory_order_relaxed) != 0;
}

uint32_t doubt_take_all(void)
{
	return atomic_exchange_explicit(&head, 0, memory_order_acquire);
}
