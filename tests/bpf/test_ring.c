// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reader of a ring buffer, on memory in which the test is the kernel: records that
 * are not finished, positions that make no sense, many threads.
 */
#include "support_ring.h"

#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>

#include "base/sync.h"

/* A test that is run by a thread that is alone, and again by one that is not. */
#define TEST_BOTH(name)                    \
	static void name##_body(void);     \
	TEST(name)                         \
	{                                  \
		name##_body();             \
	}                                  \
	TEST(name##_among_threads)         \
	{                                  \
		fake_among_threads = true; \
		name##_body();             \
	}                                  \
	static void name##_body(void)

/* ------------------------------------------------------------------------- one thread */

TEST_BOTH(a_record_that_is_not_finished_is_not_read)
{
	struct fake *fake = fake_of(4096);
	uint64_t at = fake_reserve(fake, 8);

	fake_assert_empty(fake, 0);
	fake_submit(fake, at);
	assert_non_null(fake_take(fake, 0));
	fake_free(fake);
}

TEST_BOTH(an_unfinished_record_holds_up_those_behind_it)
{
	struct fake *fake = fake_of(4096);
	uint64_t at = fake_reserve(fake, 8);

	assert_true(fake_put(fake, 7, 8));
	fake_assert_empty(fake, 0);
	fake_discard(fake, at);
	fake_take(fake, 7);
	fake_free(fake);
}

TEST_BOTH(discarded_records_give_their_room_back)
{
	struct fake *fake = fake_of(4096);

	fake_discard(fake, fake_reserve(fake, 8));
	fake_discard(fake, fake_reserve(fake, 100));
	fake_assert_empty(fake, 0);
	assert_int_equal(fake_consumed(fake), fake_step(8) + fake_step(100));
	fake_free(fake);
}

TEST_BOTH(a_discarded_record_behind_a_kept_one_goes_with_it)
{
	struct fake *fake = fake_of(4096);
	const void *record;

	assert_true(fake_put(fake, 1, 8));
	fake_discard(fake, fake_reserve(fake, 8));
	assert_true(fake_put(fake, 2, 8));
	record = fake_take(fake, 1);
	fake_take(fake, 2);
	assert_int_equal(fake_consumed(fake), 0);
	assert_int_equal(fake_give(fake, record), 0);
	assert_int_equal(fake_consumed(fake), 2 * fake_step(8));
	fake_free(fake);
}

TEST_BOTH(the_position_goes_as_far_as_records_are_released)
{
	struct fake *fake = fake_of(4096);
	const void *record[4];

	fake_put_and_take(fake, 8, record, COUNT_OF(record));
	assert_int_equal(fake_give(fake, record[2]), 0);
	assert_int_equal(fake_give(fake, record[1]), 0);
	assert_int_equal(fake_consumed(fake), 0);
	assert_int_equal(fake_give(fake, record[0]), 0);
	assert_int_equal(fake_consumed(fake), 3 * fake_step(8));
	assert_int_equal(fake_give(fake, record[3]), 0);
	assert_int_equal(fake_consumed(fake), 4 * fake_step(8));
	fake_free(fake);
}

/* The one record takes all of the ring, so that the next begins where it began. */
TEST_BOTH(a_record_as_large_as_the_ring_comes_and_goes)
{
	struct fake *fake = fake_of(4096);

	for (uint64_t i = 0; i < 3; i++) {
		assert_true(fake_put(fake, i, 4096 - BPF_RINGBUF_HDR_SZ));
		assert_int_equal(fake_give(fake, fake_take(fake, i)), 0);
		assert_int_equal(fake_consumed(fake), (i + 1) * 4096);
	}
	fake_free(fake);
}

TEST_BOTH(a_record_of_no_bytes_counts)
{
	struct fake *fake = fake_of(4096);
	struct foster_record record = { .bytes = 1 };

	fake_submit(fake, fake_reserve(fake, 0));
	assert_int_equal(ring_read(&fake->ring, &record, 1), 1);
	assert_int_equal(record.bytes, 0);
	assert_int_equal(fake_give(fake, record.data), 0);
	assert_int_equal(fake_consumed(fake), BPF_RINGBUF_HDR_SZ);
	fake_free(fake);
}

TEST_BOTH(what_is_no_kept_record_is_not_released)
{
	struct fake *fake = fake_of(4096);
	const char *record;

	assert_true(fake_put(fake, 1, 64));
	assert_true(fake_put(fake, 2, 64));
	record = fake_take(fake, 1);
	assert_int_equal(fake_give(fake, record + 1), -EINVAL);
	assert_int_equal(fake_give(fake, record + fake_step(64)), -EINVAL);
	assert_int_equal(fake_give(fake, record + fake->size), -EINVAL);
	assert_int_equal(fake_give(fake, fake->base), -EINVAL);
	assert_int_equal(fake_give(fake, record), 0);
	assert_int_equal(fake_give(fake, record), -EINVAL);
	assert_int_equal(fake_consumed(fake), fake_step(64));
	fake_free(fake);
}

TEST_BOTH(what_another_reader_took_is_passed_over)
{
	struct fake *fake = fake_of(4096);

	fake_put_many(fake, 3);
	atomic_store(fake_consumer(fake), 2 * fake_step(8));
	assert_int_equal(fake_give(fake, fake_take(fake, 2)), 0);
	assert_int_equal(fake_consumed(fake), 3 * fake_step(8));
	fake_free(fake);
}

TEST_BOTH(a_run_of_records_is_taken_and_given_back_at_once)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[8];

	fake_put_many(fake, 10);
	fake_discard(fake, fake_reserve(fake, 8));
	assert_true(fake_put(fake, 10, 8));
	assert_int_equal(ring_read(&fake->ring, records, 8), 8);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(*(const uint64_t *)records[i].data, i);
	assert_int_equal(ring_release(&fake->ring, records + 4, 4), 0);
	assert_int_equal(fake_consumed(fake), 0);
	assert_int_equal(ring_release(&fake->ring, records, 4), 0);
	assert_int_equal(fake_consumed(fake), 8 * fake_step(8));
	assert_int_equal(ring_read(&fake->ring, records, 8), 3);
	assert_int_equal(*(const uint64_t *)records[2].data, 10);
	assert_int_equal(ring_release(&fake->ring, records, 3), 0);
	assert_int_equal(fake_consumed(fake), 12 * fake_step(8));
	fake_free(fake);
}

