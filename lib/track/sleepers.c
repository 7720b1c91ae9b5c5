/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/sleepers.h"

#include "base/check.h"

void sleepers_find(struct gaps *g, const struct suspects *s)
{
	uint32_t at = 0;

	for (size_t i = 0; i < g->count; i++) {
		struct gap *gap = &g->gap[i];

		while (at < s->count && s->list[at].start < gap->start)
			at++;
		/* One of the two is the header that the collector keeps of it. */
		for (; at < s->count && s->list[at].start < gap->end; at++)
			if (s->list[at].number == gap->number)
				gap->suspect = at;
	}
}

static bool may_sleep(const struct gaps *g, const struct gap *gap)
{
	return gap->suspect != GAP_NO_SUSPECT && gap->from < gap->to && !gap->early &&
	       !gap->wakeful && g->owner->may_go(gap);
}

void sleepers_choose(struct gaps *g)
{
	for (size_t i = 0; i < g->count; i++)
		g->gap[i].asleep = may_sleep(g, &g->gap[i]);
}

void sleepers_begin(struct gaps *g, struct evidence *e)
{
	for (size_t i = 0; i < g->count; i++) {
		struct gap *gap = &g->gap[i];

		/* A walk for the sake of others may have shown that it is none. */
		gap->asleep = gap->asleep && gap_is_read(gap);
		if (gap->asleep)
			evidence_sleep(e, gap->suspect);
	}
}

/* The gap of a suspect: the last that begins at or before it. */
static struct gap *gap_at(struct gaps *g, uintptr_t addr)
{
	size_t low = 0, high = g->count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (g->gap[middle].start <= addr)
			low = middle;
		else
			high = middle;
	}
	return &g->gap[low];
}

struct gap *sleepers_next(struct gaps *g, struct evidence *e)
{
	struct gap *gap;
	uint32_t index;

	if (!evidence_wake(e, &index))
		return NULL;
	gap = gap_at(g, e->suspects->list[index].start);
	fo_assert(gap->asleep && gap->suspect == index);
	gap->asleep = false;
	return gap;
}

void sleepers_wake_all(struct gaps *g, struct evidence *e)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->gap[i].asleep)
			evidence_rouse(e, g->gap[i].suspect);
}
