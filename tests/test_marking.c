/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the end of marking and the collector's word that it saw no pointer, threads
 * run.  A pointer that appears in this time was not seen, and must count all the same.
 *
 * libgc tells of the moment (GC_EVENT_RECLAIM_START); its lock is held then, so what
 * happens in it happens on another thread, and without calls of the collector.
 */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/sync.h"

static struct {
	struct moment marked, done;
	_Atomic bool armed;
} window;

static void GC_CALLBACK on_event(GC_EventType event)
{
	if (event != GC_EVENT_RECLAIM_START || !atomic_exchange(&window.armed, false))
		return;
	moment_announce(&window.marked);
	moment_await(&window.done);
}

static void watch_events_with(unsigned int sweep)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.sweep = sweep;
	assert_int_equal(foster_init(&options), 0);
	GC_set_on_collection_event(on_event);
}

static void watch_events(void)
{
	watch_events_with(FOSTER_SWEEP_DEFAULT);
}

/* One collection, in which the other thread has its moment. */
static void collect_with_window(void)
{
	forget();
	atomic_store(&window.armed, true);
	assert_true(foster_collect(60000) >= 0);
	assert_false(atomic_load(&window.armed));
}

/* ------------------------------------------------------------------------------ birth */

static _Atomic bool stop_newborn;
static struct moment newborn;

/* Holds the thread that has a range from the pool, and no pointer to it yet. */
static void wait_newborn(const char *point)
{
	if (strcmp(point, "newborn") || !atomic_exchange(&stop_newborn, false))
		return;
	forget();
	moment_announce(&newborn);
	moment_await(&window.marked);
}

struct maker {
	int fd;
	struct hidden base;
	struct mark mark;
	bool intact;
	struct moment decided;
};

/* No call is given the pointer before the decision: that alone would keep the region. */
static NOINLINE void map_in_window(struct maker *maker)
{
	const size_t len = 2 * page_size();
	void *volatile on_stack =
		foster_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, maker->fd, 0);

	child_check(on_stack != MAP_FAILED);
	maker->base = hidden_of(on_stack);
	moment_announce(&window.done);
	moment_await(&maker->decided);
	maker->intact = maps_count_inode(inode_of(maker->fd)) &&
			pattern_holds(on_stack, len, 0);
	maker->mark = mark_of(on_stack);
	on_stack = NULL;
}

static void *map_on_attached_thread(void *arg)
{
	child_check(foster_thread_attach() == 0);
	map_in_window(arg);
	return NULL;
}

TEST(a_region_born_after_marking_is_kept)
{
	struct maker maker = { .fd = pattern_memfd(2 * page_size(), 0) };
	struct mark pooled;
	pthread_t thread;

	watch_events();
	pooled = make_dropped(2);
	assert_goes(&pooled);
	assert_int_equal(stats_now().pool_ranges, 1);
	atomic_store(&stop_newborn, true);
	sync_hook = wait_newborn;
	thread = thread_begin(map_on_attached_thread, &maker);
	moment_await(&newborn);
	collect_with_window();
	sync_hook = NULL;
	assert_true(maker.base.complement == pooled.base.complement);
	moment_announce(&maker.decided);
	thread_end(thread);
	assert_true(maker.intact);
	assert_goes(&maker.mark);
}

/* --------------------------------------------------------- pointers that calls reveal */

/* Runs fn(mark) on a thread, which has the window between marking and its outcome. */
static void in_window(void *(*fn)(void *), struct mark *mark)
{
	pthread_t thread = thread_begin(fn, mark);

	collect_with_window();
	thread_end(thread);
}

static void assert_whole(const struct mark *mark)
{
	assert_true(mark_is_tracked(mark));
	assert_true(mark_is_mapped(mark));
	assert_true(mark_pattern_holds(mark));
}

static void *volatile revealed;

static int store_base(const struct foster_info *info, void *arg UNUSED)
{
	revealed = info->base;
	return 1;
}

static void *visit_in_window(void *arg UNUSED)
{
	moment_await(&window.marked);
	child_check(foster_for_each(store_base, NULL) == 1);
	forget();
	moment_announce(&window.done);
	return NULL;
}

static void check_visit(unsigned int sweep)
{
	struct mark mark;

	watch_events_with(sweep);
	mark = make_dropped(2);
	in_window(visit_in_window, &mark);
	if (!revealed)
		test_skip("the region went before the visit");
	assert_whole(&mark);
	revealed = NULL;
	assert_goes(&mark);
}

TEST(a_pointer_that_a_visit_gave_after_marking_counts)
{
	check_visit(FOSTER_SWEEP_DEFAULT);
}

/* The sign of that very collection would be the last word. */
TEST(without_the_sweep_a_pointer_that_a_visit_gave_after_marking_counts)
{
	check_visit(FOSTER_SWEEP_OFF);
}

static void *unpin_in_window(void *arg)
{
	const struct mark *mark = arg;

	moment_await(&window.marked);
	revealed = hidden_show(mark->base);
	child_check(foster_unpin(revealed) == 0);
	forget();
	moment_announce(&window.done);
	return NULL;
}

/* A region that its pin alone has kept. */
static struct mark make_only_pinned(void)
{
	struct mark mark;

	watch_events();
	mark = make_memfd_region(&revealed, 2, AT_BASE);
	assert_int_equal(foster_pin(revealed), 0);
	revealed = NULL;
	collect_times(1);
	return mark;
}

TEST(a_pointer_whose_pin_was_taken_back_after_marking_counts)
{
	struct mark mark = make_only_pinned();

	in_window(unpin_in_window, &mark);
	assert_whole(&mark);
	revealed = NULL;
	assert_goes(&mark);
}

