/* SPDX-License-Identifier: BSD-2-Clause */
/* The trie from addresses to regions, alone. */
#include "support.h"

#include <pthread.h>

#include "region/lock.h"
#include "region/registry.h"

#define GRAIN ((uintptr_t)REGISTRY_GRAIN)
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
	set(LIMIT - 2 * GRAIN, LIMIT - GRAIN, 7, false);
	assert_found(LIMIT - 2 * GRAIN, 7, false);
	assert_found((LIMIT - 2 * GRAIN) | (uintptr_t)1 << 63, 0, false);
}

TEST(every_byte_of_a_page_is_found_and_none_beside_it)
{
	set(base, base + GRAIN, 3, false);
	for (uintptr_t i = 0; i < GRAIN; i++)
		if (registry_find(base + i).region != 3)
			fail();
	assert_found(base - 1, 0, false);
	assert_found(base + GRAIN, 0, false);
}

TEST(the_lowest_and_the_highest_page_are_found)
{
	set(0, GRAIN, 1, false);
	set(LIMIT - 2 * GRAIN, LIMIT - GRAIN, 2, false);
	assert_found(0, 1, false);
	assert_found(GRAIN, 0, false);
	assert_found(LIMIT - 2 * GRAIN - 1, 0, false);
	assert_found(LIMIT - GRAIN - 1, 2, false);
	assert_found(LIMIT - GRAIN, 0, false);
}

TEST(neighbours_are_told_apart)
{
	for (uint32_t i = 1; i <= 1000; i++)
		set(base + i * GRAIN, base + (i + 1) * GRAIN, i, false);
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_found(base + i * GRAIN, i, false);
		assert_found(base + (i + 1) * GRAIN - 1, i, false);
	}
}

TEST(the_largest_number_is_kept_whole)
{
	const uint32_t most = (1u << 30) - 1;

	set(base, base + GRAIN, most, false);
	assert_found(base, most, false);
	set(base, base + GRAIN, most, true);
	assert_found(base, most, true);
}

TEST(a_large_range_costs_few_nodes)
{
	const uintptr_t start = base + 5 * GRAIN;
	const uintptr_t end = start + ((uintptr_t)900 << 20);

	set(start, end, 9, false);
	assert_true(registry_nodes() <= 8);
	for (uintptr_t a = start; a < end; a += 37 * GRAIN)
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
		set(base + i * 777 * GRAIN, base + (i * 777 + 3) * GRAIN, i, false);
	assert_true(registry_nodes() > 0);
	for (uint32_t i = 1; i <= 500; i++)
		set(base + i * 777 * GRAIN, base + (i * 777 + 3) * GRAIN, 0, false);
	assert_int_equal(registry_nodes(), 0);
	for (uint32_t i = 1; i <= 500; i++)
		assert_found(base + i * 777 * GRAIN, 0, false);
}

TEST(revoking_one_page_leaves_the_others)
{
	const uintptr_t end = base + ((uintptr_t)4 << 21);

	set(base, end, 5, false);
	assert_int_equal(set(base + 7 * GRAIN, base + 8 * GRAIN, 5, true), GRAIN);
	assert_found(base + 7 * GRAIN, 5, true);
	assert_found(base + 8 * GRAIN - 1, 5, true);
	assert_found(base + 7 * GRAIN - 1, 5, false);
	assert_found(base + 8 * GRAIN, 5, false);
	assert_found(end - 1, 5, false);
}

TEST(revoked_bytes_are_counted_once)
{
	set(base, base + 1024 * GRAIN, 5, false);
	assert_int_equal(set(base + 10 * GRAIN, base + 20 * GRAIN, 5, true), 10 * GRAIN);
	assert_int_equal(set(base + 15 * GRAIN, base + 25 * GRAIN, 5, true), 5 * GRAIN);
	assert_int_equal(set(base + 10 * GRAIN, base + 25 * GRAIN, 5, true), 0);
	assert_int_equal(set(base, base + 1024 * GRAIN, 5, true), (1024 - 15) * GRAIN);
}

