/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/filter.h"

#include <errno.h>

#include "base/check.h"
#include "track/suspects.h"

/* malloc aligns to 16 bytes: with slots of that size its blocks are told apart. */
#define GRAIN_MIN 4u
/* So that no shift is by 64 bits or more. */
#define GRAIN_MAX 56u
/* log2 of the slots that a level's shortest ranges have. */
#define SLOTS_EACH 2u

/* 16 KiB stay in the first cache. */
#define WORDS_MIN 2048u
#define WORDS_EACH 2u

#define LENGTHS 65u /* of log2 of a length */

_Static_assert((1u << FILTER_CHUNK) == 64, "the slots of a chunk are the bits of a word");

/* What lengths there are: how many, and how long together, by log2 rounded up. */
struct survey {
	uint64_t ranges[LENGTHS];
	uint64_t bytes[LENGTHS];
};

static unsigned int log2_up(uint64_t n)
{
	return n <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(n - 1);
}

static uint64_t words_for(uint32_t count)
{
	uint64_t words = WORDS_MIN;

	while (words < (uint64_t)count * WORDS_EACH)
		words *= 2;
	fo_assert((words & (words - 1)) == 0);
	return words;
}

size_t filter_room(uint32_t count)
{
	return words_for(count) * (sizeof(uint64_t) + sizeof(uint32_t));
}

/* Slots that the ranges of a length fill at most: each cuts into one at both ends. */
static uint64_t slots_of(const struct survey *survey, unsigned int length,
			 unsigned int grain)
{
	return 2 * survey->ranges[length] + (survey->bytes[length] >> grain);
}

static uint64_t slots_from(const struct survey *survey, unsigned int length,
			   unsigned int grain)
{
	uint64_t slots = 0;

	for (; length < LENGTHS; length++)
		slots += slots_of(survey, length, grain);
	return slots;
}

static unsigned int grain_for(unsigned int length)
{
	if (length < GRAIN_MIN + SLOTS_EACH)
		return GRAIN_MIN;
	return length - SLOTS_EACH < GRAIN_MAX ? length - SLOTS_EACH : GRAIN_MAX;
}

/*
 * One more level, for ranges of this length and up: for as many lengths as leave most of
 * the table empty, so that gigabytes are not filled in by small slots; the last level is
 * for all the rest.  Returns the first length that it is not for.
 */
static unsigned int add_level(struct filter *f, const struct survey *survey,
			      unsigned int length, uint64_t budget)
{
	const bool last = f->levels == FILTER_LEVELS - 1;
	unsigned int grain = grain_for(length), next = length + 1;
	uint64_t slots = slots_of(survey, length, grain);

	fo_assert(f->levels < FILTER_LEVELS);
	if (last) {
		while (grain < GRAIN_MAX && slots_from(survey, length, grain) > budget)
			grain++;
		next = LENGTHS;
	}
	for (; next < LENGTHS; next++) {
		slots += slots_of(survey, next, grain);
		if (slots > budget)
			break;
	}
	f->level[f->levels++] = (struct filter_level){ grain, next - 1 };
	fo_assert(next > length && grain >= GRAIN_MIN && grain <= GRAIN_MAX);
	return next;
}

static void choose_levels(struct filter *f, const struct suspect *list, uint32_t count,
			  uint64_t budget)
{
	struct survey survey = { 0 };
	unsigned int length = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t bytes = list[i].end - list[i].start;

		fo_assert(list[i].start < list[i].end);
		survey.ranges[log2_up(bytes)]++;
		survey.bytes[log2_up(bytes)] += bytes;
	}
	while (length < LENGTHS)
		if (survey.ranges[length])
			length = add_level(f, &survey, length, budget);
		else
			length++;
	fo_assert(!count || f->levels);
}

static unsigned int level_of(const struct filter *f, uint64_t bytes)
{
	unsigned int level = 0;

	while (f->level[level].length < log2_up(bytes)) {
		level++;
		fo_assert(level < f->levels);
	}
	return level;
}

static bool touches(const struct suspect *range, uintptr_t chunk, unsigned int chunk_log2)
{
	return range->start >> chunk_log2 <= chunk && chunk <= range->end >> chunk_log2;
}

/* Into the word of a chunk: which slots the range has there, and who was first. */
static void add_chunk(struct filter *f, const struct suspect *list, uint32_t index,
		      uintptr_t chunk, unsigned int grain)
{
	const uintptr_t first = list[index].start >> grain;
	const uintptr_t last = list[index].end >> grain;
	const uint64_t word = filter_word(f, chunk);
	uint64_t slots = ~(uint64_t)0;

	fo_assert(word >> (64 - f->shift) == 0);
	if (chunk == first >> FILTER_CHUNK)
		slots &= ~(uint64_t)0 << (first % 64);
	if (chunk == last >> FILTER_CHUNK)
		slots &= ~(uint64_t)0 >> (63 - last % 64);
	fo_assert(slots);
	if (f->table[word] == 0)
		f->first[word] = index;
	else if (f->first[word] != FILTER_ANYWHERE &&
		 !touches(&list[f->first[word]], chunk, grain + FILTER_CHUNK))
		f->first[word] = FILTER_ANYWHERE;
	f->table[word] |= slots;
}

static void add(struct filter *f, const struct suspect *list, uint32_t index)
{
	const struct suspect *range = list + index;
	const unsigned int grain = f->level[level_of(f, range->end - range->start)].grain;
	const uintptr_t last = range->end >> grain >> FILTER_CHUNK;
	uintptr_t chunk = range->start >> grain >> FILTER_CHUNK;

	for (; chunk <= last; chunk++)
		add_chunk(f, list, index, chunk, grain);
	fo_assert(filter_passes(f, range->start) && filter_passes(f, range->end));
}

int filter_build(struct filter *f, const struct suspect *list, uint32_t count,
		 struct scratch *scratch)
{
	const uint64_t words = words_for(count);

	fo_assert(count < FILTER_ANYWHERE);
	*f = (struct filter){ .shift = 64 - log2_up(words) };
	f->table = scratch_take(scratch, words * sizeof(*f->table));
	f->first = scratch_take(scratch, words * sizeof(*f->first));
	if (!f->table || !f->first)
		return -ENOMEM;
	/* Two of 64 bits for each level, or six for each range: most stay zero. */
	choose_levels(f, list, count, 2 * words);
	for (uint32_t i = 0; i < count; i++)
		add(f, list, i);
	return 0;
}

/*
 * Ranges are added in the order of the list, so the one noted beside a word is the first
 * of all that have to do with the word.  While it touches every chunk that was added, a
 * chunk that it does not touch was never added.
 */
uint32_t filter_first(const struct filter *f, unsigned int level,
		      const struct suspect *list, uintptr_t addr)
{
	const unsigned int chunk_log2 = f->level[level].grain + FILTER_CHUNK;
	uint32_t first;

	fo_assert(level < f->levels);
	if (!filter_level_passes(f, level, addr))
		return FILTER_NONE;
	first = f->first[filter_word(f, addr >> chunk_log2)];
	if (first == FILTER_ANYWHERE)
		return first;
	if (!touches(&list[first], addr >> chunk_log2, chunk_log2))
		return FILTER_NONE;
	return first;
}