static void *close_in_window(void *arg)
{
	const struct mark *mark = arg;

	moment_await(&window.marked);
	revealed = hidden_show(mark->base);
	child_check(foster_unpin(revealed) == 0);
	child_check(foster_close(revealed) == 0);
	forget();
	moment_announce(&window.done);
	return NULL;
}

TEST(a_stale_pointer_that_appeared_after_marking_reserves_the_addresses)
{
	struct mark mark = make_only_pinned();

	in_window(close_in_window, &mark);
	assert_true(mark_is_tracked(&mark));
	assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
	revealed = NULL;
	assert_goes(&mark);
}

static void *collect_meanwhile(void *arg UNUSED)
{
	child_check(foster_collect(60000) >= 0);
	return NULL;
}

/* --------------------------------------------------- between the sign and its outcome */

static _Atomic bool stop_settling;
static struct moment settling, settle;

static void wait_settling(const char *point)
{
	if (strcmp(point, "settle") || !atomic_exchange(&stop_settling, false))
		return;
	moment_announce(&settling);
	moment_await(&settle);
}

/*
 * Foster's thread has the region in hand; a call that is given a pointer withdraws the
 * doubt.
 */
static pthread_t stop_before_outcome(void)
{
	pthread_t thread;

	atomic_store(&stop_settling, true);
	sync_hook = wait_settling;
	forget();
	thread = thread_begin(collect_meanwhile, NULL);
	moment_await(&settling);
	return thread;
}

/* The same with a region that has just been dropped. */
static pthread_t stop_with_dropped(struct mark *mark)
{
	assert_int_equal(foster_init(NULL), 0);
	*mark = make_dropped(2);
	return stop_before_outcome();
}

static void let_settle(pthread_t thread)
{
	moment_announce(&settle);
	thread_end(thread);
	sync_hook = NULL;
}

TEST(a_call_with_a_pointer_withdraws_the_doubt)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct mark mark;
	pthread_t thread;

	thread = stop_with_dropped(&mark);
	revealed = hidden_show(mark.base);
	assert_int_equal(foster_info(revealed, &info), 0);
	assert_int_equal(info.state, FOSTER_LIVE);
	let_settle(thread);
	assert_int_equal(stats_now().revived, 1);
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	memset(&info, 0, sizeof(info));
	revealed = NULL;
	assert_goes(&mark);
}

TEST(a_pin_withdraws_the_doubt)
{
	struct mark mark;
	pthread_t thread;

	thread = stop_with_dropped(&mark);
	assert_int_equal(foster_pin(hidden_show(mark.base)), 0);
	let_settle(thread);
	assert_stays(&mark);
	assert_int_equal(foster_unpin(hidden_show(mark.base)), 0);
	assert_goes(&mark);
}

/* Two regions without a pointer to them; the second has one in the first. */
static NOINLINE void make_pair(struct mark *holder, struct mark *held)
{
	void *volatile *p = foster_mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	*holder = mark_of((void *)p);
	*held = make_memfd_region(p, 2, AT_BASE);
}

TEST(what_a_region_pinned_in_doubt_points_to_stays)
{
	struct mark holder, held;
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	make_pair(&holder, &held);
	thread = stop_before_outcome();
	assert_int_equal(foster_pin(hidden_show(holder.base)), 0);
	let_settle(thread);
	assert_stays(&held);
	assert_true(mark_pattern_holds(&held));
	assert_true(mark_is_tracked(&holder));
	assert_int_equal(foster_unpin(hidden_show(holder.base)), 0);
	assert_goes(&held);
	assert_goes(&holder);
}

static _Atomic unsigned int shown;

static int count_shown(const struct foster_info *info UNUSED, void *arg UNUSED)
{
	atomic_fetch_add(&shown, 1);
	return 0;
}

static void *show_all(void *arg UNUSED)
{
	child_check(foster_for_each(count_shown, NULL) == 0);
	return NULL;
}

static struct moment show_waits;

static void wait_settling_or_shown(const char *point)
{
	wait_settling(point);
	if (!strcmp(point, "show-waits"))
		moment_announce(&show_waits);
}

/* It needs no pointer to give one out, so it waits until all verdicts are passed. */
TEST(while_verdicts_are_passed_nothing_is_shown)
{
	struct mark holder, held;
	pthread_t collects, shows;

	assert_int_equal(foster_init(NULL), 0);
	make_pair(&holder, &held);
	collects = stop_before_outcome();
	sync_hook = wait_settling_or_shown;
	shows = thread_begin(show_all, NULL);
	moment_await(&show_waits);
	assert_int_equal(shown, 0);
	let_settle(collects);
	thread_end(shows);
	assert_int_equal(shown, 0);
	assert_false(mark_is_tracked(&holder));
	assert_false(mark_is_tracked(&held));
}

TEST(a_region_in_doubt_can_be_closed)
{
	struct mark mark;
	pthread_t thread;

	thread = stop_with_dropped(&mark);
	revealed = hidden_show(mark.base);
	assert_int_equal(foster_close(revealed), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
	let_settle(thread);
	collect_times(ROUNDS);
	assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
	revealed = NULL;
	assert_goes(&mark);
}

TEST(a_region_in_doubt_can_be_disowned)
{
	struct mark mark;
	pthread_t thread;

	thread = stop_with_dropped(&mark);
	assert_int_equal(foster_disown(hidden_show(mark.base)), 0);
	let_settle(thread);
	collect_times(ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_true(mark_pattern_holds(&mark));
}

TEST(a_region_in_doubt_that_is_left_alone_goes)
{
	struct mark mark;
	pthread_t thread;

	thread = stop_with_dropped(&mark);
	let_settle(thread);
	assert_false(mark_is_tracked(&mark));
	assert_int_equal(maps_count_inode(mark.inode), 0);
}
