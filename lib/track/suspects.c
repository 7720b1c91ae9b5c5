/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/suspects.h"

#include <errno.h>
#include <stdbool.h>

#include "base/check.h"

#define DIGIT_BITS 8u
#define DIGITS (1u << DIGIT_BITS)
#define DIGIT_MASK (DIGITS - 1)

size_t suspects_room(uint32_t capacity)
{
	return 2 * (capacity * sizeof(struct suspect) + 64) + filter_room(capacity) + 2 * 64;
}

int suspects_init(struct suspects *s, uint32_t capacity, struct scratch *scratch)
{
	fo_assert(capacity < FILTER_ANYWHERE);
	*s = (struct suspects){ .capacity = capacity };
	s->list = scratch_take(scratch, capacity * sizeof(*s->list));
	s->spare = scratch_take(scratch, capacity * sizeof(*s->spare));
	s->hint = scratch_take(scratch, sizeof(*s->hint));
	return s->list && s->spare && s->hint ? 0 : -ENOMEM;
}

void suspects_add(struct suspects *s, uintptr_t start, uintptr_t end, uint32_t number)
{
	fo_assert(start < end);
	fo_assert(s->count < s->capacity && !s->filter.table);
	s->list[s->count++] = (struct suspect){ start, end, number, 0 };
}

static bool is_sorted(const struct suspects *s)
{
	for (uint32_t i = 1; i < s->count; i++)
		if (s->list[i - 1].start > s->list[i].start)
			return false;
	return true;
}

/* Deals the list into spare by a digit of start; those of equal digits keep their order. */
static void deal(struct suspects *s, unsigned int shift)
{
	uint32_t place[DIGITS] = { 0 }, sum = 0;
	struct suspect *dealt = s->spare;

	fo_assert(dealt != s->list && shift % DIGIT_BITS == 0);
	for (uint32_t i = 0; i < s->count; i++)
		place[s->list[i].start >> shift & DIGIT_MASK]++;
	if (place[s->list[0].start >> shift & DIGIT_MASK] == s->count)
		return;
	for (unsigned int i = 0; i < DIGITS; i++) {
		const uint32_t here = place[i];

		place[i] = sum;
		sum += here;
	}
	fo_assert(sum == s->count);
	for (uint32_t i = 0; i < s->count; i++)
		dealt[place[s->list[i].start >> shift & DIGIT_MASK]++] = s->list[i];
	s->spare = s->list;
	s->list = dealt;
}

static void find_gap(struct suspects *s)
{
	uintptr_t widest = 0;

	for (uint32_t i = 1; i < s->count; i++) {
		const uintptr_t gap = s->list[i].start - s->list[i - 1].end;

		fo_assert(s->list[i - 1].end <= s->list[i].start);
		if (gap >= widest) {
			widest = gap;
			s->gap = i;
		}
	}
	fo_assert(s->count < 2 || s->gap);
}

int suspects_seal(struct suspects *s, struct scratch *scratch)
{
	fo_assert(!s->filter.table && s->count <= s->capacity);
	/* By digits and not by comparing: no recursion, no allocation, a few passes. */
	if (!is_sorted(s))
		for (unsigned int shift = 0; shift < 64; shift += DIGIT_BITS)
			deal(s, shift);
	fo_assert_full(is_sorted(s));
	find_gap(s);
	return filter_build(&s->filter, s->list, s->count, scratch);
}

/* How many of list[from..to) start at addr or below, and from. */
static uint32_t starting_by(const struct suspects *s, uint32_t from, uint32_t to, uintptr_t addr)
{
	const struct suspect *list = s->list + from;
	uint32_t left = to - from;

	fo_assert(from <= to && to <= s->count);
	if (left == 0 || addr < list->start)
		return from;
	/* list[0] starts by then, list[left] does not.  No branch: nobody could predict it. */
	while (left > 1) {
		const uint32_t half = left / 2;

		list = list[half].start <= addr ? list + half : list;
		left -= half;
	}
	fo_assert(list->start <= addr && list < s->list + s->count);
	return (uint32_t)(list - s->list) + 1;
}

#define NEAR 8u

/* The same up to the end when the answer is probably near: in steps that grow. */
static uint32_t starting_near(const struct suspects *s, uint32_t from, uintptr_t addr)
{
	for (uint32_t step = NEAR; step < s->count - from; step *= 2) {
		if (s->list[from + step].start > addr)
			return starting_by(s, from, from + step, addr);
		from += step;
	}
	return starting_by(s, from, s->count, addr);
}

/*
 * How many start at addr or below, if those before from do.  Pointers to what was made one after the
 * other often lie one after the other, so the last answer tells where the next is.
 */
static uint32_t starting_from(const struct suspects *s, uint32_t from, uintptr_t addr)
{
	const uint32_t last = *s->hint;

	if (last > from && s->list[last - 1].start <= addr)
		from = last;
	return *s->hint = starting_near(s, from, addr);
}

/*
 * How many start at addr or below, where addr may be in one of them or at its end; 0: it
 * is not.
 */
static uint32_t starting_by_filtered(const struct suspects *s, uintptr_t addr)
{
	for (unsigned int i = 0; i < s->filter.levels; i++) {
		const uint32_t first = filter_first(&s->filter, i, s->list, addr);

		if (first == FILTER_ANYWHERE)
			return starting_from(s, 0, addr);
		if (first != FILTER_NONE && s->list[first].start <= addr)
			return starting_from(s, first, addr);
	}
	return 0;
}

unsigned int suspects_match(const struct suspects *s, uintptr_t word, uint32_t index[2])
{
	const uint32_t until = starting_by_filtered(s, word);
	unsigned int found = 0;

	if (until >= 2 && s->list[until - 2].end == word)
		index[found++] = until - 2;
	if (until >= 1 && s->list[until - 1].end >= word)
		index[found++] = until - 1;
	fo_assert(until <= s->count);
	fo_assert(found < 2 || s->list[index[0]].end == s->list[index[1]].start);
	return found;
}

uint32_t suspects_around(const struct suspects *s, uintptr_t addr)
{
	const uint32_t until = starting_by_filtered(s, addr);

	return until && addr < s->list[until - 1].end ? until - 1 : UINT32_MAX;
}
