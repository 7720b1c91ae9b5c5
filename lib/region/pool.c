/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/pool.h"

#include <stdatomic.h>

#include "base/check.h"
#include "os/vm.h"
#include "region/lock.h"
#include "region/region.h"
#include "region/stats.h"

/* A list for each size up to this many pages; the last list has all that is larger. */
#define SIZES 64
/* So far a list of mixed sizes is searched. */
#define SEARCH_AT_MOST 64

/* Each costs two mappings, of which the system allows some 65,000. */
#define RANGES_AT_MOST 4096

static uint32_t lists[SIZES + 1];
static size_t limit;

static uint32_t *list_of(size_t span)
{
	size_t pages = span / vm_page_size();

	fo_assert(pages);
	return &lists[pages > SIZES ? SIZES : pages - 1];
}

static uint32_t next_of(uint32_t number)
{
	return atomic_load_explicit(&region_at(number)->next, memory_order_relaxed);
}

void pool_set_limit(size_t bytes)
{
	fo_assert(region_locked());
	limit = bytes;
}

void pool_put_anyway(uint32_t number)
{
	struct region *r = region_at(number);
	uint32_t *list = list_of(region_span(r));

	fo_assert(region_locked());
	fo_assert(life_state(atomic_load(&r->life)) == LIFE_RELEASING);
	atomic_store_explicit(&r->next, *list, memory_order_relaxed);
	*list = number;
	stats_add(pool_ranges, 1);
	stats_add(pool_bytes, region_span(r));
}

bool pool_put(uint32_t number)
{
	size_t span = region_span(region_at(number));

	fo_assert(region_locked());
	if (span > limit || stats_get(pool_bytes) > limit - span ||
	    stats_get(pool_ranges) >= RANGES_AT_MOST)
		return false;
	pool_put_anyway(number);
	return true;
}

static uint32_t count_out(uint32_t number)
{
	stats_sub(pool_ranges, 1);
	stats_sub(pool_bytes, region_span(region_at(number)));
	return number;
}

static uint32_t take_first(uint32_t *head)
{
	uint32_t number = *head;

	*head = next_of(number);
	return count_out(number);
}

static uint32_t take_after(uint32_t before)
{
	uint32_t number = next_of(before);

	atomic_store_explicit(&region_at(before)->next, next_of(number), memory_order_relaxed);
	return count_out(number);
}

/* The first of that size, where the list has it among its first. */
static uint32_t take_sized(uint32_t *head, size_t span, enum region_place place)
{
	uint32_t before = 0;
	uint32_t number = *head;

	for (int i = 0; number && i < SEARCH_AT_MOST; i++) {
		const struct region *r = region_at(number);

		if (region_span(r) == span &&
		    atomic_load_explicit(&r->in_place, memory_order_relaxed) == place)
			return before ? take_after(before) : take_first(head);
		before = number;
		number = next_of(number);
	}
	return 0;
}

uint32_t pool_take(size_t span, enum region_place place)
{
	fo_assert(region_locked());
	return take_sized(list_of(span), span, place);
}

uint32_t pool_take_any(void)
{
	fo_assert(region_locked());
	for (int i = SIZES; i >= 0; i--)
		if (lists[i])
			return take_first(&lists[i]);
	return 0;
}
