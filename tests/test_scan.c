/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading memory for words that point into suspects, in every way that the processor
 * has.
 */
#include "suspecting.h"

#include "track/scan.h"

#define FAR_HEAP ((uintptr_t)0x555555000000)

#define PAGES 4
/* PAGES readable pages with an inaccessible one on each side. */
static char *memory;
static size_t memory_bytes;

static look_fn *const *way;

/* Runs once in each way: `way` is the one. */
#define TEST_EACH_WAY(name)                              \
	static void check_##name(void);                  \
	TEST(name)                                       \
	{                                                \
		map_memory();                            \
		for (way = look_ways(); *way; way++) {   \
			memset(memory, 0, memory_bytes); \
			check_##name();                  \
		}                                        \
	}                                                \
	static void check_##name(void)

static void map_memory(void)
{
	const size_t page = page_size();

	memory_bytes = PAGES * page;
	memory = mmap(NULL, memory_bytes + 2 * page, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	memory += page;
	assert_int_equal(mprotect(memory, memory_bytes, PROT_READ | PROT_WRITE), 0);
}

/* ----------------------------------------------------------------------- what was hit */

struct hit {
	uintptr_t at;
	uint32_t index;
};

struct hits {
	struct hit *hit;
	size_t count;
	size_t room;
};

static struct hits found, expected;

static void note(struct hits *hits, uintptr_t at, uint32_t index)
{
	if (hits->count == hits->room) {
		hits->room = hits->room ? 2 * hits->room : 1024;
		hits->hit = realloc(hits->hit, hits->room * sizeof(*hits->hit));
		assert_non_null(hits->hit);
	}
	hits->hit[hits->count++] = (struct hit){ at, index };
}

static void on_hit(uintptr_t at, uint32_t index, void *arg)
{
	note(arg, at, index);
}

/* Scans bytes [from, to) of memory. */
static size_t scan_part(size_t from, size_t to)
{
	found.count = 0;
	scan_with(*way, &suspects, (uintptr_t)memory + from, (uintptr_t)memory + to,
		  on_hit, &found);
	return found.count;
}

static void put(size_t at, uintptr_t word)
{
	memcpy(memory + at, &word, sizeof(word));
}

static void assert_found_at(size_t at)
{
	assert_int_equal(found.count, 1);
	assert_int_equal(found.hit[0].at, (uintptr_t)memory + at);
}

/* ------------------------------------------------------------------------------ edges */

TEST_EACH_WAY(a_word_is_found_at_every_multiple_of_4_bytes)
{
	suspect(HEAP, HEAP + 100);
	for (size_t at = 0; at + 8 <= memory_bytes; at += 4) {
		put(at, HEAP + 50);
		scan_part(0, memory_bytes);
		assert_found_at(at);
		put(at, 0);
	}
}

TEST_EACH_WAY(a_word_across_either_edge_is_not_looked_at)
{
	suspect(HEAP, HEAP + 100);
	for (size_t at = 4; at + 12 <= 1024; at += 4) {
		put(at, HEAP + 50);
		assert_int_equal(scan_part(at + 4, 2048), 0);
		assert_int_equal(scan_part(0, at + 4), 0);
		assert_int_equal(scan_part(at, 2048), 1);
		assert_int_equal(scan_part(0, at + 8), 1);
		assert_int_equal(scan_part(at, at + 8), 1);
		put(at, 0);
	}
}

TEST_EACH_WAY(a_range_too_short_for_a_word_is_not_touched)
{
	suspect(HEAP, HEAP + 100);
	assert_int_equal(scan_part(memory_bytes, memory_bytes), 0);
	assert_int_equal(scan_part(memory_bytes, memory_bytes + 4), 0);
	put(0, HEAP);
	assert_int_equal(scan_part(0, 4), 0);
	assert_int_equal(scan_part(0, 0), 0);
}

/* An inaccessible page lies on each side of memory. */
TEST_EACH_WAY(nothing_outside_of_the_range_is_read)
{
	suspect(HEAP, HEAP + 100);
	memset(memory, 0x12, memory_bytes);
	for (size_t bytes = 0; bytes <= 1024; bytes += 4) {
		assert_int_equal(scan_part(0, bytes), 0);
		assert_int_equal(scan_part(memory_bytes - bytes, memory_bytes), 0);
	}
}

/* As freed memory is: an ordinary load would be reported. */
TEST_EACH_WAY(memory_that_a_sanitizer_guards_is_read)
{
	const size_t bytes = 2000;
	struct hidden block;

	suspect(HEAP, HEAP + 100);
	block = hidden_of(malloc(bytes));
	free(hidden_show(block));
	found.count = 0;
	scan_with(*way, &suspects, (uintptr_t)hidden_show(block),
		  (uintptr_t)hidden_show(block) + bytes, on_hit, &found);
	assert_int_equal(found.count, 0);
}

TEST_EACH_WAY(without_suspects_nothing_is_read)
{
	begin(0);
	seal();
	assert_int_equal(scan_part(memory_bytes, memory_bytes + 64), 0);
}

TEST_EACH_WAY(hits_come_in_the_order_of_addresses)
{
	suspect(HEAP, HEAP + 100);
	for (size_t at = 0; at + 8 <= memory_bytes; at += 8)
		put(at, HEAP + at % 100);
	assert_int_equal(scan_part(0, memory_bytes), memory_bytes / 8);
	for (size_t i = 1; i < found.count; i++)
		assert_true(found.hit[i - 1].at < found.hit[i].at);
}

/* ----------------------------------------------------------------------- which values */

TEST_EACH_WAY(values_beside_a_suspect_are_not_found)
{
	const uintptr_t start = HEAP + 5, end = HEAP + 105;

	suspect(start, end);
	for (uintptr_t value = start - 8; value < end + 8; value++) {
		put(1000, value);
		assert_int_equal(scan_part(0, memory_bytes),
				 start <= value && value <= end);
	}
	/* Right in one half only. */
	for (unsigned int bit = 7; bit < 64; bit++) {
		put(1000, (start + 50) ^ (uintptr_t)1 << bit);
		assert_int_equal(scan_part(0, memory_bytes), 0);
	}
}

TEST_EACH_WAY(a_word_between_two_neighbours_is_found_for_both)
{
	begin(2);
	suspects_add(&suspects, HEAP, HEAP + 8, 0);
	suspects_add(&suspects, HEAP + 8, HEAP + 9, 1);
	seal();
	put(12, HEAP + 8);
	assert_int_equal(scan_part(0, memory_bytes), 2);
	assert_int_equal(found.hit[0].index, 0);
	assert_int_equal(found.hit[1].index, 1);
	assert_int_equal(found.hit[1].at, (uintptr_t)memory + 12);
}

TEST_EACH_WAY(a_suspect_of_4_GiB_is_found_at_both_ends_and_between)
{
	const uintptr_t start = HEAP + 12345, end = start + 4 * GIB;

	suspect(start, end);
	put(0, start - 1);
	put(8, start);
	put(16, start + 2 * GIB);
	put(24, HEAP + 4 * GIB);
	put(32, end);
	put(40, end + 1);
	assert_int_equal(scan_part(0, memory_bytes), 4);
	assert_int_equal(found.hit[0].at, (uintptr_t)memory + 8);
	assert_int_equal(found.hit[3].at, (uintptr_t)memory + 32);
}

TEST_EACH_WAY(a_suspect_across_a_multiple_of_4_GiB_is_found)
{
	const uintptr_t border = (uintptr_t)0x7f13 << 32;

	suspect(border - 16, border + 16);
	for (uintptr_t value = border - 20; value < border + 20; value++) {
		put(100, value);
		assert_int_equal(scan_part(0, memory_bytes),
				 value >= border - 16 && value <= border + 16);
	}
}

/* As two places are that lie whole gibibytes apart: all but the upper halves are alike. */
TEST_EACH_WAY(suspects_that_differ_in_the_upper_half_only_are_both_found)
{
	const uintptr_t far = HEAP + 64 * GIB;

	begin(2);
	suspects_add(&suspects, HEAP, HEAP + 100, 0);
	suspects_add(&suspects, far, far + 100, 1);
	seal();
	put(1000, HEAP + 50);
	put(2000, far + 50);
	put(3000, HEAP + 32 * GIB + 50);
	assert_int_equal(scan_part(0, memory_bytes), 2);
	assert_int_equal(found.hit[0].index, 0);
	assert_int_equal(found.hit[1].index, 1);
}

TEST_EACH_WAY(the_lowest_and_the_highest_addresses_are_found)
{
	begin(3);
	suspects_add(&suspects, 4096, 4097, 0);
	suspects_add(&suspects, 0x7fffffffe000, 0x7ffffffff000, 1);
	suspects_add(&suspects, UINTPTR_MAX - 1, UINTPTR_MAX, 2);
	seal();
	put(400, 4097);
	put(804, 0x7ffffffff000);
	put(1200, UINTPTR_MAX);
	put(1600, 4098);
	put(2004, 0x7ffffffff001);
	put(2400, UINTPTR_MAX - 2);
	assert_int_equal(scan_part(0, memory_bytes), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(found.hit[i].index, i);
}

/*
 * ---------------------------------------------------------- against the plain question
 */

static uint64_t random_state;

static uint64_t any(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Places of suspects: near each other, far from each other, or anywhere. */
static void add_any(uint32_t count, unsigned int round)
{
	static const uintptr_t lengths[] = { 1, 1, 7, 8, 100, 4096, 65536, 5 * GIB };
	uintptr_t at = round % 4 == 1 ? FAR_HEAP : HEAP;

	begin(count);
	for (uint32_t i = 0; i < count; i++) {
		uintptr_t length = lengths[any() % (round % COUNT_OF(lengths) + 1)];

		if (count > 1000)
			length = 1 + length % 64;
		suspects_add(&suspects, at, at + length, i);
		at += length;
		if (any() % 4)
			at += any() % (round % 3 ? 64 : 64 * MIB);
		if (i == count / 2 && at < HEAP)
			at = HEAP;
	}
	seal();
}

/* A word as memory has them; a quarter points into a suspect or right beside one. */
static uintptr_t any_word(void)
{
	const struct suspect *s = &suspects.list[any() % suspects.count];

	switch (any() % 12) {
	case 0:
		return s->start + any() % (s->end - s->start + 1);
	case 1:
		return s->end + any() % 3;
	case 2:
		return s->start - any() % 3;
	case 3:
		return any();
	case 4:
		return any() % 1000;
	case 5:
		return (s->start & ~(uintptr_t)UINT32_MAX) | (uint32_t)any();
	case 6:
		return s->start + (any() % 64 << 32);
	case 7:
		return HEAP + any() % (256 * MIB);
	default:
		return 0;
	}
}

static void fill_any(void)
{
	for (size_t at = 0; at + 8 <= memory_bytes; at += any() % 4 ? 8 : 4)
		put(at, any_word());
}

/* Word by word, and where there are few suspects one by one. */
static void scan_plainly(size_t from, size_t to)
{
	expected.count = 0;
	for (size_t at = from; at + 8 <= to; at += 4) {
		uint32_t index[2];
		unsigned int n;
		uintptr_t word;

		memcpy(&word, memory + at, sizeof(word));
		if (suspects.count > 1000) {
			n = suspects_match(&suspects, word, index);
			for (unsigned int i = 0; i < n; i++)
				note(&expected, (uintptr_t)memory + at, index[i]);
			continue;
		}
		for (uint32_t i = 0; i < suspects.count; i++)
			if (suspects.list[i].start <= word &&
			    word <= suspects.list[i].end)
				note(&expected, (uintptr_t)memory + at, i);
	}
}

static void compare(size_t from, size_t to)
{
	scan_plainly(from, to);
	scan_part(from, to);
	if (found.count != expected.count)
		fail_msg("%zu hits in [%zu, %zu), and not %zu", found.count, from, to,
			 expected.count);
	for (size_t i = 0; i < found.count; i++)
		if (found.hit[i].at != expected.hit[i].at ||
		    found.hit[i].index != expected.hit[i].index)
			fail_msg("hit %zu in [%zu, %zu) differs", i, from, to);
}

static void compare_rounds(uint32_t count, unsigned int rounds)
{
	size_t hits = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		random_state = round * 77 + count;
		add_any(count, round);
		fill_any();
		compare(0, memory_bytes);
		hits += found.count;
		for (unsigned int i = 0; i < 20; i++) {
			const size_t from = any() % memory_bytes / 4 * 4;

			compare(from, from + any() % (memory_bytes - from) / 4 * 4);
			compare(from, from + any() % (memory_bytes - from) % 600 / 4 * 4);
		}
	}
	assert_in_range(hits, 100, SIZE_MAX);
}

TEST_EACH_WAY(one_suspect_is_found_as_by_a_plain_loop)
{
	compare_rounds(1, 64);
}

TEST_EACH_WAY(two_suspects_are_found_as_by_a_plain_loop)
{
	compare_rounds(2, 64);
}

TEST_EACH_WAY(a_hundred_suspects_are_found_as_by_a_plain_loop)
{
	compare_rounds(100, 24);
}

TEST_EACH_WAY(a_hundred_thousand_suspects_are_found_as_by_a_plain_loop)
{
	compare_rounds(100000, 6);
}

/* ----------------------------------------------------------------------------- faults */

static sigjmp_buf back;

static void on_fault(_unused_ int signal)
{
	siglongjmp(back, 1);
}

/* Each page of four is taken away in turn: what ends before it has been reported. */
TEST_EACH_WAY(all_words_before_a_page_that_faults_are_found)
{
	const size_t page = page_size();
	const struct sigaction action = { .sa_handler = on_fault,
					  .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	suspect(HEAP, HEAP + 100);
	for (size_t gone = 1; gone < PAGES; gone++) {
		for (size_t start = 0; start < 600; start += 4) {
			const size_t from = gone * page - 8 - start;

			put(from, HEAP);
			put(gone * page - 8, HEAP + 1);
			assert_int_equal(mprotect(memory + gone * page, page, PROT_NONE),
					 0);
			if (!sigsetjmp(back, 1)) {
				scan_part(from, memory_bytes);
				fail_msg("page %zu was not read", gone);
			}
			assert_int_equal(mprotect(memory + gone * page, page,
						  PROT_READ | PROT_WRITE),
					 0);
			assert_int_equal(found.count, start >= 8 ? 2 : 1);
			put(from, 0);
		}
		put(gone * page - 8, 0);
	}
}
