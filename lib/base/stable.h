/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbered elements whose memory never moves and is never given back.
 *
 * A reader without a lock, or in a signal handler, may hold a number that has been freed
 * and given out again meanwhile: it then reads a valid element of the same type, and
 * whoever uses it must be able to tell (a generation, a range check).  That is the price
 * for reading without counting references.
 *
 *   number   1 .. ; 0 is no element
 *   chunk    [ links of free elements | elements, zeroed at first ]; each but the first has as many
 *            as all before it together, so that there are few
 */
#ifndef FOSTER_BASE_STABLE_H
#define FOSTER_BASE_STABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/check.h"

#define STABLE_CHUNKS 24
#define STABLE_BITS_MOST 30u /* of a number */

/* Zeroed memory for a chunk, that is never given back; NULL: there is none. */
typedef void *stable_take_fn(size_t bytes);

struct stable {
	/* fixed */
	size_t element_bytes;
	uint32_t chunk_bits; /* the first chunk has two to the power of it elements */
	stable_take_fn *take;
	/* changes; guarded by the owner's lock but for chunk[], which readers load */
	uint32_t end;	    /* numbers below it have been given out once */
	uint32_t free_head; /* of the list of free numbers; 0: none */
	uint32_t free_count;
	void *_Atomic chunk[STABLE_CHUNKS];
};

#define STABLE_INIT(bytes, bits, taking) \
	{ .element_bytes = (bytes), .chunk_bits = (bits), .take = (taking), .end = 1 }

/*
 * A free number; 0 without memory or beyond STABLE_BITS_MOST.  The element is as it was
 * left.
 */
uint32_t stable_new(struct stable *s) _must_check_ _nonnull_all_;

/* Gives a number back.  Readers may still look at the element. */
void stable_free(struct stable *s, uint32_t number) _nonnull_all_;

/* Makes sure that the next count calls of stable_new() succeed.  0 or -ENOMEM. */
int stable_reserve(struct stable *s, uint32_t count) _must_check_ _nonnull_all_;

/* Makes sure that all numbers below end have an element, for numbers that another gives out. */
int stable_cover(struct stable *s, uint32_t end) _must_check_ _nonnull_all_;

/* The number of the element that the byte at addr is in; 0: of none.  Of numbers below end. */
uint32_t stable_find(const struct stable *s, uint32_t end, uintptr_t addr) _nonnull_all_;

static inline uint32_t stable_chunk(const struct stable *s, uint32_t number)
{
	uint32_t top = number >> s->chunk_bits;

	return top ? 32u - (uint32_t)__builtin_clz(top) : 0;
}

/* The first number of a chunk, and how many it has. */
static inline uint32_t stable_first(const struct stable *s, uint32_t chunk)
{
	return chunk ? 1u << (s->chunk_bits + chunk - 1) : 0;
}

static inline size_t stable_count(const struct stable *s, uint32_t chunk)
{
	return (size_t)1 << (s->chunk_bits + (chunk ? chunk - 1 : 0));
}

/* The elements of a chunk. */
static inline char *stable_elements(const struct stable *s, uint32_t chunk)
{
	/* Acquire: pairs with add_chunk(); who has a number sees zeroed elements. */
	char *at = atomic_load_explicit(&s->chunk[chunk], memory_order_acquire);

	fo_assert(at);
	return at + sizeof(uint32_t) * stable_count(s, chunk);
}

/* The element of a number that has been given out once.  Any context. */
static inline void *stable_at(const struct stable *s, uint32_t number)
{
	uint32_t chunk = stable_chunk(s, number);

	fo_assert(number);
	return stable_elements(s, chunk) + (number - stable_first(s, chunk)) * s->element_bytes;
}

#endif
