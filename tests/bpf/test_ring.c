// SPDX-License-Identifier: BSD-2-Clause
/*
 * The reader of a ring buffer, on memory in which the test is the kernel: records that
 * are not finished, positions that make no sense, many threads.
 */
#include "../support.h"

#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>

#include "base/sync.h"
#include "bpf/ring.h"

/* A ring as the kernel shows it, all of it writable. */
struct fake {
	char *base;
	size_t page;
	size_t size;
	struct ring ring;
};

static _Atomic uint64_t *consumer_of(const struct fake *fake)
{
	return (_Atomic uint64_t *)fake->base;
}

static _Atomic uint64_t *producer_of(const struct fake *fake)
{
	return (_Atomic uint64_t *)(fake->base + fake->page);
}

static struct fake *fake_of(size_t size)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	const size_t page = page_size();
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_non_null(fake);
	assert_int_equal(ftruncate(fd, (off_t)(2 * page + size)), 0);
	fake->page = page;
	fake->size = size;
	fake->base =
		mmap(NULL, ring_bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(fake->base, MAP_FAILED);
	assert_ptr_not_equal(mmap(fake->base + 2 * page + size, size,
				  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
				  (off_t)(2 * page)),
			     MAP_FAILED);
	close(fd);
	assert_int_equal(ring_init(&fake->ring, fake->base, size), 0);
	return fake;
}

static void fake_free(struct fake *fake)
{
	ring_done(&fake->ring);
	munmap(fake->base, ring_bytes(fake->size));
	free(fake);
}

static _Atomic uint32_t *word_at(const struct fake *fake, uint64_t at)
{
	return (_Atomic uint32_t *)(fake->base + 2 * fake->page +
				    (at & (fake->size - 1)));
}

static uint64_t step_of(size_t bytes)
{
	return (bytes + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7);
}

/* As bpf_ringbuf_reserve(): where the record begins, or UINT64_MAX where no room is. */
static uint64_t reserve(const struct fake *fake, size_t bytes)
{
	const uint64_t at = atomic_load(producer_of(fake));

	if (at + step_of(bytes) - atomic_load(consumer_of(fake)) > fake->size)
		return UINT64_MAX;
	atomic_store(word_at(fake, at), (uint32_t)bytes | (uint32_t)BPF_RINGBUF_BUSY_BIT);
	atomic_store(producer_of(fake), at + step_of(bytes));
	return at;
}

static void submit(const struct fake *fake, uint64_t at)
{
	atomic_fetch_and(word_at(fake, at), ~(uint32_t)BPF_RINGBUF_BUSY_BIT);
}

static void discard(const struct fake *fake, uint64_t at)
{
	atomic_fetch_or(word_at(fake, at), (uint32_t)BPF_RINGBUF_DISCARD_BIT);
	submit(fake, at);
}

static bool put(const struct fake *fake, uint64_t value, size_t bytes)
{
	const uint64_t at = reserve(fake, bytes);

	if (at == UINT64_MAX)
		return false;
	memcpy((char *)word_at(fake, at) + BPF_RINGBUF_HDR_SZ, &value, sizeof(value));
	submit(fake, at);
	return true;
}

static const void *take(struct fake *fake, uint64_t value)
{
	struct foster_record record = { 0 };

	assert_int_equal(ring_read(&fake->ring, &record, 1), 1);
	assert_int_equal(*(const uint64_t *)record.data, value);
	return record.data;
}

static void assert_empty(struct fake *fake, int error)
{
	struct foster_record record;

	assert_int_equal(ring_read(&fake->ring, &record, 1), -error);
}

static int give(struct fake *fake, const void *data)
{
	const struct foster_record record = { .data = data };

	return ring_release(&fake->ring, &record, 1);
}

static uint64_t consumed(const struct fake *fake)
{
	return atomic_load(consumer_of(fake));
}

/* ------------------------------------------------------------------------- one thread */

