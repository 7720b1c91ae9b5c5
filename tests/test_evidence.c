/* SPDX-License-Identifier: BSD-2-Clause */
/* What a word is worth that points into a suspect: the table of track/evidence.h. */
#include "support.h"

#include "gc/null.h"
#include "track/evidence.h"

#define FIRST ((uintptr_t)0x7f0000000000) /* of the suspects, each a page */
#define PAGE ((uintptr_t)4096)
#define LIVE ((uintptr_t)0x7e0000000000)      /* a region that is not in doubt */
#define ELSEWHERE ((uintptr_t)0x555555600000) /* nobody's */
#define HEAP ((uintptr_t)0x7d0000000000)
#define HEAP_END (HEAP + ((uintptr_t)1 << 20))

static struct scratch scratch;
static struct suspects suspects;
static struct evidence e;

static uintptr_t start_of(uint32_t index)
{
	return FIRST + 2 * PAGE * index;
}

/* As region/round.c says it: who has the byte. */
static uintptr_t owner(uintptr_t at)
{
	if (at >= LIVE && at < LIVE + PAGE)
		return LIVE;
	if (at >= FIRST && at < start_of(suspects.count) && (at - FIRST) / PAGE % 2 == 0)
		return at - (at - FIRST) % PAGE;
	return 0;
}

static void begin(uint32_t count)
{
	const size_t room = suspects_room(count) + evidence_bytes(count) + 4096;

	assert_int_equal(scratch_open(&scratch, room), 0);
	assert_int_equal(suspects_init(&suspects, count, &scratch), 0);
	assert_int_equal(evidence_init(&e, &suspects, owner, &scratch), 0);
	for (uint32_t i = 0; i < count; i++)
		suspects_add(&suspects, start_of(i), start_of(i) + PAGE, i);
	assert_int_equal(suspects_seal(&suspects, &scratch), 0);
}

static const struct layout_entry private_entry = { .kind = LAYOUT_PRIVATE };
static const struct layout_entry shared_entry = { .kind = LAYOUT_SHARED };

static void judge(uintptr_t at, uint32_t index)
{
	evidence_judge(&e, &private_entry, at, index);
}

/* A word in suspect holder points into suspect index. */
static void points(uint32_t holder, uint32_t index)
{
	judge(start_of(holder) + 16, index);
}

/* ------------------------------------------------------------------ the collector's heap */

static enum gc_holder kind_of_object;
static bool marked_later;

static enum gc_holder holder(uintptr_t addr, uintptr_t *object)
{
	if (addr < HEAP || addr >= HEAP_END)
		return GC_HOLDER_FOREIGN;
	*object = addr - addr % 64;
	return kind_of_object;
}

static bool is_marked(uintptr_t object)
{
	return marked_later && object == HEAP + 64;
}

static void begin_with_heap(enum gc_holder kind)
{
	begin(2);
	kind_of_object = kind;
	gc_null_holder = holder;
	gc_null_marked = is_marked;
}

TEST(without_a_word_nothing_is_kept)
{
	begin(3);
	evidence_close(&e);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(evidence_of(&e, i), EVIDENCE_NONE);
}

TEST(a_word_in_private_memory_keeps)
{
	begin(2);
	judge(ELSEWHERE, 1);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_MEMORY);
}

TEST(a_word_in_shared_memory_keeps)
{
	begin(1);
	evidence_judge(&e, &shared_entry, ELSEWHERE, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_SHARED);
}

TEST(a_register_keeps)
{
	begin(1);
	evidence_register(&e, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_REGISTER);
}

TEST(a_word_of_before_keeps_nothing)
{
	begin(1);
	evidence_early(&e, ELSEWHERE, 0);
	assert_int_equal(e.early_count, 1);
	assert_int_equal(e.early[0].at, ELSEWHERE);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
}

TEST(a_word_in_a_region_that_is_not_in_doubt_keeps)
{
	begin(1);
	judge(LIVE + 8, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_REGION);
}

TEST(the_first_word_says_where_it_is_kept)
{
	begin(1);
	evidence_register(&e, 0);
	judge(ELSEWHERE, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_REGISTER);
}

TEST(a_word_in_a_marked_object_keeps)
{
	begin_with_heap(GC_HOLDER_MARKED);
	judge(HEAP + 72, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_COLLECTOR);
}

TEST(a_word_in_free_memory_of_the_collector_keeps_nothing)
{
	begin_with_heap(GC_HOLDER_VACANT);
	judge(HEAP + 72, 0);
	marked_later = true;
	evidence_judge_late(&e);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
}

