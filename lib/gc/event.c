/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/event.h"

#include <stdbool.h>

#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "gc/leak.h"
#include "gc/moment.h"
#include "gc/rhythm.h"

/* Guarded by the collector's lock. */
static GC_on_collection_event_proc host; /* the hook that was there before */
static bool inside;			 /* our hook runs; the host's may call it again */

/* Called by libgc with its lock held; at some events the world is stopped. */
static void GC_CALLBACK on_event(GC_EventType event)
{
	if (inside)
		return; /* the host's hook was set after ours and hands on to it */
	inside = true;
	if (event == GC_EVENT_MARK_END)
		leak_marking_ends();
	else if (event == GC_EVENT_RECLAIM_START)
		rhythm_reclaim_starts();
	else if (event == GC_EVENT_RECLAIM_END)
		rhythm_reclaim_ends();
	if (host)
		host(event);
	/* After the host's, which may move or make pointers. */
	if (event == GC_EVENT_MARK_END)
		moment_marking_ends();
	else if (event == GC_EVENT_RECLAIM_END)
		moment_reclaim_ends();
	inside = false;
}

void event_keep(void)
{
	GC_on_collection_event_proc now = GC_get_on_collection_event();

	if (now == on_event)
		return;
	host = now;
	GC_set_on_collection_event(on_event);
}