TEST_BOTH(a_run_with_one_that_is_none_gives_the_others_back)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[3];

	fake_put_many(fake, 3);
	assert_int_equal(ring_read(&fake->ring, records, 3), 3);
	records[1].data = records[0].data;
	assert_int_equal(ring_release(&fake->ring, records, 3), -EINVAL);
	assert_int_equal(fake_consumed(fake), fake_step(8));
	fake_free(fake);
}

TEST_BOTH(a_record_that_waits_for_an_older_one_is_released_once)
{
	struct fake *fake = fake_of(4096);
	const void *record[2];

	fake_put_and_take(fake, 8, record, 2);
	assert_int_equal(fake_give(fake, record[1]), 0);
	assert_int_equal(fake_give(fake, record[1]), -EINVAL);
	assert_int_equal(fake_give(fake, record[0]), 0);
	assert_int_equal(fake_consumed(fake), 2 * fake_step(8));
	fake_free(fake);
}

TEST_BOTH(the_second_copy_of_the_data_has_no_records)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[2];

	fake_put_many(fake, 2);
	assert_int_equal(ring_read(&fake->ring, records, 2), 2);
	records[1].data = (const char *)records[1].data + fake->size;
	assert_int_equal(ring_release(&fake->ring, records, 2), -EINVAL);
	assert_int_equal(fake_consumed(fake), fake_step(8));
	fake_free(fake);
}

TEST_BOTH(a_run_of_records_that_were_not_handed_out_is_not_released)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[2];

	fake_put_many(fake, 2);
	assert_int_equal(ring_read(&fake->ring, records, 1), 1);
	records[1].data = (const char *)records[0].data + fake_step(8);
	assert_int_equal(ring_release(&fake->ring, records, 2), -EINVAL);
	assert_int_equal(fake_consumed(fake), fake_step(8));
	fake_take(fake, 1);
	fake_free(fake);
}

TEST_BOTH(the_middle_of_a_record_gives_nothing_back)
{
	struct fake *fake = fake_of(4096);
	const void *record[3];

	for (uint64_t lap = 0; lap < 3; lap++) {
		fake_put_and_take(fake, 1016, record, 3);
		(void)fake_give(fake, (const char *)record[0] + 8);
		(void)fake_give(fake, (const char *)record[1] + 512);
		assert_int_equal(fake_consumed(fake), 3072 * lap);
		assert_int_equal(fake_give(fake, record[0]), 0);
		assert_int_equal(fake_consumed(fake), 3072 * lap + 1024);
		assert_int_equal(fake_give(fake, record[2]), 0);
		assert_int_equal(fake_give(fake, record[1]), 0);
		assert_int_equal(fake_consumed(fake), 3072 * (lap + 1));
	}
	fake_free(fake);
}