TEST(a_word_in_an_unmarked_object_keeps_nothing)
{
	begin_with_heap(GC_HOLDER_UNMARKED);
	judge(HEAP + 72, 0);
	evidence_judge_late(&e);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
}

TEST(a_word_in_an_object_that_is_marked_for_a_finalizer_keeps)
{
	begin_with_heap(GC_HOLDER_UNMARKED);
	judge(HEAP + 72, 0);
	judge(HEAP + 640, 1);
	marked_later = true; /* the first only */
	evidence_judge_late(&e);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_COLLECTOR);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_NONE);
}

TEST(what_a_finalizer_will_see_keeps_what_it_points_to)
{
	begin_with_heap(GC_HOLDER_UNMARKED);
	judge(HEAP + 72, 0);
	points(0, 1);
	marked_later = true;
	evidence_judge_late(&e);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_REGION);
}

/* ----------------------------------------------------------------------------- dead stack */

TEST(a_word_in_dead_stack_keeps_nothing)
{
	begin(1);
	evidence_dead(&e, ELSEWHERE, ELSEWHERE + 64);
	judge(ELSEWHERE, 0);
	judge(ELSEWHERE + 63, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
}

TEST(a_word_beside_dead_stack_keeps)
{
	begin(2);
	evidence_dead(&e, ELSEWHERE, ELSEWHERE + 64);
	judge(ELSEWHERE + 64, 0);
	judge(ELSEWHERE - 1, 1);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_MEMORY);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_MEMORY);
}

/* What there is no room to note is read like any memory. */
TEST(too_many_dead_stacks_are_no_harm)
{
	begin(1);
	for (uintptr_t i = 0; i < 10000; i++)
		evidence_dead(&e, ELSEWHERE + i * 16, ELSEWHERE + i * 16 + 8);
	judge(ELSEWHERE + 1000 * 16, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
	judge(ELSEWHERE + 9999 * 16, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_MEMORY);
}

TEST(a_stack_that_is_empty_or_upside_down_is_not_dead)
{
	begin(1);
	evidence_dead(&e, ELSEWHERE, ELSEWHERE);
	evidence_dead(&e, ELSEWHERE + 64, ELSEWHERE);
	judge(ELSEWHERE, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_MEMORY);
}

/* --------------------------------------------------------------------------- in suspects */

TEST(a_word_in_a_suspect_is_worth_what_the_suspect_is)
{
	begin(4);
	points(0, 1);
	points(2, 3);
	judge(ELSEWHERE, 0);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_REGION);
	assert_int_equal(evidence_of(&e, 2), EVIDENCE_NONE);
	assert_int_equal(evidence_of(&e, 3), EVIDENCE_NONE);
}

static void assert_wakes(uint32_t index)
{
	uint32_t woken;

	assert_true(evidence_wake(&e, &woken));
	assert_int_equal(woken, index);
}

static void assert_sleeps(void)
{
	uint32_t woken;

	assert_false(evidence_wake(&e, &woken));
}

TEST(what_speaks_for_a_suspect_wakes_it_once)
{
	begin_with_heap(GC_HOLDER_UNMARKED);
	evidence_sleep(&e, 0);
	evidence_sleep(&e, 1);
	points(0, 0);
	assert_sleeps();
	judge(HEAP, 0);
	points(0, 0);
	judge(HEAP, 0);
	assert_wakes(0);
	assert_sleeps();
	points(0, 1);
	assert_wakes(1);
	judge(ELSEWHERE, 0);
	assert_sleeps();
	evidence_read(&e);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_REGION);
	assert_false(e.overslept);
}

TEST(what_had_no_room_for_its_early_words_does_not_sleep)
{
	begin(2);
	for (int i = 0; i < 1000; i++)
		evidence_early(&e, ELSEWHERE, 1);
	evidence_sleep(&e, 1);
	assert_wakes(1);
	assert_sleeps();
}

TEST(what_is_kept_asleep_is_told)
{
	begin(2);
	evidence_sleep(&e, 0);
	evidence_sleep(&e, 1);
	evidence_register(&e, 0);
	assert_wakes(0);
	evidence_read(&e);
	evidence_spare(&e, 0);
	assert_false(e.overslept);
	evidence_spare(&e, 1);
	evidence_close(&e);
	assert_true(e.overslept);
}

TEST(a_word_in_a_suspect_itself_keeps_nothing)
{
	begin(1);
	points(0, 0);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
}

TEST(a_cycle_keeps_nothing)
{
	begin(3);
	for (uint32_t i = 0; i < 3; i++)
		points(i, (i + 1) % 3);
	evidence_close(&e);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(evidence_of(&e, i), EVIDENCE_NONE);
}

