/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/scan.h"

#include "base/check.h"

typedef uintptr_t __attribute__((may_alias, aligned(4))) word;

_Static_assert(sizeof(word) == 8, "two halves of 4 bytes");

#define HOLE_LEAST 4u /* of all that one range covers it is this part at least, or two are no better */

static struct look_ranges ranges_of(const struct suspects *s)
{
	const struct suspect *list = s->list, *last = list + s->count - 1;
	const struct suspect *after = list + s->gap;
	const struct suspect *before = s->gap ? after - 1 : last;
	const struct look_range all = look_range_of(list->start, last->end);

	fo_assert(s->gap < s->count);
	if (!s->gap || (all.high_span == 0 && after->start - before->end <
						      (last->end - list->start) / HOLE_LEAST))
		return (struct look_ranges){ { all, all } };
	return (struct look_ranges){ {
		look_range_of(list->start, before->end),
		look_range_of(after->start, last->end),
	} };
}

_noinline_ static void report(const struct suspects *s, uintptr_t at, uintptr_t value,
			      scan_hit_fn *fn, void *arg)
{
	uint32_t index[2];
	const unsigned int found = suspects_match(s, value, index);

	for (unsigned int i = 0; i < found; i++)
		fn(at, index[i], arg);
}

/* The words of a block that are in the mask. */
_reads_all_ static void look_closer(const struct suspects *s, uintptr_t block,
				    uint64_t mask, scan_hit_fn *fn, void *arg)
{
	for (; mask; mask &= mask - 1) {
		const uintptr_t at = block - 4 + 4 * (uintptr_t)__builtin_ctzll(mask);
		/* Once: it may change while we look. */
		const uintptr_t value = *(const volatile word *)at;

		if (unlikely(filter_passes(&s->filter, value)))
			report(s, at, value, fn, arg);
	}
}

/*
 * The first block of a page, by a copy: there may be nothing before it, where the upper half of its first
 * word would have its lower one.  Most pages are read alone; so many words one by one took as long as
 * all the rest of a page.
 */
_reads_all_ static uint64_t look_first(look_fn *look, const struct look_ranges *ranges,
				       uintptr_t start)
{
	_Alignas(LOOK_BYTES) uintptr_t copy[2 * LOOK_BYTES / sizeof(uintptr_t)];
	uintptr_t *block = copy + LOOK_BYTES / sizeof(uintptr_t);
	uint64_t mask;

	block[-1] = 0;
	for (size_t i = 0; i < LOOK_BYTES / sizeof(uintptr_t); i++)
		block[i] = ((const volatile word *)start)[i];
	(void)look(ranges, (uintptr_t)block, (uintptr_t)block + LOOK_BYTES, &mask);
	return mask & ~(uint64_t)1;
}

void scan_with(look_fn *look, const struct suspects *s, uintptr_t start, uintptr_t end,
	       scan_hit_fn *fn, void *arg)
{
	const uintptr_t whole = end & ~(uintptr_t)(LOOK_BYTES - 1);
	uintptr_t block = start + 4; /* the upper half of the first word */
	struct look_ranges ranges;

	fo_assert((start | end) % 4 == 0 && start <= end);
	if (s->count == 0)
		return;
	ranges = ranges_of(s);
	if (start % LOOK_BYTES == 0 && start < whole) {
		look_closer(s, start, look_first(look, &ranges, start), fn, arg);
		block = start + LOOK_BYTES;
	}
	while (block < end) {
		uintptr_t next = (block | (LOOK_BYTES - 1)) + 1;
		uint64_t mask;

		if (block % LOOK_BYTES == 0 && block < whole) {
			block = look(&ranges, block, whole, &mask);
			fo_assert(block <= whole && (mask || block == whole));
			next = mask ? block + LOOK_BYTES : block;
		} else {
			next = next < end ? next : end;
			fo_assert(next > block);
			mask = look_few(&ranges, block, (unsigned int)(next - block) / 4);
		}
		look_closer(s, block, mask, fn, arg);
		block = next;
	}
}

void scan(const struct suspects *s, uintptr_t start, uintptr_t end, scan_hit_fn *fn,
	  void *arg)
{
	scan_with(look_best(), s, start, end, fn, arg);
}