TEST(a_record_that_is_not_finished_is_not_read)
{
	struct fake *fake = fake_of(4096);
	uint64_t at = reserve(fake, 8);

	assert_empty(fake, 0);
	submit(fake, at);
	assert_non_null(take(fake, 0));
	fake_free(fake);
}

TEST(an_unfinished_record_holds_up_those_behind_it)
{
	struct fake *fake = fake_of(4096);
	uint64_t at = reserve(fake, 8);

	assert_true(put(fake, 7, 8));
	assert_empty(fake, 0);
	discard(fake, at);
	take(fake, 7);
	fake_free(fake);
}

TEST(discarded_records_give_their_room_back)
{
	struct fake *fake = fake_of(4096);

	discard(fake, reserve(fake, 8));
	discard(fake, reserve(fake, 100));
	assert_empty(fake, 0);
	assert_int_equal(consumed(fake), step_of(8) + step_of(100));
	fake_free(fake);
}

TEST(a_discarded_record_behind_a_kept_one_goes_with_it)
{
	struct fake *fake = fake_of(4096);
	const void *record;

	assert_true(put(fake, 1, 8));
	discard(fake, reserve(fake, 8));
	assert_true(put(fake, 2, 8));
	record = take(fake, 1);
	take(fake, 2);
	assert_int_equal(consumed(fake), 0);
	assert_int_equal(give(fake, record), 0);
	assert_int_equal(consumed(fake), 2 * step_of(8));
	fake_free(fake);
}

TEST(the_position_goes_as_far_as_records_are_released)
{
	struct fake *fake = fake_of(4096);
	const void *record[4];

	for (uint64_t i = 0; i < COUNT_OF(record); i++) {
		assert_true(put(fake, i, 8));
		record[i] = take(fake, i);
	}
	assert_int_equal(give(fake, record[2]), 0);
	assert_int_equal(give(fake, record[1]), 0);
	assert_int_equal(consumed(fake), 0);
	assert_int_equal(give(fake, record[0]), 0);
	assert_int_equal(consumed(fake), 3 * step_of(8));
	assert_int_equal(give(fake, record[3]), 0);
	assert_int_equal(consumed(fake), 4 * step_of(8));
	fake_free(fake);
}

/* The one record takes all of the ring, so that the next begins where it began. */
TEST(a_record_as_large_as_the_ring_comes_and_goes)
{
	struct fake *fake = fake_of(4096);

	for (uint64_t i = 0; i < 3; i++) {
		assert_true(put(fake, i, 4096 - BPF_RINGBUF_HDR_SZ));
		assert_int_equal(give(fake, take(fake, i)), 0);
		assert_int_equal(consumed(fake), (i + 1) * 4096);
	}
	fake_free(fake);
}

TEST(a_record_of_no_bytes_counts)
{
	struct fake *fake = fake_of(4096);
	struct foster_record record = { .bytes = 1 };

	submit(fake, reserve(fake, 0));
	assert_int_equal(ring_read(&fake->ring, &record, 1), 1);
	assert_int_equal(record.bytes, 0);
	assert_int_equal(give(fake, record.data), 0);
	assert_int_equal(consumed(fake), BPF_RINGBUF_HDR_SZ);
	fake_free(fake);
}

TEST(what_is_no_kept_record_is_not_released)
{
	struct fake *fake = fake_of(4096);
	const char *record;

	assert_true(put(fake, 1, 64));
	assert_true(put(fake, 2, 64));
	record = take(fake, 1);
	assert_int_equal(give(fake, record + 1), -EINVAL);
	assert_int_equal(give(fake, record + step_of(64)), -EINVAL);
	assert_int_equal(give(fake, record + fake->size), -EINVAL);
	assert_int_equal(give(fake, fake->base), -EINVAL);
	assert_int_equal(give(fake, record), 0);
	assert_int_equal(give(fake, record), -EINVAL);
	assert_int_equal(consumed(fake), step_of(64));
	fake_free(fake);
}

