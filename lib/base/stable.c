/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/stable.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/check.h"

static uint32_t *link_of(const struct stable *s, uint32_t number)
{
	uint32_t index = stable_chunk(s, number);
	uint32_t *links = atomic_load_explicit(&s->chunk[index], memory_order_relaxed);

	return &links[number - stable_first(s, index)];
}

static int add_chunk(struct stable *s, uint32_t index)
{
	void *chunk = s->take(stable_count(s, index) * (sizeof(uint32_t) + s->element_bytes));

	if (!chunk)
		return -ENOMEM;
	/*
	 * Pairs with the acquire in stable_at(): who has a number sees zeroed elements.
	 */
	atomic_store_explicit(&s->chunk[index], chunk, memory_order_release);
	return 0;
}

static int add_chunk_of(struct stable *s, uint32_t number)
{
	uint32_t index = stable_chunk(s, number);

	if (number >> STABLE_BITS_MOST)
		return -ENOMEM;
	fo_assert(index < STABLE_CHUNKS);
	if (atomic_load_explicit(&s->chunk[index], memory_order_relaxed))
		return 0;
	return add_chunk(s, index);
}

static int add_number(struct stable *s)
{
	if (add_chunk_of(s, s->end))
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

int stable_cover(struct stable *s, uint32_t end)
{
	while (s->end < end) {
		if (add_chunk_of(s, s->end))
			return -ENOMEM;
		s->end++;
	}
	return 0;
}

uint32_t stable_find(const struct stable *s, uint32_t end, uintptr_t addr)
{
	for (uint32_t chunk = 0; stable_first(s, chunk) < end; chunk++) {
		const size_t count = stable_count(s, chunk);
		uintptr_t first = (uintptr_t)stable_elements(s, chunk);
		uint32_t number = stable_first(s, chunk) +
				  (uint32_t)((addr - first) / s->element_bytes);

		if (addr - first < count * s->element_bytes)
			return number < end ? number : 0;
	}
	return 0;
}
