/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the moment that decides and the verdict, threads run.  None of them has a pointer to
 * what is to go; but foster_for_each() gives out such pointers, and collections may happen.  And
 * what becomes of a region that a verdict has kept.
 */
#include "adopting.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/sync.h"

static struct moment decided, done;
static _Atomic bool armed;

/* The first round of all. */
static void wait_decided(const char *point)
{
	if (strcmp(point, "sweep-decided") || !atomic_exchange(&armed, false))
		return;
	moment_announce(&decided);
	moment_await(&done);
}

static void begin_way(unsigned int way)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.idle_collect_ms = FOSTER_NEVER;
	options.sweep = way;
	assert_int_equal(foster_init(&options), 0);
}

/* What fn does, another thread does after the moment. */
static void collect_and_meanwhile(void *(*fn)(void *))
{
	pthread_t thread = thread_begin(fn, NULL);

	forget();
	atomic_store(&armed, true);
	sync_hook = wait_decided;
	/* -EAGAIN, where rounds cannot decide. */
	(void)foster_collect(60000);
	assert_false(atomic_load(&armed));
	thread_end(thread);
	sync_hook = NULL;
}

/* ------------------------------------------------------------------- what is shown */

enum { OVERLAID, PAGES, BYTES, REGIONS };

static void *volatile shown[REGIONS];
static unsigned int visited;

static int store_base(const struct foster_info *info, void *arg UNUSED)
{
	child_check(visited < REGIONS);
	shown[visited++] = info->base;
	return 0;
}

static void *visit(void *arg UNUSED)
{
	moment_await(&decided);
	child_check(foster_for_each(store_base, NULL) == 0);
	forget();
	moment_announce(&done);
	return NULL;
}

static NOINLINE void make_regions(struct mark *marks)
{
	marks[OVERLAID] = make_dropped(2);
	marks[PAGES] = adopt_pages(NULL, 2);
	marks[BYTES] = adopt_bytes(NULL, hidden_of(area_new(1) + 333), 100, NULL);
}

static void check_visit(unsigned int way)
{
	struct mark marks[REGIONS];

	begin_way(way);
	make_regions(marks);
	collect_and_meanwhile(visit);
	assert_int_equal(visited, REGIONS);
	for (unsigned int i = 0; i < REGIONS; i++)
		assert_stays(&marks[i]);
	for (unsigned int i = 0; i < REGIONS; i++)
		shown[i] = NULL;
	for (unsigned int i = 0; i < REGIONS; i++)
		assert_goes(&marks[i]);
}

TEST(pause_keeps_what_a_visit_shows_after_the_moment)
{
	check_visit(FOSTER_SWEEP_PAUSE);
}

TEST(tracked_keeps_what_a_visit_shows_after_the_moment)
{
	check_visit(FOSTER_SWEEP_TRACKED);
}

TEST(snapshot_keeps_what_a_visit_shows_after_the_moment)
{
	check_visit(FOSTER_SWEEP_SNAPSHOT);
}

/* ------------------------------------------------------------ marks of another moment */

static void *collect_once_more(void *arg UNUSED)
{
	child_check(foster_thread_attach() == 0);
	moment_await(&decided);
	GC_gcollect();
	moment_announce(&done);
	return NULL;
}

/* The copy's words in unmarked objects are judged by marks, which must be those of its moment. */
TEST(after_another_collection_a_snapshot_decides_nothing)
{
	struct foster_stats before;
	struct mark mark;

	begin_way(FOSTER_SWEEP_SNAPSHOT);
	mark = make_dropped(2);
	before = stats_now();
	collect_and_meanwhile(collect_once_more);
	assert_int_equal(stats_now().undecided, before.undecided + 1);
	assert_goes(&mark);
}

/* ------------------------------------------------------------------ what a verdict kept */

static bool was_kept(void *times)
{
	return stats_now().kept >= *(uint64_t *)times;
}

static bool has_gone(void *mark)
{
	return !mark_is_tracked(mark);
}

/* With each round that finds a pointer it is left alone for longer, but not for ever. */
TEST(what_was_kept_is_looked_at_again_unasked)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	void *volatile *holder = malloc(64);
	uint64_t times = 2;
	struct mark mark;

	options.idle_collect_ms = 20;
	options.idle_budget_permille = 1000;
	assert_int_equal(foster_init(&options), 0);
	assert_non_null(holder);
	mark = adopt_bytes(&holder[2], hidden_of(area_new(1) + 333), 100, NULL);
	forget();
	assert_true(wait_until(was_kept, &times, 60000));
	assert_true(mark_is_tracked(&mark));
	holder[2] = NULL;
	assert_true(wait_until(has_gone, &mark, 60000));
	free((void *)holder);
}
