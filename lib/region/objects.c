/* SPDX-License-Identifier: BSD-2-Clause */
/* The collector's objects under all ranges. */
#include "region/region.h"
#include "region/registry.h"
#include "track/overlay.h"

void region_each_object(void (*fn)(uintptr_t object))
{
	for (uint32_t number = 1; number < region_numbers_end(); number++) {
		const struct region *r = region_at(number);

		/*
		 * The registry comes last when a range is numbered: before, its base is
		 * not set.
		 */
		if (life_state(life_get(&r->life)) != LIFE_FREE &&
		    !atomic_load_explicit(&r->in_place, memory_order_relaxed) &&
		    registry_find(region_base(r)).region == number)
			fn(overlay_object(region_base(r)));
	}
}
