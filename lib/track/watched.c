/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/watched.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/sync.h"
#include "os/pages.h"

#define SMALL_MAPPING ((uint64_t)64 << 10)
#define LEFT_EACH ((uint64_t)8 << 10) /* bytes in a small one that is left to the pause */
#define LEFT_MOST ((uint64_t)8 << 20) /* ... and in all of them */
#define ROW_MOST 1024u		      /* small mappings that are asked about at once */

static bool can_be_watched(const struct layout_entry *entry)
{
	return entry->kind == LAYOUT_PRIVATE && !entry->uffd && !entry->huge;
}

/* What cannot be watched is read in the pause, even if some of it is read now. */
static void watch(struct watched *w, const struct layout_entry *entry)
{
	if (!can_be_watched(entry))
		return;
	w->reader->entry = entry;
	if (!tracking_watch(w->tracking, entry->start, entry->end, reader_read_held, w->reader))
		w->entry[w->count++] = entry;
	FOSTER_SYNC("sweep-reading");
}

bool watched_is_small(const struct layout_entry *entry)
{
	return entry->end - entry->start <= SMALL_MAPPING;
}

/* Small mappings without a gap between, and what they hold. */
struct row {
	const struct layout_entry *first;
	const struct layout_entry *end;
	const struct layout_entry *at; /* that a run begins in */
	uint32_t *held;		       /* bytes, of each entry */
};

static int count_held(const struct pages_run *run, void *arg)
{
	struct row *row = arg;
	uintptr_t start = run->start;

	fo_assert(start < run->end && start >= row->first->start);
	while (start < run->end && row->at < row->end) {
		uintptr_t end = row->at->end < run->end ? row->at->end : run->end;

		if (start < end)
			row->held[row->at - row->first] += (uint32_t)(end - start);
		start = start < end ? end : start;
		row->at += start >= row->at->end;
	}
	return 0;
}

/*
 * To watch a mapping, to read it, to ask what was written and to let go of it takes eight
 * system calls, as long as to read two pages.  There may be thousands that hold a page or
 * none (those of regions, and of ranges in the pool): one call tells.
 */
static void watch_row(struct watched *w, struct row *row)
{
	bool told = !pages_held(row->first->start, row->end[-1].end, count_held, row, 0);

	fo_assert(row->first < row->end && row->at <= row->end);
	for (const struct layout_entry *entry = row->first; entry < row->end; entry++) {
		uint32_t held = row->held[entry - row->first];

		if (told && held <= LEFT_EACH && w->left + held <= LEFT_MOST)
			w->left += held;
		else
			watch(w, entry);
	}
}

/* From entry i on; the entry behind. */
static size_t watch_small(struct watched *w, const struct layout *layout, size_t i)
{
	const struct layout_entry *entry = layout->entry;
	struct row row = { .first = &entry[i], .at = &entry[i], .held = w->held };
	size_t end = i + 1;

	while (end < layout->count && end - i < ROW_MOST && watched_is_small(&entry[end]) &&
	       entry[end].start == entry[end - 1].end)
		end++;
	row.end = &entry[end];
	fo_assert(end <= layout->count && end - i <= ROW_MOST);
	memset(w->held, 0, ROW_MOST * sizeof(*w->held));
	watch_row(w, &row);
	return end;
}

/* Private memory; that of files is little, and of it only written pages count. */
int watched_begin(struct watched *w, const struct layout *layout, struct tracking *tracking,
		  struct reader *reader, struct scratch *scratch)
{
	*w = (struct watched){
		.entry = scratch_take(scratch, layout->count * sizeof(*w->entry)),
		.held = scratch_take(scratch, ROW_MOST * sizeof(*w->held)),
		.tracking = tracking,
		.reader = reader,
	};
	if (!w->entry || !w->held)
		return -ENOMEM;
	for (size_t i = 0; i < layout->count;) {
		if (watched_is_small(&layout->entry[i]))
			i = watch_small(w, layout, i);
		else
			watch(w, &layout->entry[i++]);
	}
	fo_assert(w->count <= layout->count && w->left <= LEFT_MOST);
	return 0;
}