TEST(what_another_reader_took_is_passed_over)
{
	struct fake *fake = fake_of(4096);

	for (uint64_t i = 0; i < 3; i++)
		assert_true(put(fake, i, 8));
	atomic_store(consumer_of(fake), 2 * step_of(8));
	assert_int_equal(give(fake, take(fake, 2)), 0);
	assert_int_equal(consumed(fake), 3 * step_of(8));
	fake_free(fake);
}

TEST(a_run_of_records_is_taken_and_given_back_at_once)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[8];

	for (uint64_t i = 0; i < 10; i++)
		assert_true(put(fake, i, 8));
	discard(fake, reserve(fake, 8));
	assert_true(put(fake, 10, 8));
	assert_int_equal(ring_read(&fake->ring, records, 8), 8);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(*(const uint64_t *)records[i].data, i);
	assert_int_equal(ring_release(&fake->ring, records + 4, 4), 0);
	assert_int_equal(consumed(fake), 0);
	assert_int_equal(ring_release(&fake->ring, records, 4), 0);
	assert_int_equal(consumed(fake), 8 * step_of(8));
	assert_int_equal(ring_read(&fake->ring, records, 8), 3);
	assert_int_equal(*(const uint64_t *)records[2].data, 10);
	assert_int_equal(ring_release(&fake->ring, records, 3), 0);
	assert_int_equal(consumed(fake), 12 * step_of(8));
	fake_free(fake);
}

TEST(a_run_with_one_that_is_none_gives_the_others_back)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[3];

	for (uint64_t i = 0; i < 3; i++)
		assert_true(put(fake, i, 8));
	assert_int_equal(ring_read(&fake->ring, records, 3), 3);
	records[1].data = records[0].data;
	assert_int_equal(ring_release(&fake->ring, records, 3), -EINVAL);
	assert_int_equal(consumed(fake), step_of(8));
	fake_free(fake);
}

TEST(a_record_that_waits_for_an_older_one_is_released_once)
{
	struct fake *fake = fake_of(4096);
	const void *record[2];

	for (uint64_t i = 0; i < 2; i++) {
		assert_true(put(fake, i, 8));
		record[i] = take(fake, i);
	}
	assert_int_equal(give(fake, record[1]), 0);
	assert_int_equal(give(fake, record[1]), -EINVAL);
	assert_int_equal(give(fake, record[0]), 0);
	assert_int_equal(consumed(fake), 2 * step_of(8));
	fake_free(fake);
}

TEST(the_second_copy_of_the_data_has_no_records)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[2];

	for (uint64_t i = 0; i < 2; i++)
		assert_true(put(fake, i, 8));
	assert_int_equal(ring_read(&fake->ring, records, 2), 2);
	records[1].data = (const char *)records[1].data + fake->size;
	assert_int_equal(ring_release(&fake->ring, records, 2), -EINVAL);
	assert_int_equal(consumed(fake), step_of(8));
	fake_free(fake);
}

TEST(a_run_of_records_that_were_not_handed_out_is_not_released)
{
	struct fake *fake = fake_of(4096);
	struct foster_record records[2];

	for (uint64_t i = 0; i < 2; i++)
		assert_true(put(fake, i, 8));
	assert_int_equal(ring_read(&fake->ring, records, 1), 1);
	records[1].data = (const char *)records[0].data + step_of(8);
	assert_int_equal(ring_release(&fake->ring, records, 2), -EINVAL);
	assert_int_equal(consumed(fake), step_of(8));
	take(fake, 1);
	fake_free(fake);
}

TEST(the_middle_of_a_record_gives_nothing_back)
{
	struct fake *fake = fake_of(4096);
	const char *record[3];

	for (uint64_t lap = 0; lap < 3; lap++) {
		for (uint64_t i = 0; i < 3; i++) {
			assert_true(put(fake, i, 1016));
			record[i] = take(fake, i);
		}
		(void)give(fake, record[0] + 8);
		(void)give(fake, record[1] + 512);
		assert_int_equal(consumed(fake), 3072 * lap);
		assert_int_equal(give(fake, record[0]), 0);
		assert_int_equal(consumed(fake), 3072 * lap + 1024);
		assert_int_equal(give(fake, record[2]), 0);
		assert_int_equal(give(fake, record[1]), 0);
		assert_int_equal(consumed(fake), 3072 * (lap + 1));
	}
	fake_free(fake);
}

