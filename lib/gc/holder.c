/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libgc's heap says of the memory that holds a word.
 *
 * Only its block headers are read: no lock, and no memory that can vanish while the world is
 * stopped or the lock is held.
 */
#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_mark.h>

#include "gc/gc.h"
#include "gc/sections.h"

/* Looked back so far for a free block; memory behind longer ones counts as not libgc's. */
#define LOOK_BACK ((uintptr_t)64 << 20)

/*
 * Free memory of the heap has one header, on its first block, which says how long it is
 * (GC_size() reads it).  A block without header that no such range covers is not the heap's.
 */
static bool covers(uintptr_t block, uintptr_t addr)
{
	return !GC_base((void *)block) && addr - block < GC_size((void *)block);
}

/* Where the memory behind a block ends of which its header speaks. */
static uintptr_t end_of(uintptr_t block)
{
	size_t bytes = GC_base((void *)block) ? 0 : GC_size((void *)block);

	return block + (bytes < gc_block_size() ? gc_block_size() : bytes);
}

static bool is_foreign(const struct gc_foreign *foreign, uintptr_t addr)
{
	return addr >= foreign->start && addr < foreign->end;
}

/* Else it is foreign, and so is all that was looked at on the way. */
static bool is_free_block(uintptr_t addr, uintptr_t floor, struct gc_foreign *foreign)
{
	uintptr_t block = addr - addr % gc_block_size();
	uintptr_t lowest = block > LOOK_BACK ? block - LOOK_BACK : 0;
	uintptr_t start = block, end = block + gc_block_size();

	if (lowest < floor)
		lowest = floor;
	while (block > lowest && block - lowest >= gc_block_size()) {
		block -= gc_block_size();
		if (is_foreign(foreign, block)) {
			start = foreign->start;
			break;
		}
		if (GC_is_heap_ptr((void *)block)) {
			if (covers(block, addr))
				return true;
			start = end_of(block);
			break;
		}
		start = block;
	}
	*foreign = (struct gc_foreign){ start, end };
	return false;
}

enum gc_holder gc_holder(uintptr_t addr, uintptr_t floor, struct gc_foreign *foreign,
			 uintptr_t *object)
{
	void *base;

	*object = 0;
	if (is_foreign(foreign, addr))
		return GC_HOLDER_FOREIGN;
	base = GC_base((void *)addr);
	*object = (uintptr_t)base;
	if (base)
		return GC_is_marked(base) ? GC_HOLDER_MARKED : GC_HOLDER_UNMARKED;
	if (GC_is_heap_ptr((void *)addr) || is_free_block(addr, floor, foreign))
		return GC_HOLDER_VACANT;
	return GC_HOLDER_FOREIGN;
}

bool gc_object_marked(uintptr_t object)
{
	return GC_base((void *)object) == (void *)object && GC_is_marked((void *)object);
}

bool gc_owns(uintptr_t addr)
{
	return GC_is_heap_ptr((void *)addr);
}

int gc_owns_any(uintptr_t start, uintptr_t end)
{
	return sections_meet(start, end);
}
