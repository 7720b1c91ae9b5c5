/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/mapping.h"

#include <errno.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "region/core.h"
#include "region/pace.h"
#include "region/reaper.h"
#include "region/region.h"
#include "region/stats.h"
#include "track/overlay.h"

/* A NEWBORN region: from the pool, of this thread's making, or of the reaper's. */
static uint32_t newborn(size_t span, bool known)
{
	uint32_t number = region_reuse(span);

	if (number) {
		stats_add(reused, 1);
		return number;
	}
	return known ? region_create(span) : reaper_make(span);
}

/* 0, or a negative errno with nothing left behind. */
static int map_once(const struct mapping_request *rq, size_t span, bool known, uint32_t *number)
{
	int err;

	*number = newborn(span, known);
	if (!*number)
		return -ENOMEM;
	FOSTER_SYNC("newborn");
	err = vm_lay(region_base(region_at(*number)), span, &rq->what);
	if (err)
		region_stillborn(*number, err == -ENOTRECOVERABLE);
	return err == -ENOTRECOVERABLE ? -ENOMEM : err;
}

/* Short of memory, addresses or mappings, what is unreachable may be in the way. */
static int map_twice(const struct mapping_request *rq, size_t span, bool known, uint32_t *number)
{
	int err = map_once(rq, span, known, number);

	if (err != -ENOMEM)
		return err;
	stats_add(retried, 1);
	reaper_relieve();
	return map_once(rq, span, known, number);
}

static void keep_pace(size_t span)
{
	reaper_notice();
	if (!pace_note(span))
		return;
	reaper_ring();
	if (pace_overrun())
		reaper_throttle();
}

static int check_request(const struct mapping_request *rq, size_t *span)
{
	fo_assert(rq->len && rq->delta < vm_page_size());
	*span = vm_round_up(rq->delta + rq->len);
	if (!*span || rq->delta + rq->len < rq->len)
		return -EOVERFLOW;
	return overlay_fits(*span);
}

int mapping_new(const struct mapping_request *rq, void **ret)
{
	struct region_facts facts = { rq->delta, rq->len, rq->source, rq->what.prot, false };
	uint32_t number;
	uintptr_t user;
	size_t span;
	int err = check_request(rq, &span);

	if (!err)
		err = core_ready();
	if (err)
		return err;
	facts.unseen = !gc_thread_known();
	err = map_twice(rq, span, !facts.unseen, &number);
	if (err)
		return err;
	user = region_base(region_at(number)) + rq->delta;
	*ret = (void *)user;
	region_born(number, &facts);
	keep_pace(span);
	/* Up to here this frame holds the address where the collector looks. */
	__asm__ volatile("" : : "r"(user) : "memory");
	return 0;
}
