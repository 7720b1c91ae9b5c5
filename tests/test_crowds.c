/* SPDX-License-Identifier: BSD-2-Clause */
/* Many threads, known to the collector and unknown, map, drop, close and look up. */
#include "support.h"

#include <pthread.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* In a thread a failed assertion of cmocka cannot unwind: the process ends instead. */
#define must child_check

#define WORKERS 6

struct worker {
	unsigned int seed;
	bool attach;
	bool closes; /* all that it maps */
	int rounds;
};

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* The address is on this frame. */
static NOINLINE void one_region(unsigned int *seed, bool closes)
{
	const size_t pages = 1 + next_random(seed) % 4;
	unsigned char *p = foster_mmap(NULL, pages * page_size(), RW, ANON, -1, 0);
	struct foster_info info = FOSTER_INFO_INIT;
	const unsigned char fill = (unsigned char)next_random(seed);
	const unsigned int choice = next_random(seed) % 8;

	must(p != MAP_FAILED);
	must(p[0] == 0 && p[pages * page_size() - 1] == 0);
	memset(p, fill, pages * page_size());
	if (choice == 0)
		must(foster_collect(60000) >= 0);
	if (choice == 1)
		must(foster_pin(p) == 0 && foster_unpin(p + 1) == 0);
	must(foster_info(p + page_size() - 1, &info) == 0 && info.base == p);
	must(p[0] == fill && p[pages * page_size() - 1] == fill);
	if (closes || choice == 2)
		must(foster_close(p) == 0);
	else if (choice == 3)
		must(foster_munmap(p, page_size()) == 0);
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	if (worker->attach)
		must(foster_thread_attach() == 0);
	for (int i = 0; i < worker->rounds; i++)
		one_region(&worker->seed, worker->closes);
	if (worker->attach)
		must(foster_thread_detach() == 0);
	return NULL;
}

static bool nothing_lives(void *arg UNUSED)
{
	return stats_now().regions + stats_now().revoked == 0;
}

enum crowd { KNOWN, UNKNOWN, BOTH };

/* Without the sweep, the regions of those that are unknown are kept until they are closed. */
static void check_crowd(enum crowd crowd, bool swept)
{
	struct worker worker[WORKERS];
	pthread_t thread[WORKERS];

	for (unsigned int i = 0; i < WORKERS; i++) {
		bool known = crowd == BOTH ? i % 2 : crowd == KNOWN;

		worker[i] = (struct worker){ 12345 + i, known, !known && !swept, 400 };
		thread[i] = thread_begin(work, &worker[i]);
	}
	for (size_t i = 0; i < WORKERS; i++)
		thread_end(thread[i]);
	forget();
	assert_true(collecting_until(nothing_lives, NULL, ROUNDS));
	assert_int_equal(stats_now().mapped, WORKERS * 400);
	assert_int_equal(stats_now().abandoned, 0);
}

TEST_WITHIN(many_attached_threads_map_drop_and_collect, 120)
{
	assert_int_equal(foster_init(NULL), 0);
	check_crowd(KNOWN, true);
}

TEST_WITHIN(many_unknown_threads_map_drop_and_collect, 120)
{
	assert_int_equal(foster_init(NULL), 0);
	check_crowd(UNKNOWN, true);
}

TEST_WITHIN(known_and_unknown_threads_work_side_by_side, 120)
{
	assert_int_equal(foster_init(NULL), 0);
	check_crowd(BOTH, true);
}

TEST_WITHIN(without_the_sweep_many_unknown_threads_map_close_and_collect, 120)
{
	init_without_sweep();
	check_crowd(UNKNOWN, false);
}

TEST_WITHIN(without_the_sweep_known_and_unknown_threads_work_side_by_side, 120)
{
	init_without_sweep();
	check_crowd(BOTH, false);
}

static void *attach_detach_often(void *arg UNUSED)
{
	for (int i = 0; i < 200; i++) {
		void *volatile slot;
		struct mark mark;

		must(foster_thread_attach() == 0);
		mark = make_anon_region(&slot, 1, AT_BASE);
		must(mark_pattern_holds(&mark));
		slot = NULL;
		must(foster_thread_detach() == 0);
	}
	return NULL;
}

TEST_WITHIN(threads_come_and_go_while_others_collect, 120)
{
	pthread_t thread[4];

	assert_int_equal(foster_init(NULL), 0);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(attach_detach_often, NULL);
	for (int i = 0; i < 60; i++)
		assert_true(foster_collect(60000) >= 0);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	forget();
	assert_true(collecting_until(nothing_lives, NULL, ROUNDS));
}

/* --------------------------------------------------- lookups while everything changes */

static struct {
	_Atomic uintptr_t complement; /* of a region that may be gone by now */
	_Atomic bool stop;
	_Atomic uint64_t found, missed;
} lookup;

static void *look_up(void *arg UNUSED)
{
	while (!atomic_load(&lookup.stop)) {
		const struct hidden h = { atomic_load(&lookup.complement) };
		struct foster_info info = FOSTER_INFO_INIT;
		const int r = foster_info((char *)hidden_show(h) + 5, &info);

		must(r == 0 || r == -ENOENT);
		if (r == 0) {
			must(info.id && info.len && info.source == FOSTER_SOURCE_ANON);
			must((uintptr_t)hidden_show(h) + 5 - (uintptr_t)info.base <
			     info.len);
		}
		atomic_fetch_add(r ? &lookup.missed : &lookup.found, 1);
	}
	return NULL;
}

TEST(a_lookup_finds_a_whole_region_or_none_while_they_come_and_go)
{
	const uint64_t end = now_ms() + 1500;
	pthread_t thread;
	unsigned int seed = 7;

	assert_int_equal(foster_init(NULL), 0);
	atomic_store(&lookup.complement, hidden_of(&lookup).complement);
	thread = thread_begin(look_up, NULL);
	while (now_ms() < end) {
		void *volatile slot;
		struct mark mark =
			make_anon_region(&slot, 1 + next_random(&seed) % 8, AT_BASE);

		atomic_store(&lookup.complement, mark.base.complement);
		if (next_random(&seed) % 2)
			assert_int_equal(foster_close(slot), 0);
		slot = NULL;
		if (next_random(&seed) % 8 == 0)
			assert_true(foster_collect(20000) >= 0);
	}
	atomic_store(&lookup.stop, true);
	thread_end(thread);
	assert_true(lookup.found > 0);
}
