/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/leak.h"

#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_mark.h>

static gc_each_fn *each;

void leak_start(gc_each_fn *fn)
{
	each = fn;
}

static void mark(uintptr_t object)
{
	if (!GC_is_marked((void *)object))
		GC_set_mark_bit((void *)object);
}

void leak_marking_ends(void)
{
	if (each && GC_get_find_leak())
		each(mark);
}

bool gc_finds_leaks(void)
{
	return GC_get_find_leak();
}
