/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/gaps.h"

#include <stdlib.h>

#include "base/check.h"

static int compare(const void *a, const void *b)
{
	const struct gap *first = a, *second = b;

	return (first->start > second->start) - (first->start < second->start);
}

void gaps_find(struct gaps *g, const struct gaps_owner *owner, struct scratch *scratch)
{
	size_t room = owner->count();
	uint32_t at = 0;

	*g = (struct gaps){
		.owner = owner,
		.gap = scratch_take(scratch, room * sizeof(*g->gap)),
		.merged = scratch_take(scratch, room * sizeof(*g->merged)),
	};
	if (!g->gap || !g->merged)
		return;
	while (g->count < room && owner->next(&at, &g->gap[g->count]))
		g->count++;
	fo_assert(g->count <= room);
	qsort(g->gap, g->count, sizeof(*g->gap), compare);
	gaps_merge(g);
}

void gaps_merge(struct gaps *g)
{
	struct layout_gap *last = NULL;

	g->merged_count = 0;
	for (size_t i = 0; i < g->count; i++) {
		const struct gap *gap = &g->gap[i];

		if (!g->owner->holds_nothing(gap))
			continue;
		fo_assert(gap->start < gap->end && (!last || last->end <= gap->start));
		if (last && last->end == gap->start) {
			last->end = gap->end;
			continue;
		}
		last = &g->merged[g->merged_count++];
		*last = (struct layout_gap){ gap->start, gap->end };
	}
	fo_assert(g->merged_count <= g->count);
}