TEST(a_cycle_is_kept_as_a_whole)
{
	begin(3);
	for (uint32_t i = 0; i < 3; i++)
		points(i, (i + 1) % 3);
	evidence_register(&e, 1);
	evidence_close(&e);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_not_equal(evidence_of(&e, i), EVIDENCE_NONE);
}

TEST(many_words_in_one_suspect_all_count)
{
	begin(1001);
	for (uint32_t i = 1; i <= 1000; i++)
		points(0, i);
	judge(ELSEWHERE, 0);
	evidence_close(&e);
	for (uint32_t i = 1; i <= 1000; i++)
		assert_int_equal(evidence_of(&e, i), EVIDENCE_REGION);
}

/* Of a chain: the suspect at place i.  Each comes once: the factors have none in common. */
#define LINKS 100000u
static uint32_t link_at(uint32_t i)
{
	return (uint32_t)((uint64_t)i * 61803u % LINKS);
}

/* Its links in memory, and so its words, are in no order. */
static void make_chain(void)
{
	begin(LINKS);
	for (uint32_t i = 0; i < LINKS; i++) {
		const uint32_t n = (uint32_t)((uint64_t)i * 31337u % LINKS);

		if (n + 1 < LINKS)
			points(link_at(n), link_at(n + 1));
	}
}

TEST_WITHIN(a_long_chain_is_followed_promptly, 20)
{
	uint64_t before;

	make_chain();
	evidence_register(&e, link_at(0));
	before = now_ms();
	evidence_close(&e);
	assert_true(now_ms() - before < 1000);
	for (uint32_t i = 0; i < LINKS; i++)
		assert_int_not_equal(evidence_of(&e, i), EVIDENCE_NONE);
}

TEST(a_long_chain_is_kept_from_where_it_is_pointed_to)
{
	make_chain();
	judge(ELSEWHERE, link_at(LINKS / 2));
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, link_at(LINKS / 2 - 1)), EVIDENCE_NONE);
	assert_int_equal(evidence_of(&e, link_at(LINKS / 2)), EVIDENCE_MEMORY);
	assert_int_equal(evidence_of(&e, link_at(LINKS - 1)), EVIDENCE_REGION);
}

/* --------------------------------------------------------------------------------- no room */

TEST(too_many_words_of_one_suspect_keep_it)
{
	begin(2);
	for (uintptr_t i = 0; i < 1000; i++)
		evidence_early(&e, ELSEWHERE + 8 * i, 0);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_FULL);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_NONE);
	assert_true(e.early_count < 1000);
}

TEST(too_many_words_in_all_keep_those_that_were_not_noted)
{
	const uint32_t count = 2000, each = 150;

	begin(count);
	for (uint32_t n = 0; n < each; n++)
		for (uint32_t i = 0; i < count; i++)
			evidence_early(&e, ELSEWHERE + 8 * (n * count + i), i);
	assert_true(e.early_count == e.room);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(evidence_of(&e, i), EVIDENCE_FULL);
}

TEST(too_many_words_in_suspects_keep_what_they_point_to)
{
	begin(3);
	for (uintptr_t i = 0; i < 1000; i++)
		judge(start_of(0) + 4 * i, 1);
	points(1, 2);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_NONE);
	assert_int_equal(evidence_of(&e, 1), EVIDENCE_FULL);
	assert_int_equal(evidence_of(&e, 2), EVIDENCE_REGION);
}

TEST(too_many_words_in_unmarked_objects_keep)
{
	begin_with_heap(GC_HOLDER_UNMARKED);
	for (uintptr_t i = 0; i < 1000; i++)
		judge(HEAP + 64 * i, 0);
	evidence_judge_late(&e);
	evidence_close(&e);
	assert_int_equal(evidence_of(&e, 0), EVIDENCE_FULL);
}

TEST(without_scratch_it_does_not_begin)
{
	assert_int_equal(scratch_open(&scratch, suspects_room(1000) + 8192), 0);
	assert_int_equal(suspects_init(&suspects, 1000, &scratch), 0);
	assert_int_equal(evidence_init(&e, &suspects, owner, &scratch), -ENOMEM);
}

TEST(it_takes_no_more_scratch_than_it_says)
{
	for (uint32_t count = 1; count < 100000; count = count * 3 + 1) {
		assert_int_equal(scratch_open(&scratch, suspects_room(count)), 0);
		assert_int_equal(suspects_init(&suspects, count, &scratch), 0);
		struct scratch own;

		assert_int_equal(scratch_open(&own, evidence_bytes(count)), 0);
		assert_int_equal(evidence_init(&e, &suspects, owner, &own), 0);
		scratch_close(&own);
		scratch_close(&scratch);
	}
}
