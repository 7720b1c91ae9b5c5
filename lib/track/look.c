/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/look.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

typedef uint32_t __attribute__((may_alias)) half;

_Static_assert(LOOK_WORDS == 64, "a bit of a mask for each word of a block");

struct look_range look_range_of(uintptr_t first, uintptr_t last)
{
	struct look_range r = {
		.high = (uint32_t)(first >> 32),
		.high_span = (uint32_t)((last >> 32) - (first >> 32)),
		.low_span = UINT32_MAX,
	};

	fo_assert(first <= last);
	if (r.high_span == 0) {
		r.low = (uint32_t)first;
		r.low_span = (uint32_t)last - (uint32_t)first;
	}
	return r;
}

_reads_all_ static inline unsigned int is_in(const struct look_range *r, uint32_t low,
					     uint32_t high)
{
	return (high - r->high <= r->high_span) & (low - r->low <= r->low_span);
}

_reads_all_ static inline unsigned int is_candidate(const struct look_ranges *r,
						    const half *at)
{
	return is_in(&r->in[0], at[-1], at[0]) | is_in(&r->in[1], at[-1], at[0]);
}

_reads_all_ uint64_t look_few(const struct look_ranges *r, uintptr_t block,
			      unsigned int words)
{
	const half *at = (const half *)block;
	uint64_t mask = 0;

	fo_assert(words <= LOOK_WORDS && block % sizeof(half) == 0);
	for (unsigned int i = 0; i < words; i++)
		mask |= (uint64_t)is_candidate(r, at + i) << i;
	return mask;
}

/* For any processor: a loop without a branch, which compilers make vectors of. */
_reads_all_ static uintptr_t look_plain(const struct look_ranges *ranges, uintptr_t block,
					uintptr_t end, uint64_t *mask)
{
	const struct look_ranges r = *ranges;

	fo_assert((block | end) % LOOK_BYTES == 0 && block <= end);
	for (; block < end; block += LOOK_BYTES) {
		const half *at = (const half *)block;
		unsigned int any = 0;

		for (unsigned int i = 0; i < LOOK_WORDS; i++)
			any |= is_candidate(&r, at + i);
		if (any) {
			*mask = look_few(ranges, block, LOOK_WORDS);
			return block;
		}
	}
	*mask = 0;
	return end;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define VECTOR 32u
#define VECTORS (LOOK_BYTES / VECTOR)
/* Vectors compare signed numbers only: both sides are moved by 2^31. */
#define SIGN 0x80000000u

struct avx2_range {
	__m256i high, high_last, low, low_last;
};

#define _avx2_ __attribute__((target("avx2"), always_inline)) _reads_all_ static inline

_avx2_ struct avx2_range avx2_range_of(const struct look_range *r)
{
	return (struct avx2_range){
		_mm256_set1_epi32((int)(SIGN - r->high)),
		_mm256_set1_epi32((int)(SIGN + r->high_span)),
		_mm256_set1_epi32((int)(SIGN - r->low)),
		_mm256_set1_epi32((int)(SIGN + r->low_span)),
	};
}

/* All ones where a word is not in the range. */
_avx2_ __m256i avx2_out(const struct avx2_range *r, __m256i low, __m256i high)
{
	return _mm256_or_si256(
		_mm256_cmpgt_epi32(_mm256_add_epi32(high, r->high), r->high_last),
		_mm256_cmpgt_epi32(_mm256_add_epi32(low, r->low), r->low_last));
}

_avx2_ uintptr_t avx2_look(const struct look_ranges *ranges, uintptr_t block, uintptr_t end,
			   uint64_t *mask, bool both)
{
	const struct avx2_range a = avx2_range_of(&ranges->in[0]);
	const struct avx2_range b = avx2_range_of(&ranges->in[1]);

	fo_assert((block | end) % LOOK_BYTES == 0 && block <= end);
	for (; block < end; block += LOOK_BYTES) {
		__m256i out[VECTORS], none = _mm256_set1_epi32(-1);

		for (unsigned int i = 0; i < VECTORS; i++) {
			const uintptr_t at = block + i * VECTOR;
			__m256i high = _mm256_load_si256((const __m256i *)at);
			__m256i low = _mm256_loadu_si256((const __m256i *)(at - 4));

			out[i] = avx2_out(&a, low, high);
			if (both)
				out[i] = _mm256_and_si256(out[i], avx2_out(&b, low, high));
			none = _mm256_and_si256(none, out[i]);
		}
		if (likely(_mm256_movemask_epi8(none) == -1))
			continue;
		*mask = 0;
		for (unsigned int i = 0; i < VECTORS; i++)
			*mask |= (uint64_t)(uint8_t)~_mm256_movemask_ps(
					 _mm256_castsi256_ps(out[i]))
				 << (8 * i);
		fo_assert(*mask);
		return block;
	}
	*mask = 0;
	return end;
}

static bool are_alike(const struct look_range *a, const struct look_range *b)
{
	return a->high == b->high && a->high_span == b->high_span && a->low == b->low &&
	       a->low_span == b->low_span;
}

/* One range takes three fifths of the time of two. */
__attribute__((target("avx2"))) _reads_all_ static uintptr_t
look_avx2(const struct look_ranges *ranges, uintptr_t block, uintptr_t end,
	  uint64_t *mask)
{
	if (are_alike(&ranges->in[0], &ranges->in[1]))
		return avx2_look(ranges, block, end, mask, false);
	return avx2_look(ranges, block, end, mask, true);
}

look_fn *const *look_ways(void)
{
	static look_fn *const ways[] = { look_avx2, look_plain, NULL };

	return __builtin_cpu_supports("avx2") ? ways : ways + 1;
}
#else
look_fn *const *look_ways(void)
{
	static look_fn *const ways[] = { look_plain, NULL };

	return ways;
}
#endif

look_fn *look_best(void)
{
	return look_ways()[0];
}