/* ------------------------------------------------------------------- hostile positions */

TEST(positions_that_make_no_sense_are_an_error)
{
	static const uint64_t positions[] = { 4,	  4096 + 8,
					      UINT64_MAX, UINT64_MAX - 7,
					      INT64_MAX,  (uint64_t)1 << 63 };

	for (size_t i = 0; i < COUNT_OF(positions); i++) {
		struct fake *fake = fake_of(4096);

		atomic_store(producer_of(fake), positions[i]);
		if (positions[i] == 4)
			atomic_store(consumer_of(fake), 3);
		assert_empty(fake, EBADMSG);
		fake_free(fake);
	}
}

TEST(a_consumer_ahead_of_the_producer_is_an_error)
{
	struct fake *fake = fake_of(4096);

	assert_true(put(fake, 1, 8));
	atomic_store(consumer_of(fake), 1 << 20);
	assert_empty(fake, EBADMSG);
	fake_free(fake);
}

TEST(a_record_longer_than_what_was_produced_is_an_error)
{
	struct fake *fake = fake_of(4096);

	submit(fake, reserve(fake, 8));
	atomic_store(word_at(fake, 0), 4096u);
	assert_empty(fake, EBADMSG);
	atomic_store(word_at(fake, 0), UINT32_MAX & ~(uint32_t)BPF_RINGBUF_BUSY_BIT);
	assert_empty(fake, EBADMSG);
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
		assert_int_equal(give(met, meeting[1]), 0);
	}
}

/* When the position is about to stop at it, and its releaser has not seen that yet. */
TEST(a_record_released_while_the_position_comes_to_it_is_not_left)
{
	met = fake_of(4096);
	for (uint64_t i = 0; i < 2; i++) {
		assert_true(put(met, i, 8));
		meeting[i] = take(met, i);
	}
	sync_hook = give_second;
	assert_int_equal(give(met, meeting[0]), 0);
	assert_int_equal(consumed(met), 2 * step_of(8));
	fake_free(met);
}

static void *give_late(void *arg)
{
	assert_int_equal(give(met, meeting[1]), 0);
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

	met = fake_of(4096);
	for (uint64_t i = 0; i < 2; i++) {
		assert_true(put(met, i, bytes));
		meeting[i] = take(met, i);
	}
	sync_hook = let_it_be_overtaken;
	assert_int_equal(give(met, meeting[0]), 0);
	assert_int_equal(consumed(met), 2 * 1024);
	for (uint64_t i = 0; i < 4; i++) {
		assert_true(put(met, i, bytes));
		record[i] = take(met, i);
	}
	assert_int_equal(give(met, record[3]), 0); /* where the second was */
	moment_announce(&overtaken);
	thread_end(late);
	assert_int_equal(consumed(met), 2 * 1024);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(give(met, record[i]), 0);
	assert_int_equal(consumed(met), 6 * 1024);
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
	if (give(race->fake, record) < 0)
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
		if (ring_read(&race->fake->ring, &record, 1) < 1) {
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
	const uint64_t at = reserve(fake, 16), pair[] = { value, ~value };

	if (at == UINT64_MAX)
		return false;
	memcpy((char *)word_at(fake, at) + BPF_RINGBUF_HDR_SZ, pair, sizeof(pair));
	if (value % 16 == 0)
		discard(fake, at);
	else
		submit(fake, at);
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
	assert_empty(race->fake, 0);
	assert_int_equal(consumed(race->fake), VALUES * step_of(16));
	fake_free(race->fake);
	free(race);
}
