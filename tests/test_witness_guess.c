/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions that were made since the last round: where their words are is guessed by their neighbours'. */
#include "crowd.h"

TEST(new_ones_beside_those_that_are_held_are_found_there)
{
	slot_t *slots = slots_new();
	struct hidden area = area_hidden();

	adopting_begin();
	adopt_members(area, 0, COUNT / 2, (char *)slots, sizeof(slot_t));
	collect_times(2);
	adopt_members(area, COUNT / 2, COUNT, (char *)slots, sizeof(slot_t));
	assert_true(doubted_in_a_collection() < COUNT / 3);
	assert_int_equal(released(), 0);
	clear((void *)slots);
	assert_true(are_released(COUNT));
	free((void *)slots);
}

static NOINLINE void adopt_one(struct hidden area, unsigned int i, slot_t *slot)
{
	*slot = foster_adopt(member(area, i), LEN, on_release, NULL);
	assert_non_null(*slot);
}

/* Their numbers are those of regions that were made before all others, and went. */
TEST(new_ones_that_come_before_those_beside_them_are_found_there)
{
	const unsigned int half = COUNT / 2;
	struct hidden area = area_hidden();
	slot_t *slots = slots_new(), *other = slots_new();

	adopting_begin();
	adopt_members(area_hidden(), 0, half, (char *)other, sizeof(slot_t));
	adopt_members(area, 0, half, (char *)(slots + half), sizeof(slot_t));
	collect_times(1);
	clear((void *)other);
	assert_true(are_released((int)half));
	collect_times(1);
	for (unsigned int i = 0; i < half; i++)
		adopt_one(area, half + i, slots + half - 1 - i);
	assert_true(doubted_in_a_collection() < COUNT / 3);
	clear((void *)slots);
	assert_true(are_released((int)(2 * half + half)));
	free((void *)slots);
	free((void *)other);
}

/* Their numbers are those of regions that went in threes, and so in no order of use. */
TEST(new_ones_with_numbers_in_any_order_are_found_beside_those_before)
{
	const unsigned int half = COUNT / 2;
	struct hidden area = area_hidden();
	slot_t *slots = slots_new(), *other = slots_new();

	adopting_begin();
	adopt_members(area_hidden(), 0, COUNT, (char *)other, sizeof(slot_t));
	for (unsigned int from = 0; from < 3; from++) {
		for (unsigned int i = from; i < COUNT; i += 3)
			other[i] = NULL;
		forget();
		assert_true(foster_collect(-1) >= 0);
	}
	assert_true(are_released(COUNT));
	adopt_members(area, 0, half, (char *)slots, sizeof(slot_t));
	collect_times(2);
	adopt_members(area, half, COUNT, (char *)slots, sizeof(slot_t));
	assert_true(doubted_in_a_collection() < COUNT / 3);
	clear((void *)slots);
	assert_true(are_released(2 * COUNT));
	free((void *)slots);
	free((void *)other);
}
