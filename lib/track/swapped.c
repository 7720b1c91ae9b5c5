/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/swapped.h"

#include <errno.h>

#include "os/swap.h"

/* What is in a gap was seen to be there, or has been read; what is of other kinds is not to be. */
static bool is_to_be_read(const struct sweep *s, uintptr_t at)
{
	const struct layout_entry *entry = layout_at(&s->layout, at);

	return entry && (entry->kind == LAYOUT_SHARED || entry->kind == LAYOUT_UNKNOWN);
}

static int note(uintptr_t start, _unused_ uintptr_t end, void *arg)
{
	struct sweep *s = arg;

	if (is_to_be_read(s, start))
		s->swapped = s->reader.swapped = true;
	return 0;
}

int swapped_look(struct sweep *s)
{
	if (!s->reader.resident.missing || !swap_in_use())
		return 0;
	return swap_each_shared(&s->own, note, s) ? -EAGAIN : 0;
}

static int fetch(uintptr_t start, uintptr_t end, void *arg)
{
	if (is_to_be_read(arg, start))
		swap_fetch(start, end);
	return 0;
}

void swapped_fetch(struct sweep *s)
{
	if (s->swapped)
		(void)!swap_each_shared(&s->own, fetch, s);
}
