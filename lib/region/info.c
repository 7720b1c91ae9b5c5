/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at regions: foster_info() and foster_for_each(). */
#include <errno.h>
#include <foster/foster.h>

#include "base/result.h"
#include "os/stacks.h"
#include "region/callback.h"
#include "region/region.h"
#include "region/registry.h"

#define INFO_V1 sizeof(struct foster_info)
#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)

static unsigned int public_state(uint64_t life)
{
	switch (life_state(life)) {
	case LIFE_DOUBTED:
		return FOSTER_DOUBTED;
	case LIFE_REVOKED:
	case LIFE_FADING:
		return FOSTER_REVOKED;
	case LIFE_RELEASING:
		return FOSTER_RELEASING;
	default:
		return FOSTER_LIVE;
	}
}

/* A held region does not become another one while it is read. */
static void fill(struct foster_info *info, const struct region *r)
{
	uint64_t life = atomic_load_explicit(&r->life, memory_order_acquire);
	bool closed = life_state(life) == LIFE_REVOKED;

	*info = (struct foster_info){
		.size = sizeof(*info),
		.id = GET(r->id),
		.base = (void *)(region_base(r) + GET(r->delta)),
		.len = GET(r->len),
		.revoked = closed ? region_bytes(r) : GET(r->revoked),
		.state = public_state(life),
		.source = GET(r->source),
		.tracking = GET(r->in_place) ? FOSTER_TRACK_IN_PLACE : FOSTER_TRACK_OVERLAY,
		.prot = GET(r->prot),
		.pins = region_user_pins(r, life),
		.flags = (GET(r->unseen) ? FOSTER_INFO_UNSEEN : 0) |
			 (GET(r->damage) != INTACT ? FOSTER_INFO_DAMAGED : 0),
	};
}

FOSTER_EXPORT int foster_info(const void *p, struct foster_info *info)
{
	struct foster_info mine;
	struct region *r;

	if (info->size < INFO_V1)
		return result(-EINVAL);
	r = region_hold(p);
	if (!r)
		return result(-ENOENT);
	fill(&mine, r);
	if (registry_find((uintptr_t)p).revoked)
		mine.state = FOSTER_REVOKED;
	region_drop(r);
	return result(sized_out(info, &mine, sizeof(mine), INFO_V1));
}

FOSTER_EXPORT int foster_for_each(int (*fn)(const struct foster_info *info, void *arg), void *arg)
{
	int r = 0;

	stacks_note(); /* what is shown to fn, it may leave there */
	for (uint32_t number = 1; r == 0 && number < region_numbers_end(); number++) {
		struct region *region = region_show(number);
		struct foster_info info;

		if (!region)
			continue;
		fill(&info, region);
		callback_enter();
		r = fn(&info, arg);
		callback_leave();
		region_drop(region);
	}
	return r;
}
