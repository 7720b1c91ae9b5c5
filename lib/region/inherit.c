/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/inherit.h"

#include <stdatomic.h>

#include "region/doubt.h"
#include "region/place.h"
#include "region/region.h"
#include "region/stats.h"

/* A thread that is gone may have been between a transition and its count. */
static void count_anew(const struct region *r)
{
	enum life_state state = life_state(life_revived(life_get(&r->life)));
	bool unseen = atomic_load_explicit(&r->unseen, memory_order_relaxed);

	if (state == LIFE_LIVE) {
		stats_add(regions, 1);
		stats_add(bytes, region_bytes(r));
		stats_add(unseen, unseen);
		place_count(r, true);
	} else if (state == LIFE_REVOKED) {
		stats_add(revoked, 1);
		place_count(r, true);
	}
}

void regions_inherit(void)
{
	/*
	 * What the parent's reaper had taken out stands in no queue; region_inherit()
	 * puts all.
	 */
	(void)doubt_take_all();
	stats_zero(regions);
	stats_zero(bytes);
	stats_zero(unseen);
	stats_zero(revoked);
	place_count_none();
	for (uint32_t number = 1; number < region_numbers_end(); number++) {
		region_inherit(number);
		count_anew(region_at(number));
	}
}
