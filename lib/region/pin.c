/* SPDX-License-Identifier: BSD-2-Clause */
/* Pins of users. */
#include <errno.h>
#include <foster/foster.h>

#include "base/result.h"
#include "region/region.h"

static int add_pin(_unused_ struct region *r, uint64_t *life)
{
	if (life_state(*life) != LIFE_LIVE)
		return -ESTALE;
	/*
	 * One is left for foster's own, so that the limit of users is the same for all
	 * regions.
	 */
	if (life_pins(*life) >= LIFE_PINS_MAX - 1)
		return -EOVERFLOW;
	*life += LIFE_PIN;
	return 0;
}

unsigned int region_user_pins(const struct region *r, uint64_t life)
{
	bool unseen = atomic_load_explicit(&r->unseen, memory_order_relaxed);
	enum life_state state = life_state(life_revived(life));

	return life_pins(life) - (state == LIFE_LIVE && unseen);
}

static int take_pin(struct region *r, uint64_t *life)
{
	if (!region_user_pins(r, *life))
		return -EINVAL;
	region_touch(r);
	*life -= LIFE_PIN;
	return 0;
}

FOSTER_EXPORT int foster_pin(const void *p)
{
	return result(region_change(p, false, add_pin, NULL));
}

FOSTER_EXPORT int foster_unpin(const void *p)
{
	return result(region_change(p, false, take_pin, NULL));
}
