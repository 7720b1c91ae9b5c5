/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/stable.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"

static uint32_t *link_of(const struct stable *s, uint32_t number)
{
	uint32_t *links = atomic_load_explicit(&s->chunk[number >> s->chunk_bits],
					       memory_order_relaxed);

	return &links[number & ((1u << s->chunk_bits) - 1)];
}

static int add_chunk(struct stable *s, uint32_t index)
{
	size_t count = (size_t)1 << s->chunk_bits;
	void *chunk;

	if (index >= STABLE_CHUNKS)
		return -ENOMEM;
	chunk = calloc(count, sizeof(uint32_t) + s->element_bytes);
	if (!chunk)
		return -ENOMEM;
	/*
	 * Pairs with the acquire in stable_at(): who has a number sees zeroed elements.
	 */
	atomic_store_explicit(&s->chunk[index], chunk, memory_order_release);
	return 0;
}

static int add_number(struct stable *s)
{
	uint32_t index = s->end >> s->chunk_bits;

	if (index >= STABLE_CHUNKS ||
	    (!atomic_load_explicit(&s->chunk[index], memory_order_relaxed) && add_chunk(s, index)))
		return -ENOMEM;
	stable_free(s, s->end++);
	return 0;
}

uint32_t stable_new(struct stable *s)
{
	uint32_t number;

	if (!s->free_head && add_number(s))
		return 0;
	number = s->free_head;
	s->free_head = *link_of(s, number);
	s->free_count--;
	fo_assert(number && number < s->end);
	return number;
}

void stable_free(struct stable *s, uint32_t number)
{
	fo_assert(number);
	*link_of(s, number) = s->free_head;
	s->free_head = number;
	s->free_count++;
}

int stable_reserve(struct stable *s, uint32_t count)
{
	while (s->free_count < count)
		if (add_number(s))
			return -ENOMEM;
	return 0;
}

uint32_t stable_find(const struct stable *s, uint32_t end, uintptr_t addr,
		     struct stable_gap *gap)
{
	const size_t links = sizeof(uint32_t) << s->chunk_bits;
	const size_t elements = s->element_bytes << s->chunk_bits;
	uintptr_t low = 0, high = UINTPTR_MAX;

	if (gap->end == end && addr >= reveal(gap->low) && addr < reveal(gap->high))
		return 0;
	for (uint32_t chunk = 0; chunk << s->chunk_bits < end; chunk++) {
		uintptr_t first = (uintptr_t)atomic_load_explicit(&s->chunk[chunk],
								  memory_order_acquire) + links;
		size_t index = (addr - first) / s->element_bytes;

		if (addr - first < elements)
			return chunk << s->chunk_bits | (uint32_t)index;
		if (addr < first && first < high)
			high = first;
		if (addr >= first && first + elements > low)
			low = first + elements;
	}
	*gap = (struct stable_gap){ hide(low), hide(high), end };
	fo_assert(low <= addr && addr < high);
	return 0;
}
