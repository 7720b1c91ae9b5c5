/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/damage.h"

#include <stdatomic.h>

#include "region/callback.h"
#include "region/reaper.h"
#include "region/region.h"
#include "region/stats.h"

/* Set after the region is marked, cleared before the regions are searched. */
static _Atomic bool announced;

void damage_announce(void)
{
	atomic_store(&announced, true);
	reaper_ring();
}

static void report(uint32_t number)
{
	const struct region *r = region_at(number);
	const struct region_calls *calls = region_calls_at(number);
	foster_damage_fn *fn = atomic_load(&calls->on_damage);
	uintptr_t user = region_base(r) + atomic_load(&r->delta);

	stats_add(damaged, 1);
	if (!fn)
		return;
	callback_enter();
	fn((void *)user, atomic_load(&r->len), atomic_load(&calls->damage_arg));
	callback_leave();
}

void damage_report(void)
{
	if (!atomic_exchange(&announced, false))
		return;
	for (uint32_t number = 1; number < region_numbers_end(); number++) {
		struct region *r = region_hold_number(number);

		if (r && region_take_damage(r))
			report(number);
		if (r)
			region_drop(r);
	}
}
