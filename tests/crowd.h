/* SPDX-License-Identifier: BSD-2-Clause */
/* Crowds of regions of some bytes each, held by a row of words, and how many of them are in doubt. */
#ifndef FOSTER_TESTS_CROWD_H
#define FOSTER_TESTS_CROWD_H

#include "adopting.h"

#define COUNT 3000u /* for fewer than about a thousand nobody asks witnesses */
#define LEN 16u
#define STEP 48u
#define OFFSET 24u
#define MANY_TIMES 12
#define TURNS 64 /* rounds, of which a collection has two */

typedef void *volatile slot_t;
#define SLOTS_BYTES (COUNT * sizeof(slot_t))
#define SLOTS_PAGES (SLOTS_BYTES / page_size() + 1)

UNUSED static size_t area_pages(void)
{
	return COUNT * STEP / page_size() + 1;
}

UNUSED static NOINLINE struct hidden area_hidden(void)
{
	return hidden_of(area_new(area_pages()));
}

UNUSED static NOINLINE char *member(struct hidden area, unsigned int i)
{
	return (char *)hidden_show(area) + i * STEP + OFFSET;
}

UNUSED static NOINLINE void adopt_members(struct hidden area, unsigned int from, unsigned int to,
				   char *slots, size_t stride)
{
	for (unsigned int i = from; i < to; i++) {
		char *p = member(area, i);

		assert_ptr_equal(foster_adopt(p, LEN, on_release, NULL), p);
		memcpy(slots + i * stride, &p, sizeof(p));
	}
}

/* A crowd that is held by these slots only. */
UNUSED static NOINLINE struct hidden crowd_in(void *slots)
{
	struct hidden area = area_hidden();

	adopt_members(area, 0, COUNT, slots, sizeof(slot_t));
	forget();
	return area;
}

UNUSED static int released(void)
{
	forget();
	return atomic_load(&adopting_released.calls);
}

/* Collects; how many were in doubt. */
UNUSED static uint64_t doubted_in_a_collection(void)
{
	uint64_t before = stats_now().doubted;

	forget();
	assert_true(foster_collect(-1) >= 0);
	return stats_now().doubted - before;
}

/* All are held, and there are collections in which nearly none is in doubt. */
UNUSED static void assert_believed(uint64_t most)
{
	uint64_t kept = stats_now().kept, least = COUNT;

	for (int i = 0; i < 3; i++) {
		uint64_t doubted = doubted_in_a_collection();

		least = doubted < least ? doubted : least;
	}
	assert_true(least <= most);
	assert_true(stats_now().kept - kept >= 3 * COUNT);
	assert_int_equal(released(), 0);
}

UNUSED static NOINLINE slot_t *slots_new(void)
{
	slot_t *slots = malloc(SLOTS_BYTES);

	assert_non_null(slots);
	memset((void *)slots, 0, SLOTS_BYTES);
	return slots;
}

/* A compiler may leave out what it can tell that nobody reads. */
UNUSED static NOINLINE void wipe(void *slots, size_t bytes)
{
	memset(slots, 0, bytes);
	__asm__ volatile("" : : "r"(slots) : "memory");
}

UNUSED static void clear(void *slots)
{
	wipe(slots, SLOTS_BYTES);
}

/* One word in so many bytes. */
UNUSED static NOINLINE void wipe_every(struct hidden slots, size_t stride)
{
	for (unsigned int i = 0; i < COUNT; i++)
		wipe((char *)hidden_show(slots) + i * stride, sizeof(slot_t));
}

#endif
