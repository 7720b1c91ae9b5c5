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

/* Of what was not needed, one in so many goes at a time: a program may come back to it. */
#define SHARE 4u

static struct list {
	uint32_t first; /* the warmest */
	uint32_t count;
	uint32_t fewest; /* since the surplus was last taken */
} lists[SIZES + 1];
static size_t limit; /* bytes */
static size_t mappings;
static size_t mappings_limit;

static struct list *list_of(size_t span)
{
	size_t pages = span / vm_page_size();

	fo_assert(pages);
	return &lists[pages > SIZES ? SIZES : pages - 1];
}

static uint32_t next_of(uint32_t number)
{
	return atomic_load_explicit(&region_at(number)->next, memory_order_relaxed);
}

static void set_next(uint32_t number, uint32_t next)
{
	atomic_store_explicit(&region_at(number)->next, next, memory_order_relaxed);
}

/* An overlay parts a mapping of the collector's heap. */
static size_t mappings_of(const struct region *r)
{
	return region_is_in_slot(r) ? 1 : 2;
}

void pool_set_limit(size_t bytes, size_t most)
{
	fo_assert(region_locked());
	limit = bytes;
	mappings_limit = most;
}

void pool_put_anyway(uint32_t number)
{
	struct region *r = region_at(number);
	struct list *list = list_of(region_span(r));

	fo_assert(region_locked());
	fo_assert(life_state(atomic_load(&r->life)) == LIFE_RELEASING);
	set_next(number, list->first);
	list->first = number;
	list->count++;
	mappings += mappings_of(r);
	stats_add(pool_ranges, 1);
	stats_add(pool_bytes, region_span(r));
}

bool pool_put(uint32_t number)
{
	const struct region *r = region_at(number);
	size_t span = region_span(r);

	fo_assert(region_locked());
	if (span > limit || stats_get(pool_bytes) > limit - span ||
	    mappings + mappings_of(r) > mappings_limit)
		return false;
	pool_put_anyway(number);
	return true;
}

static uint32_t count_out(struct list *list, uint32_t number)
{
	const struct region *r = region_at(number);

	fo_assert(list->count && mappings >= mappings_of(r));
	list->count--;
	if (list->fewest > list->count)
		list->fewest = list->count;
	mappings -= mappings_of(r);
	stats_sub(pool_ranges, 1);
	stats_sub(pool_bytes, region_span(r));
	return number;
}

static uint32_t take_first(struct list *list)
{
	uint32_t number = list->first;

	list->first = next_of(number);
	return count_out(list, number);
}

static uint32_t take_after(struct list *list, uint32_t before)
{
	uint32_t number = next_of(before);

	set_next(before, next_of(number));
	return count_out(list, number);
}

/* The first of that size, where the list has it among its first. */
static uint32_t take_sized(struct list *list, size_t span, enum region_place place)
{
	uint32_t before = 0;
	uint32_t number = list->first;

	for (int i = 0; number && i < SEARCH_AT_MOST; i++) {
		const struct region *r = region_at(number);

		if (region_span(r) == span &&
		    atomic_load_explicit(&r->in_place, memory_order_relaxed) == place)
			return before ? take_after(list, before) : take_first(list);
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
		if (lists[i].first)
			return take_first(&lists[i]);
	return 0;
}

/* The last so many, in front of the chain. */
static uint32_t take_coldest(struct list *list, uint32_t many, uint32_t chain)
{
	uint32_t keep = list->count - many, last = 0, number = list->first;

	fo_assert(many && many <= list->count);
	while (keep--) {
		last = number;
		number = next_of(number);
	}
	while (number) {
		uint32_t next = next_of(number);

		set_next(count_out(list, number), chain);
		chain = number;
		number = next;
	}
	if (last)
		set_next(last, 0);
	else
		list->first = 0;
	return chain;
}

uint32_t pool_take_surplus(void)
{
	uint32_t chain = 0;

	fo_assert(region_locked());
	for (int i = 0; i <= SIZES; i++) {
		struct list *list = &lists[i];

		if (list->fewest)
			chain = take_coldest(list, (list->fewest + SHARE - 1) / SHARE, chain);
		list->fewest = list->count;
	}
	return chain;
}
