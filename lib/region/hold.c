/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holds: calls that look at a region, and what they mean for the collector's next word on
 * it.
 */
#include <errno.h>

#include "gc/gc.h"
#include "region/region.h"

static int add_hold(_unused_ struct region *r, uint64_t *life)
{
	if (life_holds(*life) == LIFE_HOLDS_MAX)
		return -EAGAIN;
	*life += LIFE_HOLD;
	return 0;
}

struct region *region_hold(const void *p)
{
	struct region *r = NULL;

	while (region_change(p, false, add_hold, &r) == -EAGAIN)
		;
	return r;
}

struct region *region_hold_page(uintptr_t addr)
{
	struct region *r = NULL;

	while (region_change((const void *)addr, true, add_hold, &r) == -EAGAIN)
		;
	return r;
}

struct region *region_hold_number(uint32_t number)
{
	struct region *r = region_at(number);
	uint64_t life = life_get(&r->life);

	do {
		if (!life_is_known(life) || life_holds(life) == LIFE_HOLDS_MAX)
			return NULL;
	} while (!life_swap(&r->life, &life, life_revived(life) + LIFE_HOLD));
	return r;
}

void region_touch(struct region *r)
{
	uint32_t now = gc_cycles();
	uint32_t before = atomic_load_explicit(&r->touched, memory_order_relaxed);

	/*
	 * Never back: another thread's later touch must not be undone by one that was
	 * delayed.
	 */
	while ((int32_t)(now - before) > 0 &&
	       !atomic_compare_exchange_weak_explicit(&r->touched, &before, now,
						      memory_order_relaxed,
						      memory_order_relaxed))
		;
}

void region_drop(struct region *r)
{
	uint64_t life;

	/* The swap below publishes it to the sign. */
	region_touch(r);
	life = life_get(&r->life);
	do {
		/* In the child of fork the holds of the parent's threads are gone. */
		if (!life_holds(life))
			return;
	} while (!life_swap(&r->life, &life, life - LIFE_HOLD));
}