/* ------------------------------------------------------------------ from hand to hand */

static struct fake *handed;
static const void *in_hand[4];

static void *take_one_give_one(void *arg)
{
	in_hand[3] = fake_take(handed, 3);
	assert_int_equal(fake_give(handed, in_hand[0]), 0);
	return arg;
}

TEST(another_thread_goes_on_with_what_the_first_has_kept)
{
	handed = fake_of(4096);
	fake_put_many(handed, 4);
	for (uint64_t i = 0; i < 3; i++)
		in_hand[i] = fake_take(handed, i);
	assert_int_equal(fake_give(handed, in_hand[1]), 0);
	on_plain_thread(take_one_give_one, NULL);
	assert_int_equal(fake_consumed(handed), 2 * fake_step(8));
	assert_int_equal(fake_give(handed, in_hand[3]), 0);
	assert_int_equal(fake_give(handed, in_hand[2]), 0);
	assert_int_equal(fake_consumed(handed), 4 * fake_step(8));
	fake_free(handed);
}

TEST(a_ring_that_is_empty_again_is_as_simple_as_before)
{
	struct fake *fake = fake_of(4096);
	const void *record[2];

	for (uint64_t lap = 0; lap < 2; lap++) {
		fake_put_and_take(fake, 8, record, 2);
		assert_int_equal(fake_give(fake, record[1]), 0);
		assert_true(fake->ring.marked);
		assert_int_equal(fake_give(fake, record[0]), 0);
		assert_false(fake->ring.marked);
	}
	fake_free(fake);
}

/* ------------------------------------------------------------------- hostile positions */

TEST_BOTH(positions_that_make_no_sense_are_an_error)
{
	static const uint64_t positions[] = { 4,	  4096 + 8,
					      UINT64_MAX, UINT64_MAX - 7,
					      INT64_MAX,  (uint64_t)1 << 63 };

	for (size_t i = 0; i < COUNT_OF(positions); i++) {
		struct fake *fake = fake_of(4096);

		atomic_store(fake_producer(fake), positions[i]);
		if (positions[i] == 4)
			atomic_store(fake_consumer(fake), 3);
		fake_assert_empty(fake, EBADMSG);
		fake_free(fake);
	}
}

TEST_BOTH(a_consumer_ahead_of_the_producer_is_an_error)
{
	struct fake *fake = fake_of(4096);

	assert_true(fake_put(fake, 1, 8));
	atomic_store(fake_consumer(fake), 1 << 20);
	fake_assert_empty(fake, EBADMSG);
	fake_free(fake);
}

TEST_BOTH(a_record_longer_than_what_was_produced_is_an_error)
{
	struct fake *fake = fake_of(4096);

	fake_submit(fake, fake_reserve(fake, 8));
	atomic_store(fake_word(fake, 0), 4096u);
	fake_assert_empty(fake, EBADMSG);
	atomic_store(fake_word(fake, 0), UINT32_MAX & ~(uint32_t)BPF_RINGBUF_BUSY_BIT);
	fake_assert_empty(fake, EBADMSG);
	fake_free(fake);
}

/* --------------------------------------------------------------------- forced meetings */

static struct fake *met;
static const void *meeting[2];
static struct moment marked, advanced, seen, overtaken;

static void give_second(const char *name)
{
	if (strcmp(name, "ring-advances") == 0) {
		sync_hook = NULL;
		assert_int_equal(fake_give(met, meeting[1]), 0);
	}
}

/* When the position is about to stop at it, and its releaser has not seen that yet. */
TEST(a_record_released_while_the_position_comes_to_it_is_not_left)
{
	fake_among_threads = true;
	met = fake_of(4096);
	fake_put_and_take(met, 8, meeting, 2);
	sync_hook = give_second;
	assert_int_equal(fake_give(met, meeting[0]), 0);
	assert_int_equal(fake_consumed(met), 2 * fake_step(8));
	fake_free(met);
}

static void *give_late(void *arg)
{
	assert_int_equal(fake_give(met, meeting[1]), 0);
	return arg;
}

static pthread_t late;
static bool begun;

/*
 * The second record is marked before the position comes to it, and its releaser sees the
 * position there; but the first one's goes on with both.
 */
