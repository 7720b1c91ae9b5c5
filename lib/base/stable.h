/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbered elements whose memory never moves and is never given back.
 *
 * A reader without a lock, or in a signal handler, may hold a number that has been freed
 * and given out again meanwhile: it then reads a valid element of the same type, and
 * whoever uses it must be able to tell (a generation, a range check).  That is the price
 * for reading without counting references.
 *
 *   number   1 .. : the chunk in the upper bits, the element in the lower; 0 is no element
 *   chunk    [ links of free elements | elements, zeroed at first ]
 */
#ifndef FOSTER_BASE_STABLE_H
#define FOSTER_BASE_STABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/check.h"
#include "base/hidden.h"

#define STABLE_CHUNKS 4096

struct stable {
	/* fixed */
	size_t element_bytes;
	uint32_t chunk_bits; /* a chunk has two to the power of it elements */
	/* changes; guarded by the owner's lock but for chunk[], which readers load */
	uint32_t end;	    /* numbers below it have been given out once */
	uint32_t free_head; /* of the list of free numbers; 0: none */
	uint32_t free_count;
	void *_Atomic chunk[STABLE_CHUNKS];
};

#define STABLE_INIT(type, bits) { .element_bytes = sizeof(type), .chunk_bits = (bits), .end = 1 }

/*
 * A free number; 0 without memory or beyond STABLE_CHUNKS.  The element is as it was
 * left.
 */
uint32_t stable_new(struct stable *s) _must_check_ _nonnull_all_;

/* Gives a number back.  Readers may still look at the element. */
void stable_free(struct stable *s, uint32_t number) _nonnull_all_;

/* Makes sure that the next count calls of stable_new() succeed.  0 or -ENOMEM. */
int stable_reserve(struct stable *s, uint32_t count) _must_check_ _nonnull_all_;

/*
 * Addresses between two neighbouring chunks, where no element of a number below end is.  All zero:
 * not known.
 */
struct stable_gap {
	hidden_addr low;
	hidden_addr high;
	uint32_t end;
};

/*
 * The number of the element that the byte at addr is in; 0: of none.  Of numbers below end.  The gap:
 * what the caller learned last, and learns now; addresses near each other are found at once.  Any
 * context, but one at a time for each gap.
 */
uint32_t stable_find(const struct stable *s, uint32_t end, uintptr_t addr,
		     struct stable_gap *gap) _nonnull_all_;

/* The element of a number that has been given out once.  Any context. */
static inline void *stable_at(const struct stable *s, uint32_t number)
{
	/* Acquire: pairs with add_chunk(); who has a number sees zeroed elements. */
	char *chunk = atomic_load_explicit(&s->chunk[number >> s->chunk_bits],
					   memory_order_acquire);
	size_t index = number & ((1u << s->chunk_bits) - 1);

	fo_assert(number && chunk);
	return chunk + (sizeof(uint32_t) << s->chunk_bits) + index * s->element_bytes;
}

#endif
