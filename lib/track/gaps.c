/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/gaps.h"

#include "base/check.h"
#include "os/pages.h"

#define ROW_FAR ((uintptr_t)64 << 10) /* bytes that a walk does not go over for the next gap */

/* ------------------------------------------------------------------ in order */

static size_t end_of_run(const struct gap *gap, size_t from, size_t count)
{
	size_t i = from + 1;

	while (i < count && gap[i - 1].start < gap[i].start)
		i++;
	return i < count ? i : count;
}

static void merge_runs(struct gap *to, const struct gap *first, const struct gap *second,
		       const struct gap *end)
{
	const struct gap *a = first, *b = second;

	while (a < second || b < end)
		*to++ = b == end || (a < second && a->start < b->start) ? *a++ : *b++;
}

/*
 * By merging what is in order, which is most of it.  (qsort() would take memory from malloc, and leave
 * addresses of regions there.)
 */
static void sort(struct gaps *g, struct gap *spare)
{
	while (end_of_run(g->gap, 0, g->count) < g->count) {
		struct gap *sorted = spare;

		for (size_t at = 0, end; at < g->count; at = end) {
			size_t middle = end_of_run(g->gap, at, g->count);

			end = middle < g->count ? end_of_run(g->gap, middle, g->count) : middle;
			merge_runs(sorted + at, g->gap + at, g->gap + middle, g->gap + end);
		}
		spare = g->gap;
		g->gap = sorted;
	}
}

void gaps_find(struct gaps *g, const struct gaps_owner *owner, struct scratch *scratch)
{
	size_t room = owner->count();
	struct gap *spare = scratch_take(scratch, room * sizeof(*spare));
	uint32_t at = 0;

	*g = (struct gaps){
		.owner = owner,
		.gap = scratch_take(scratch, room * sizeof(*g->gap)),
		.merged = scratch_take(scratch, room * sizeof(*g->merged)),
	};
	if (!g->gap || !g->merged || !spare)
		return;
	while (g->count < room && owner->next(&at, &g->gap[g->count])) {
		struct gap *gap = &g->gap[g->count++];

		fo_assert(gap->start <= gap->from && gap->from <= gap->to && gap->to <= gap->end);
		gap->held = gap->to - gap->from;
		gap->suspect = GAP_NO_SUSPECT;
		gap->listed = true;
		g->with_pages += gap->held != 0;
	}
	fo_assert(g->count <= room);
	sort(g, spare);
	gaps_merge(g);
}

void gaps_merge(struct gaps *g)
{
	struct layout_gap *last = NULL;

	g->merged_count = 0;
	for (size_t i = 0; i < g->count; i++) {
		struct gap *gap = &g->gap[i];

		if (gap->held != gap->to - gap->from || !g->owner->is_still(gap)) {
			gap->held = GAP_STRANGE;
			continue;
		}
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

/* ------------------------------------------------------------------ in the pause */

static void count_held(struct gap *gap, const struct pages_run *run)
{
	uintptr_t start = run->start > gap->start ? run->start : gap->start;
	uintptr_t end = run->end < gap->end ? run->end : gap->end;

	fo_assert(start < end);
	if (run->swapped || run->anonymous != gap->anonymous || start < gap->from ||
	    end > gap->to)
		gap->held = GAP_STRANGE;
	else if (gap->held != GAP_STRANGE)
		gap->held += end - start;
}

/* Gaps near each other, the first of which some run may still meet. */
struct row {
	struct gap *at;
	struct gap *end;
};

static int on_held(const struct pages_run *run, void *arg)
{
	struct row *row = arg;

	while (row->at < row->end && row->at->end <= run->start)
		row->at++;
	for (struct gap *gap = row->at; gap < row->end && gap->start < run->end; gap++)
		count_held(gap, run);
	return 0;
}

static bool has_pages(const struct gap *gap)
{
	return gap->from < gap->to && !gap->early;
}

static bool is_looked_at(const struct gaps *g, const struct gap *gap)
{
	return has_pages(gap) && !gap->asleep && !gap->looked &&
	       !(gap->seen && g->with_pages >= GAPS_MANY);
}

/* The last of those to be looked at that one walk goes over, from the i-th on. */
static size_t end_of_row(const struct gaps *g, size_t i)
{
	size_t last = i;

	for (size_t n = i + 1;
	     n < g->count && g->gap[n].start - g->gap[last].end <= ROW_FAR; n++)
		if (is_looked_at(g, &g->gap[n]))
			last = n;
	return last;
}

/* One walk, which costs the kernel as much for each mapping, and a call as much as two mappings. */
static void look_along(const struct gaps *g, struct gap *first, struct gap *last)
{
	struct row row = { first, last + 1 };

	for (struct gap *gap = first; gap <= last; gap++) {
		gap->held = 0;
		gap->looked = true;
	}
	if (pages_held(first->start, last->end, on_held, &row, PAGES_FILES))
		for (struct gap *gap = first; gap <= last; gap++)
			gap->held = GAP_STRANGE;
	for (struct gap *gap = first; gap <= last; gap++)
		if (has_pages(gap))
			g->owner->saw(gap, gap_is_read(gap));
}

void gaps_look_at(const struct gaps *g, struct gap *gap)
{
	if (is_looked_at(g, gap))
		look_along(g, gap, gap);
}

void gaps_look(struct gaps *g)
{
	for (size_t i = 0; i < g->count; i++) {
		size_t last;

		if (!is_looked_at(g, &g->gap[i]))
			continue;
		last = end_of_row(g, i);
		look_along(g, &g->gap[i], &g->gap[last]);
		i = last;
	}
	for (size_t i = 0; i < g->count; i++)
		if (g->gap[i].early)
			g->gap[i].held = GAP_STRANGE;
}
