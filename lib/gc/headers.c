/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages where libgc keeps the headers of its blocks.
 *
 * A header names its block, and goes on naming it after the block is gone, until libgc uses the
 * header for another.  Such a stale header would keep whatever region is laid over that address
 * later.  libgc does not tell where its headers are; but the address of an object of ours, which
 * nobody else is told, stands in one of them, with the object's kind and size behind it.  The page
 * where that is found is libgc's as a whole, and for ever: it never gives such pages back.
 *
 * Where a header is laid out otherwise than probed here, nothing is learned, and such words count.
 */
#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <stdatomic.h>
#include <stdint.h>
#include <gc/gc.h>
#include <gc/gc_mark.h>

#include "base/check.h"
#include "gc/gc.h"
#include "gc/sections.h"

#define PAGE ((uintptr_t)4096) /* of libgc's at least */

/* From the address of its block on, in a header in use.  As libgc 7.2 and newer have it. */
struct header {
	uintptr_t block;
	unsigned char kind;
	unsigned char flags;
	size_t bytes;
	uintptr_t descriptor; /* 0: no pointers in it */
};

/* A hash table of pages, half full at most; a page that finds no room is not learned. */
#define SLOTS 32768u
static _Atomic uintptr_t pages[SLOTS];
static uint32_t known;

static uint32_t slot_of(uintptr_t page)
{
	return (uint32_t)(page / PAGE * 0x9e3779b97f4a7c15u >> 40) % SLOTS;
}

bool gc_header_is_of(uintptr_t at, uintptr_t object)
{
	const struct header *header = (const struct header *)at;
	size_t bytes;
	int kind;

	if (at % sizeof(uintptr_t) || at % PAGE > PAGE - sizeof(*header) ||
	    header->block != object || GC_base((void *)object) != (void *)object)
		return false;
	kind = GC_get_kind_and_size((void *)object, &bytes);
	return header->kind == kind && header->bytes == bytes && header->descriptor == 0;
}

void gc_headers_note(uintptr_t at)
{
	uintptr_t page = at - at % PAGE;
	uint32_t slot = slot_of(page);
	uintptr_t there;

	if (known == SLOTS / 2)
		return;
	while ((there = atomic_load_explicit(&pages[slot], memory_order_relaxed))) {
		if (there == page)
			return;
		slot = (slot + 1) % SLOTS;
	}
	atomic_store_explicit(&pages[slot], page, memory_order_relaxed);
	known++;
}

static bool is_header(uintptr_t at)
{
	uintptr_t page = at - at % PAGE;
	uintptr_t there;

	for (uint32_t slot = slot_of(page);; slot = (slot + 1) % SLOTS) {
		there = atomic_load_explicit(&pages[slot], memory_order_relaxed);
		if (there == page || !there)
			return there == page;
	}
}

bool gc_has_headers(uintptr_t page)
{
	return is_header(page);
}

bool gc_is_header(uintptr_t at)
{
	return is_header(at) || sections_have(at);
}