static void let_it_be_overtaken(const char *name)
{
	if (strcmp(name, "ring-advances") == 0 && !begun) {
		begun = true;
		late = thread_begin(give_late, NULL);
		moment_await(&marked);
	} else if (strcmp(name, "ring-marked") == 0 && !marked.come) {
		moment_announce(&marked);
		moment_await(&advanced);
	} else if (strcmp(name, "ring-advanced") == 0 && !advanced.come) {
		moment_announce(&advanced);
		moment_await(&seen);
	} else if (strcmp(name, "ring-met") == 0 && !seen.come) {
		moment_announce(&seen);
		moment_await(&overtaken);
	}
}

/*
 * A thread sleeps after it saw its record first of all.  It wakes a lap later, when
 * another record lies there, is given back, and is not first.
 */
TEST(a_thread_that_comes_a_lap_late_moves_nothing)
{
	const size_t bytes = 1024 - BPF_RINGBUF_HDR_SZ;
	const void *record[4];

	fake_among_threads = true;
	met = fake_of(4096);
	fake_put_and_take(met, bytes, meeting, 2);
	sync_hook = let_it_be_overtaken;
	assert_int_equal(fake_give(met, meeting[0]), 0);
	assert_int_equal(fake_consumed(met), 2 * 1024);
	fake_put_and_take(met, bytes, record, 4);
	assert_int_equal(fake_give(met, record[3]), 0); /* where the second was */
	moment_announce(&overtaken);
	thread_end(late);
	assert_int_equal(fake_consumed(met), 2 * 1024);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(fake_give(met, record[i]), 0);
	assert_int_equal(fake_consumed(met), 6 * 1024);
	fake_free(met);
}

/* ---------------------------------------------------------------------------- threads */

#define VALUES 200000
#define READERS 3
#define KEPT 5 /* records that a reader has at most */

struct race {
	struct fake *fake;
	_Atomic uint32_t seen[VALUES];
	_Atomic uint32_t taken;
	_Atomic bool torn;
};

static void check_and_release(struct race *race, const uint64_t *record)
{
	const uint64_t value = record[0];

	if (value >= VALUES || record[1] != ~value)
		race->torn = true;
	else
		atomic_fetch_add(&race->seen[value], 1);
	if (fake_give(race->fake, record) < 0)
		race->torn = true;
}

/* Keeps a few, and gives them back in no order. */
static void *read_many(void *arg)
{
	struct race *race = arg;
	const uint64_t *kept[KEPT] = { NULL };
	unsigned int random = (unsigned int)(uintptr_t)&race;

	while (atomic_load(&race->taken) < VALUES && !race->torn) {
		const unsigned int slot = (random = random * 1103515245u + 12345u) >> 16;
		struct foster_record record;

		if (kept[slot % KEPT])
			check_and_release(race, kept[slot % KEPT]);
		kept[slot % KEPT] = NULL;
		if (fake_read(race->fake, &record) < 1) {
			sched_yield();
			continue;
		}
		atomic_fetch_add(&race->taken, 1);
		kept[slot % KEPT] = record.data;
	}
	for (int i = 0; i < KEPT; i++)
		if (kept[i])
			check_and_release(race, kept[i]);
	return NULL;
}

static bool put_pair(const struct fake *fake, uint64_t value)
{
	const uint64_t at = fake_reserve(fake, 16), pair[] = { value, ~value };

	if (at == UINT64_MAX)
		return false;
	memcpy((char *)fake_word(fake, at) + BPF_RINGBUF_HDR_SZ, pair, sizeof(pair));
	if (value % 16 == 0)
		fake_discard(fake, at);
	else
		fake_submit(fake, at);
	return true;
}

/*
 * A position that moved too far shows as a record that changed under its reader; one that
 * was left behind, as a ring that stays full.
 */
TEST(many_threads_take_each_record_once_and_give_all_back)
{
	struct race *race = calloc(1, sizeof(*race));
	pthread_t readers[READERS];

	race->fake = fake_of(4096);
	for (int i = 0; i < READERS; i++)
		readers[i] = thread_begin(read_many, race);
	for (uint64_t value = 0; value < VALUES && !race->torn;)
		if (put_pair(race->fake, value))
			atomic_fetch_add(&race->taken, value % 16 == 0), value++;
		else
			sched_yield();
	for (int i = 0; i < READERS; i++)
		thread_end(readers[i]);
	assert_false(race->torn);
	for (uint64_t value = 0; value < VALUES; value++)
		assert_int_equal(race->seen[value], value % 16 != 0);
	fake_assert_empty(race->fake, 0);
	assert_int_equal(fake_consumed(race->fake), VALUES * fake_step(16));
	fake_free(race->fake);
	free(race);
}