TEST(what_is_entered_anew_replaces_what_was)
{
	set(base, base + 2048 * GRAIN, 5, false);
	set(base + 100 * GRAIN, base + 200 * GRAIN, 5, true);
	set(base, base + 2048 * GRAIN, 6, false);
	for (uintptr_t i = 0; i < 2048; i++)
		assert_found(base + i * GRAIN, 6, false);
}

/* -------------------------------------------------------------- against a model */

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
	return changed * GRAIN;
}

static void assert_same(const struct model *m)
{
	for (size_t i = 0; i < MODEL_PAGES; i++) {
		const struct registry_found found =
			registry_find(m->base + i * GRAIN + i % GRAIN);

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
		assert_int_equal(set(where + from * GRAIN, where + to * GRAIN,
				     what.region, what.revoked),
				 model_set(&m, from, to, what));
		if (i % 100 == 0)
			assert_same(&m);
	}
	assert_same(&m);
	set(where, where + MODEL_PAGES * GRAIN, 0, false);
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
				    ((uintptr_t)0x7f13 << 32) - MODEL_PAGES / 2 * GRAIN);
}

TEST(random_changes_across_the_edge_of_the_highest_level_agree_with_a_model)
{
	for (uint32_t seed = 16; seed <= 20; seed++)
		check_against_model(seed, ((uintptr_t)1 << 48) - MODEL_PAGES / 2 * GRAIN);
}

/* ----------------------------------------------------------------- concurrent readers */

static _Atomic bool stop;
static _Atomic uint64_t wrong, looked;

/* Even pages never change, and are found whatever happens around them. */
static void *look_at_even_pages(void *arg UNUSED)
{
	uint32_t seed = 99;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const uint32_t i = next_random(&seed) % 2000 * 2;
		const struct registry_found found = registry_find(base + i * GRAIN * 5);

		atomic_fetch_add(&wrong, found.region != i + 1 || found.revoked);
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

TEST(what_does_not_change_is_always_found_while_neighbours_come_and_go)
{
	const uint64_t end = now_ms() + 800;
	pthread_t thread[2];
	uint32_t seed = 5;

	for (uint32_t i = 0; i < 4000; i += 2)
		set(base + i * GRAIN * 5, base + (i * 5 + 1) * GRAIN, i + 1, false);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(look_at_even_pages, NULL);
	while (now_ms() < end) {
		const uintptr_t at =
			base + (next_random(&seed) % 2000 * 2 * 5 + 1) * GRAIN;

		set(at, at + 4 * GRAIN, 1 + next_random(&seed) % 3,
		    next_random(&seed) % 2);
		set(at, at + 4 * GRAIN, 0, false);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_true(looked > 1000);
	assert_int_equal(wrong, 0);
}

/*
 * A reader may be overtaken in a node that is used anew elsewhere: it reads a valid
 * entry.
 */
static void *look_anywhere(void *arg UNUSED)
{
	uint32_t seed = 3;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const uintptr_t at =
			base + (uintptr_t)(next_random(&seed) % 64) * 512 * GRAIN;
		const struct registry_found found = registry_find(at);

		atomic_fetch_add(&wrong, found.region > 3);
		atomic_fetch_add(&looked, 1);
	}
	return NULL;
}

TEST(readers_survive_nodes_that_come_and_go)
{
	const uint64_t end = now_ms() + 800;
	pthread_t thread[2];
	uint32_t seed = 5;

	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(look_anywhere, NULL);
	while (now_ms() < end) {
		const uintptr_t at =
			base + (uintptr_t)(next_random(&seed) % 64) * 512 * GRAIN;
		const uintptr_t to = at + (1 + next_random(&seed) % 600) * GRAIN;

		set(at, to, 1 + next_random(&seed) % 3, false);
		set(at, to, 0, false);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(wrong, 0);
	assert_true(looked > 1000);
	assert_int_equal(registry_nodes(), 0);
}
