/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps that a process maps once: rings, which have one reader, and arenas, which have one
 * address. What is known of each is kept for as long as its region is there. Nobody tells
 * when that goes: entries of regions that are gone are freed when the next is made.
 */
#ifndef FOSTER_BPF_SINGLE_H
#define FOSTER_BPF_SINGLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/hidden.h"

struct single {
	struct single *next;
	uint64_t region;
	uint32_t map_id;
	hidden_addr base;
	bool absent; /* the parent's, and not in this child of fork(2) */
	void (*free)(struct single *single);
	void (*forked)(struct single *single); /* in the child of fork(2); NULL: nothing */
};

/*
 * The memory of a map, pinned, so that it stays until the caller has its address: then
 * single_have().  NULL: it is not mapped, or was closed.
 */
void *single_find(uint32_t map_id) _must_check_;
void single_have(void *p) _nonnull_all_;

/* Where foster still thinks that the absent memory of a map is; it is in the list no more. */
void *single_take_absent(uint32_t map_id) _must_check_;

/*
 * Takes an entry whose memory was just mapped at base. NULL; or, if the map was mapped by
 * another thread meanwhile, as single_find(): then the entry stays the caller's.
 */
void *single_add(struct single *single, uint32_t map_id, const void *base)
	_must_check_ _nonnull_all_;

/*
 * The entry of a region, and the number of the list: while it is the same, the entry is
 * there if the region is.  NULL: none.
 */
struct single *single_of(uint64_t region, uint64_t *now) _must_check_ _nonnull_all_;

/* Goes up with each change of the list. */
extern _Atomic uint64_t single_changes;

static inline uint64_t single_now(void)
{
	return atomic_load_explicit(&single_changes, memory_order_acquire);
}

#endif
