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

/* Looked back so far for a free block; memory behind longer ones counts as not libgc's. */
#define LOOK_BACK ((uintptr_t)64 << 20)

/*
 * Free memory of the heap has one header, on its first block, which says how long it is
 * (GC_size() reads it).  A block without header that no such range covers is not the heap's.
 */
static bool is_free_block(uintptr_t addr, uintptr_t floor)
{
	uintptr_t block = addr - addr % gc_block_size();
	uintptr_t lowest = block > LOOK_BACK ? block - LOOK_BACK : 0;

	if (lowest < floor)
		lowest = floor;
	while (block > lowest && block - lowest >= gc_block_size()) {
		block -= gc_block_size();
		if (!GC_is_heap_ptr((void *)block))
			continue;
		return !GC_base((void *)block) && addr - block < GC_size((void *)block);
	}
	return false;
}

enum gc_holder gc_holder(uintptr_t addr, uintptr_t floor, uintptr_t *object)
{
	void *base = GC_base((void *)addr);

	*object = (uintptr_t)base;
	if (base)
		return GC_is_marked(base) ? GC_HOLDER_MARKED : GC_HOLDER_UNMARKED;
	if (GC_is_heap_ptr((void *)addr) || is_free_block(addr, floor))
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
