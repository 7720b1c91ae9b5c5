/* SPDX-License-Identifier: BSD-2-Clause */
/* The trie from addresses to regions, alone. */
#include "support.h"

#include <pthread.h>

#include "region/lock.h"
#include "region/registry.h"

#define PAGE ((uintptr_t)REGISTRY_PAGE)
#define LIMIT ((uintptr_t)1 << 57)

static size_t set(uintptr_t start, uintptr_t end, uint32_t region, bool revoked)
{
	size_t changed;

	region_lock();
	assert_int_equal(registry_reserve(), 0);
	changed = registry_set(start, end, (struct registry_found){ region, revoked });
	region_unlock();
	return changed;
}

static void assert_found(uintptr_t addr, uint32_t region, bool revoked)
{
	const struct registry_found found = registry_find(addr);

	assert_int_equal(found.region, region);
	assert_int_equal(found.revoked, revoked);
}

static const uintptr_t base = (uintptr_t)0x7f12 << 32;

TEST(nothing_is_found_in_an_empty_registry)
{
	assert_found(0, 0, false);
	assert_found(base, 0, false);
	assert_found(LIMIT - 1, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(addresses_beyond_all_levels_are_nothing)
{
	assert_found(LIMIT, 0, false);
	assert_found(UINTPTR_MAX, 0, false);
	set(LIMIT - 2 * PAGE, LIMIT - PAGE, 7, false);
	assert_found(LIMIT - 2 * PAGE, 7, false);
	assert_found((LIMIT - 2 * PAGE) | (uintptr_t)1 << 63, 0, false);
}

TEST(every_byte_of_a_page_is_found_and_none_beside_it)
{
	set(base, base + PAGE, 3, false);
	for (uintptr_t i = 0; i < PAGE; i++)
		if (registry_find(base + i).region != 3)
			fail();
	assert_found(base - 1, 0, false);
	assert_found(base + PAGE, 0, false);
}

TEST(the_lowest_and_the_highest_page_are_found)
{
	set(0, PAGE, 1, false);
	set(LIMIT - 2 * PAGE, LIMIT - PAGE, 2, false);
	assert_found(0, 1, false);
	assert_found(PAGE, 0, false);
	assert_found(LIMIT - 2 * PAGE - 1, 0, false);
	assert_found(LIMIT - PAGE - 1, 2, false);
	assert_found(LIMIT - PAGE, 0, false);
}

TEST(neighbours_are_told_apart)
{
	for (uint32_t i = 1; i <= 1000; i++)
		set(base + i * PAGE, base + (i + 1) * PAGE, i, false);
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_found(base + i * PAGE, i, false);
		assert_found(base + (i + 1) * PAGE - 1, i, false);
	}
}

TEST(the_largest_number_is_kept_whole)
{
	const uint32_t most = (1u << 30) - 1;

	set(base, base + PAGE, most, false);
	assert_found(base, most, false);
	set(base, base + PAGE, most, true);
	assert_found(base, most, true);
}

TEST(a_large_range_costs_few_nodes)
{
	const uintptr_t start = base + 5 * PAGE;
	const uintptr_t end = start + ((uintptr_t)900 << 20);

	set(start, end, 9, false);
	assert_true(registry_nodes() <= 8);
	for (uintptr_t a = start; a < end; a += 37 * PAGE)
		assert_found(a, 9, false);
	assert_found(start - 1, 0, false);
	assert_found(end - 1, 9, false);
	assert_found(end, 0, false);
	set(start, end, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(nodes_go_when_nothing_is_left)
{
	for (uint32_t i = 1; i <= 500; i++)
		set(base + i * 777 * PAGE, base + (i * 777 + 3) * PAGE, i, false);
	assert_true(registry_nodes() > 0);
	for (uint32_t i = 1; i <= 500; i++)
		set(base + i * 777 * PAGE, base + (i * 777 + 3) * PAGE, 0, false);
	assert_int_equal(registry_nodes(), 0);
	for (uint32_t i = 1; i <= 500; i++)
		assert_found(base + i * 777 * PAGE, 0, false);
}

TEST(revoking_one_page_leaves_the_others)
{
	const uintptr_t end = base + ((uintptr_t)4 << 21);

	set(base, end, 5, false);
	assert_int_equal(set(base + 7 * PAGE, base + 8 * PAGE, 5, true), PAGE);
	assert_found(base + 7 * PAGE, 5, true);
	assert_found(base + 8 * PAGE - 1, 5, true);
	assert_found(base + 7 * PAGE - 1, 5, false);
	assert_found(base + 8 * PAGE, 5, false);
	assert_found(end - 1, 5, false);
}

TEST(revoked_bytes_are_counted_once)
{
	set(base, base + 1024 * PAGE, 5, false);
	assert_int_equal(set(base + 10 * PAGE, base + 20 * PAGE, 5, true), 10 * PAGE);
	assert_int_equal(set(base + 15 * PAGE, base + 25 * PAGE, 5, true), 5 * PAGE);
	assert_int_equal(set(base + 10 * PAGE, base + 25 * PAGE, 5, true), 0);
	assert_int_equal(set(base, base + 1024 * PAGE, 5, true), (1024 - 15) * PAGE);
}

TEST(what_is_entered_anew_replaces_what_was)
{
	set(base, base + 2048 * PAGE, 5, false);
	set(base + 100 * PAGE, base + 200 * PAGE, 5, true);
	set(base, base + 2048 * PAGE, 6, false);
	for (uintptr_t i = 0; i < 2048; i++)
		assert_found(base + i * PAGE, 6, false);
}

/* ------------------------------------------------------------------- parts of pages */

/* Each byte of the range is the region's, and those beside it are not. */
static void assert_exactly(uintptr_t start, uintptr_t end, uint32_t region)
{
	for (uintptr_t a = start; a < end; a++)
		assert_found(a, region, false);
	assert_int_not_equal(registry_find(start - 1).region, region);
	assert_int_not_equal(registry_find(end).region, region);
}

TEST(a_range_begins_and_ends_at_any_byte)
{
	for (uintptr_t from = 0; from < 17; from++)
		for (uintptr_t len = 1; len < 20; len++) {
			const uintptr_t start = base + PAGE - 8 + from;

			set(start, start + len, 4, false);
			assert_exactly(start, start + len, 4);
			set(start, start + len, 0, false);
			assert_int_equal(registry_nodes(), 0);
		}
}

static void check_neighbours(uintptr_t len)
{
	for (uint32_t i = 0; i < 1000; i++)
		set(base + i * len, base + (i + 1) * len, i + 1, false);
	for (uint32_t i = 0; i < 1000; i++)
		assert_exactly(base + i * len, base + (i + 1) * len, i + 1);
	for (uint32_t i = 0; i < 1000; i += 2)
		set(base + i * len, base + (i + 1) * len, 0, false);
	for (uint32_t i = 1; i < 1000; i += 2)
		assert_exactly(base + i * len, base + (i + 1) * len, i + 1);
	for (uint32_t i = 0; i < 1000; i += 2)
		assert_found(base + i * len, 0, false);
}

TEST(neighbours_that_share_granules_and_pages_are_told_apart)
{
	check_neighbours(1);
	check_neighbours(37);
}

TEST(a_page_holds_the_end_of_one_range_and_the_beginning_of_another)
{
	const uintptr_t large = (uintptr_t)3 << 21;

	set(base + 100, base + large + 1001, 1, false);
	set(base + large + 1001, base + 2 * large - 5, 2, false);
	assert_found(base + large + 1000, 1, false);
	assert_found(base + large + 1001, 2, false);
	set(base + 100, base + large + 1001, 0, false);
	assert_found(base + large + 1000, 0, false);
	assert_found(base + large + 1001, 2, false);
	set(base + large + 1001, base + 2 * large - 5, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(the_lowest_and_the_highest_byte_are_found)
{
	set(0, 1, 1, false);
	set(LIMIT - 1, LIMIT, 2, false);
	assert_found(0, 1, false);
	assert_found(1, 0, false);
	assert_found(LIMIT - 2, 0, false);
	assert_found(LIMIT - 1, 2, false);
	set(0, LIMIT, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(ranges_of_whole_granules_need_no_nodes_of_bytes)
{
	set(base, base + 8, 1, false);
	assert_int_equal(registry_nodes(), 5);
	for (uint32_t i = 0; i < 64; i++)
		set(base + i * 64, base + i * 64 + 56, i + 1, false);
	assert_int_equal(registry_nodes(), 5);
	set(base + 56, base + 63, 99, false);
	assert_int_equal(registry_nodes(), 6);
}

TEST(nodes_within_pages_go_when_nothing_is_left)
{
	for (uint32_t i = 1; i <= 2000; i++)
		set(base + i * 777, base + i * 777 + 1 + i % 700, i, false);
	assert_true(registry_nodes() > 2000);
	for (uint32_t i = 1; i <= 2000; i++)
		set(base + i * 777, base + i * 777 + 1 + i % 700, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

/* The registry asserts that it never needs more than what was reserved. */
TEST(what_is_reserved_suffices_for_both_edges_on_all_levels)
{
	const uintptr_t edge = (uintptr_t)1 << 48;

	set(edge - 1, edge + 1, 1, false);
	assert_int_equal(registry_nodes(), 12);
	set(edge - 1, edge + 1, 0, false);
	set(0, 4 * edge, 2, false);
	assert_int_equal(registry_nodes(), 0);
	set(edge + 1, 3 * edge - 1, 0, false);
	assert_int_equal(registry_nodes(), 12);
	assert_found(edge + 1, 0, false);
	assert_found(3 * edge - 2, 0, false);
	set(0, 4 * edge, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

/* ---------------------------------------------------------------- what stands there */

static bool overlaps(uintptr_t start, uintptr_t end)
{
	bool any;

	region_lock();
	any = registry_overlaps(start, end);
	region_unlock();
	return any;
}

static uint32_t next(uintptr_t *addr, uintptr_t end)
{
	uint32_t number;

	region_lock();
	number = registry_next(addr, end);
	region_unlock();
	return number;
}

TEST(what_touches_does_not_overlap)
{
	set(base + 13, base + 29, 1, false);
	assert_false(overlaps(base, base + 13));
	assert_false(overlaps(base + 29, base + PAGE));
	assert_false(overlaps(0, base + 13));
	assert_false(overlaps(base + 29, LIMIT));
	assert_false(overlaps(base + 20, base + 20));
}

TEST(one_byte_in_common_overlaps)
{
	set(base + 13, base + 29, 1, false);
	assert_true(overlaps(base, base + 14));
	assert_true(overlaps(base + 28, base + PAGE));
	assert_true(overlaps(base + 20, base + 21));
	assert_true(overlaps(0, LIMIT));
}

TEST(regions_are_come_upon_in_order)
{
	uintptr_t at = 0;

	for (uint32_t i = 1; i <= 300; i++)
		set(base + i * i * 41, base + i * i * 41 + 3 * i, i, false);
	for (uint32_t i = 1; i <= 300; i++) {
		assert_int_equal(next(&at, LIMIT), i);
		assert_int_equal(at, base + i * i * 41);
		at += 3 * i;
	}
	assert_int_equal(next(&at, LIMIT), 0);
}

/* ------------------------------------------------------------------ against a model */

#define MODEL_PAGES 4096u

struct model {
	struct registry_found page[MODEL_PAGES];
	uintptr_t base;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static size_t model_set(struct model *m, size_t from, size_t to,
			struct registry_found what)
{
	size_t changed = 0;

	for (size_t i = from; i < to; i++) {
		changed += what.revoked && what.region && !m->page[i].revoked;
		m->page[i] = what;
		m->page[i].revoked &= what.region != 0;
	}
	return changed * PAGE;
}

static void assert_same(const struct model *m)
{
	for (size_t i = 0; i < MODEL_PAGES; i++) {
		const struct registry_found found =
			registry_find(m->base + i * PAGE + i % PAGE);

		if (found.region != m->page[i].region ||
		    found.revoked != m->page[i].revoked)
			fail_msg("page %zu: %u instead of %u", i, found.region,
				 m->page[i].region);
	}
}

/*
 * A range of random size, now and then aligned to what one entry of an upper level
 * covers.
 */
static void choose_range(uint32_t *seed, size_t *from, size_t *to)
{
	const size_t step = next_random(seed) % 4 ? 1 : 512;

	*from = next_random(seed) % MODEL_PAGES / step * step;
	*to = *from + (1 + next_random(seed) % (step == 1 ? 40 : 3)) * step;
	if (*to > MODEL_PAGES)
		*to = MODEL_PAGES;
}

static void check_against_model(uint32_t seed, uintptr_t where)
{
	static struct model m;

	m = (struct model){ .base = where };
	for (int i = 0; i < 3000; i++) {
		struct registry_found what = { next_random(&seed) % 5,
					       next_random(&seed) % 2 };
		size_t from, to;

		what.revoked &= what.region != 0;
		choose_range(&seed, &from, &to);
		assert_int_equal(set(where + from * PAGE, where + to * PAGE, what.region,
				     what.revoked),
				 model_set(&m, from, to, what));
		if (i % 100 == 0)
			assert_same(&m);
	}
	assert_same(&m);
	set(where, where + MODEL_PAGES * PAGE, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(random_changes_agree_with_a_model)
{
	for (uint32_t seed = 1; seed <= 10; seed++)
		check_against_model(seed, base);
}

TEST(random_changes_across_the_edge_of_a_gibibyte_agree_with_a_model)
{
	for (uint32_t seed = 11; seed <= 15; seed++)
		check_against_model(seed,
				    ((uintptr_t)0x7f13 << 32) - MODEL_PAGES / 2 * PAGE);
}

TEST(random_changes_across_the_edge_of_the_highest_level_agree_with_a_model)
{
	for (uint32_t seed = 16; seed <= 20; seed++)
		check_against_model(seed, ((uintptr_t)1 << 48) - MODEL_PAGES / 2 * PAGE);
}

/* --------------------------------------------------- against a model, byte for byte */

#define MODEL_BYTES (4 * (size_t)REGISTRY_PAGE)
/* Some ranges reach out of the model so far. */
#define REACH ((uintptr_t)5 << 20)

struct byte_model {
	struct registry_found byte[MODEL_BYTES];
	uintptr_t base;
};

static void assert_same_bytes(const struct byte_model *m)
{
	for (size_t i = 0; i < MODEL_BYTES; i++) {
		const struct registry_found found = registry_find(m->base + i);

		if (found.region != m->byte[i].region ||
		    found.revoked != m->byte[i].revoked)
			fail_msg("byte %zu: %u instead of %u", i, found.region,
				 m->byte[i].region);
	}
}

static size_t model_next(const struct byte_model *m, size_t from, size_t to)
{
	while (from < to && !m->byte[from].region)
		from++;
	return from;
}

static void assert_same_next(const struct byte_model *m, size_t from, size_t to)
{
	const size_t first = model_next(m, from, to);
	uintptr_t at = m->base + from;
	const uint32_t number = next(&at, m->base + to);

	assert_int_equal(overlaps(m->base + from, m->base + to), first < to);
	assert_int_equal(number, first < to ? m->byte[first].region : 0);
	assert_int_equal(at, m->base + (first < to ? first : from));
}

/* Bytes, granules or pages. */
static void choose_bytes(uint32_t *seed, size_t *from, size_t *to)
{
	static const size_t steps[] = { 1, 1, 1, 8, 64, REGISTRY_PAGE };
	const size_t step = steps[next_random(seed) % COUNT_OF(steps)];

	*from = next_random(seed) % MODEL_BYTES / step * step;
	*to = *from + (1 + next_random(seed) % 100) * step;
	if (*to > MODEL_BYTES)
		*to = MODEL_BYTES;
}

static void change_bytes(struct byte_model *m, uint32_t *seed)
{
	struct registry_found what = { next_random(seed) % 4, false };
	uintptr_t start, end;
	size_t from, to, changed = 0;

	choose_bytes(seed, &from, &to);
	start = m->base + from;
	end = m->base + to;
	if ((from | to) % REGISTRY_PAGE == 0)
		what.revoked = what.region && next_random(seed) % 2;
	for (size_t i = from; i < to; i++) {
		changed += what.revoked && !m->byte[i].revoked;
		m->byte[i] = what;
	}
	if (from == 0 && m->base >= REACH && !what.revoked)
		start -= next_random(seed) % REACH;
	if (to == MODEL_BYTES && LIMIT - end >= REACH && !what.revoked)
		end += next_random(seed) % REACH;
	assert_int_equal(set(start, end, what.region, what.revoked), changed);
}

static void check_bytes_against_model(uint32_t seed, uintptr_t where)
{
	static struct byte_model m;

	m = (struct byte_model){ .base = where };
	for (int i = 0; i < 2000; i++) {
		size_t from, to;

		change_bytes(&m, &seed);
		choose_bytes(&seed, &from, &to);
		assert_same_next(&m, from, to);
		if (i % 50 == 0)
			assert_same_bytes(&m);
	}
	assert_same_bytes(&m);
	set(where < REACH ? 0 : where - REACH,
	    LIMIT - where < 2 * REACH ? LIMIT : where + 2 * REACH, 0, false);
	assert_int_equal(registry_nodes(), 0);
}

TEST(random_changes_of_bytes_agree_with_a_model)
{
	for (uint32_t seed = 1; seed <= 10; seed++)
		check_bytes_against_model(seed, base);
}

TEST(random_changes_of_bytes_across_the_edge_of_a_gibibyte_agree_with_a_model)
{
	for (uint32_t seed = 11; seed <= 15; seed++)
		check_bytes_against_model(seed, ((uintptr_t)0x7f13 << 32) - 2 * PAGE);
}

TEST(random_changes_of_bytes_at_both_ends_of_all_addresses_agree_with_a_model)
{
	for (uint32_t seed = 16; seed <= 20; seed++) {
		check_bytes_against_model(seed, 0);
		check_bytes_against_model(seed, LIMIT - MODEL_BYTES);
	}
}

/* --------------------------------------------------------------- concurrent readers */

static _Atomic bool stop;
static _Atomic uint64_t wrong, looked;

/* Changes the registry for a while, as two threads look, however late they get to run. */
static void change_while_read(void (*change)(uint32_t *), void *(*look)(void *))
{
	const uint64_t end = now_ms() + 800;
	pthread_t thread[2];
	uint32_t seed = 5;

	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(look, NULL);
	while (now_ms() < end || looked <= 1000)
		change(&seed);
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(wrong, 0);
}

/* Even pages never change, and are found whatever happens around them. */
static void *look_at_even_pages(void *arg UNUSED)
{
	uint32_t seed = 99;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const uint32_t i = next_random(&seed) % 2000 * 2;
		const struct registry_found found = registry_find(base + i * PAGE * 5);

		atomic_fetch_add(&wrong, found.region != i + 1 || found.revoked);
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

static void change_neighbours(uint32_t *seed)
{
	const uintptr_t at = base + (next_random(seed) % 2000 * 2 * 5 + 1) * PAGE;

	set(at, at + 4 * PAGE, 1 + next_random(seed) % 3, next_random(seed) % 2);
	set(at, at + 4 * PAGE, 0, false);
}

TEST(what_does_not_change_is_always_found_while_neighbours_come_and_go)
{
	for (uint32_t i = 0; i < 4000; i += 2)
		set(base + i * PAGE * 5, base + (i * 5 + 1) * PAGE, i + 1, false);
	change_while_read(change_neighbours, look_at_even_pages);
}

#define CELL ((uintptr_t)37)
#define CELL_KEPT ((uintptr_t)21)

/* The first bytes of each cell never change; they share granules with what does. */
static void *look_at_kept_bytes(void *arg UNUSED)
{
	uint32_t seed = 99;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const uint32_t i = next_random(&seed) % 1000;
		const uintptr_t at = next_random(&seed) % CELL_KEPT;
		const struct registry_found found = registry_find(base + i * CELL + at);

		atomic_fetch_add(&wrong, found.region != i + 1 || found.revoked);
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

static void change_bytes_between(uint32_t *seed)
{
	const uintptr_t to = base + (1 + next_random(seed) % 1000) * CELL;
	const uintptr_t at = to - 1 - next_random(seed) % (CELL - CELL_KEPT);

	set(at, to, 2000 + next_random(seed) % 3, false);
	set(at, to, 0, false);
}

TEST(bytes_that_do_not_change_are_always_found_while_neighbours_come_and_go)
{
	for (uint32_t i = 0; i < 1000; i++)
		set(base + i * CELL, base + i * CELL + CELL_KEPT, i + 1, false);
	change_while_read(change_bytes_between, look_at_kept_bytes);
}

/* Odd while the first byte of the page is a region's, whatever happens to the others. */
static _Atomic uint64_t stands;

static void *look_at_first_byte(void *arg UNUSED)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const uint64_t before = atomic_load(&stands);
		const uint32_t region = registry_find(base).region;

		if (before % 2 == 0 || atomic_load(&stands) != before)
			continue;
		atomic_fetch_add(&wrong, region != 7);
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

static void change_rest_of_region(uint32_t *seed)
{
	const uintptr_t at = base + 1 + next_random(seed) % 8;

	set(base, base + PAGE, 7, false);
	atomic_fetch_add(&stands, 1);
	set(at, at + 1, 0, false);
	atomic_fetch_add(&stands, 1);
	set(base, base + PAGE, 0, false);
}

TEST(a_region_is_always_found_while_a_part_of_it_goes)
{
	change_while_read(change_rest_of_region, look_at_first_byte);
}

/*
 * A reader may be overtaken in a node that is used anew elsewhere, on any level: it reads
 * a valid entry.
 */
static uintptr_t choose_address(uint32_t *seed)
{
	const uintptr_t at = base + (uintptr_t)(next_random(seed) % 64) * 512 * PAGE;

	return next_random(seed) % 2 ? at : at + next_random(seed) % (2 * PAGE);
}

static void *look_anywhere(void *arg UNUSED)
{
	uint32_t seed = 3;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		atomic_fetch_add(&wrong, registry_find(choose_address(&seed)).region > 3);
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

static void change_pages_anywhere(uint32_t *seed)
{
	const uintptr_t at = base + (uintptr_t)(next_random(seed) % 64) * 512 * PAGE;
	const uintptr_t to = at + (1 + next_random(seed) % 600) * PAGE;

	set(at, to, 1 + next_random(seed) % 3, false);
	set(at, to, 0, false);
}

TEST(readers_survive_nodes_that_come_and_go)
{
	change_while_read(change_pages_anywhere, look_anywhere);
	assert_int_equal(registry_nodes(), 0);
}

static void change_bytes_anywhere(uint32_t *seed)
{
	const uintptr_t most = next_random(seed) % 4 ? 100 : 1 << 22;
	const uintptr_t at = choose_address(seed);
	const uintptr_t to = at + 1 + next_random(seed) % most;

	set(at, to, 1 + next_random(seed) % 3, false);
	set(at, to, 0, false);
}

TEST(readers_survive_nodes_within_pages_that_come_and_go)
{
	change_while_read(change_bytes_anywhere, look_anywhere);
	assert_int_equal(registry_nodes(), 0);
}
