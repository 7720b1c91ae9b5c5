/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting and stopping: foster_init(), foster_fini(), first use on any thread. */
#include "support.h"

#include <pthread.h>
#include <sys/wait.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/sync.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#define must child_check

static void *volatile kept;

static char *map_page(void)
{
	return foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
}

/* ---------------------------------------------------------------------------- options */

TEST(the_defaults_may_be_taken_again_and_again)
{
	assert_int_equal(foster_init(NULL), 0);
	assert_int_equal(foster_init(NULL), 0);
}

TEST(options_are_taken_the_first_time_only)
{
	const struct foster_options options = FOSTER_OPTIONS_INIT;

	assert_int_equal(foster_init(&options), 0);
	assert_fails(EALREADY, foster_init(&options));
	assert_int_equal(foster_init(NULL), 0);
}

TEST(options_after_the_first_use_are_too_late)
{
	const struct foster_options options = FOSTER_OPTIONS_INIT;

	kept = map_page();
	assert_ptr_not_equal(kept, MAP_FAILED);
	assert_fails(EALREADY, foster_init(&options));
}

TEST(an_options_size_of_no_version_is_invalid)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.size = 0;
	assert_fails(EINVAL, foster_init(&options));
	options.size = sizeof(options) - 1;
	assert_fails(EINVAL, foster_init(&options));
	assert_int_equal(GC_is_init_called(), 0);
	options.size = sizeof(options);
	assert_int_equal(foster_init(&options), 0);
}

TEST(an_unknown_way_to_sweep_is_refused)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.sweep = FOSTER_SWEEP_OFF + 1;
	assert_fails(EINVAL, foster_init(&options));
	options.sweep = FOSTER_SWEEP_DEFAULT;
	assert_int_equal(foster_init(&options), 0);
}

static void *volatile *cell;

/* The only pointer goes to malloc memory. */
static struct mark make_in_malloc(unsigned int sweep)
{
	struct foster_options options = { .size = sizeof(options),
					  .sweep = sweep,
					  .idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
	cell = malloc(sizeof(*cell));
	assert_non_null(cell);
	return make_memfd_region(cell, 1, AT_MIDDLE);
}

TEST(a_pointer_in_malloc_memory_keeps_a_region)
{
	struct mark mark = make_in_malloc(FOSTER_SWEEP_DEFAULT);

	assert_stays(&mark);
	*cell = NULL;
	assert_goes(&mark);
}

TEST(with_the_sweep_off_it_keeps_nothing)
{
	struct mark mark = make_in_malloc(FOSTER_SWEEP_OFF);

	assert_goes(&mark);
	assert_int_equal(stats_now().rounds, 0);
}

struct newer_options {
	struct foster_options known;
	unsigned int unknown[4];
};

TEST(a_larger_options_struct_is_taken_while_its_rest_is_zero)
{
	struct newer_options options = { { .size = sizeof(options) }, { 0 } };

	assert_int_equal(foster_init(&options.known), 0);
}

TEST(a_larger_options_struct_with_unknown_members_set_is_too_big)
{
	struct newer_options options = { { .size = sizeof(options) }, { 0, 0, 0, 1 } };

	assert_fails(E2BIG, foster_init(&options.known));
	assert_int_equal(foster_init(NULL), 0);
}

TEST(a_collection_comes_after_as_many_regions_as_the_option_says)
{
	struct foster_options options = { .size = sizeof(options),
					  .collect_regions = 10,
					  .idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
	for (int i = 0; i < 200; i++) {
		make_dropped(1);
		sleep_ms(1);
	}
	assert_true(stats_now().asked >= 5);
	assert_true(stats_now().released >= 50);
}

static NOINLINE void drop_mib(size_t mib)
{
	char *p = foster_mmap(NULL, mib << 20, RW, ANON | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	*p = 1;
}

TEST(a_collection_comes_after_as_many_bytes_as_the_option_says)
{
	struct foster_options options = { .size = sizeof(options),
					  .collect_mib = 64,
					  .idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
	for (int i = 0; i < 64; i++) {
		drop_mib(16);
		forget();
		sleep_ms(2);
	}
	assert_true(stats_now().asked >= 4);
	assert_true(stats_now().bytes < (uint64_t)512 << 20);
}

/* ----------------------------------------------------------------- first use, threads */

static void *init_here(void *arg UNUSED)
{
	must(foster_init(NULL) == 0);
	return NULL;
}

static void *map_here(void *arg)
{
	void *volatile slot;

	*(struct mark *)arg = make_memfd_region(&slot, 2, AT_BASE);
	return NULL;
}

/* The collector, and foster, work on when the thread that started them has ended. */
static void check_main_thread_joins(void)
{
	struct mark mark;

	assert_int_equal(foster_thread_attach(), 0);
	mark = make_memfd_region(&kept, 1, AT_BASE);
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
	GC_gcollect();
	assert_int_equal(foster_thread_detach(), 0);
}

TEST_WITHIN(the_first_use_may_come_from_a_thread_that_ends, 30)
{
	struct mark mark;

	on_plain_thread(map_here, &mark);
	assert_goes(&mark);
	check_main_thread_joins();
}

TEST_WITHIN(what_the_main_thread_holds_unknown_to_the_collector_stays, 30)
{
	void *volatile on_stack;
	struct mark mark;

	on_plain_thread(init_here, NULL);
	mark = make_memfd_region(&on_stack, 1, AT_MIDDLE);
	assert_stays(&mark);
	on_stack = NULL;
	assert_goes(&mark);
}

static void *map_here_without_sweep(void *arg)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.sweep = FOSTER_SWEEP_OFF;
	must(foster_init(&options) == 0);
	return map_here(arg);
}

TEST_WITHIN(without_the_sweep_the_first_use_may_come_from_a_thread_that_ends, 30)
{
	struct mark mark;

	on_plain_thread(map_here_without_sweep, &mark);
	collect_times(ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_int_equal(foster_close(hidden_show(mark.base)), 0);
	check_main_thread_joins();
}

TEST_WITHIN(the_main_thread_can_be_made_known_later, 30)
{
	void *volatile on_stack;
	struct mark mark;

	on_plain_thread(init_here, NULL);
	assert_int_equal(foster_thread_attach(), 0);
	mark = make_memfd_region(&on_stack, 2, AT_MIDDLE);
	assert_stays(&mark);
	on_stack = NULL;
	assert_goes(&mark);
}

struct refusal {
	int init, error;
	void *mapped;
	int map_error;
};

static void *be_refused(void *arg)
{
	struct refusal *refusal = arg;

	refusal->init = foster_init(NULL);
	refusal->error = errno;
	refusal->mapped = map_page();
	refusal->map_error = errno;
	return NULL;
}

TEST(an_unknown_thread_cannot_be_first_where_the_host_has_started_the_collector)
{
	struct refusal refusal = { 0 };

	GC_INIT();
	on_plain_thread(be_refused, &refusal);
	assert_int_equal(refusal.init, -EPERM);
	assert_int_equal(refusal.error, EPERM);
	assert_ptr_equal(refusal.mapped, MAP_FAILED);
	assert_int_equal(refusal.map_error, EPERM);
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(init_here, NULL);
}

#define RACERS 8

static struct {
	_Atomic int at_hook, inits;
	struct moment release;
	struct moment begin;
	_Atomic int done;
} race;

static void stop_in_init(const char *point)
{
	if (strcmp(point, "init-complete"))
		return;
	atomic_fetch_add(&race.inits, 1);
	atomic_store(&race.at_hook, 1);
	moment_await(&race.release);
}

static void *race_to_init(void *arg UNUSED)
{
	moment_await(&race.begin);
	must(map_page() != MAP_FAILED);
	atomic_fetch_add(&race.done, 1);
	return NULL;
}

/* Nobody sees foster half started: all wait until it is complete, and it starts once. */
TEST_WITHIN(of_many_first_users_one_starts_foster_and_all_wait_for_it, 30)
{
	pthread_t thread[RACERS];

	sync_hook = stop_in_init;
	for (size_t i = 0; i < RACERS / 2; i++)
		thread[i] = thread_begin(race_to_init, NULL);
	moment_announce(&race.begin);
	while (!atomic_load(&race.at_hook))
		sleep_ms(1);
	for (size_t i = RACERS / 2; i < RACERS; i++)
		thread[i] = thread_begin(race_to_init, NULL);
	sleep_ms(100);
	assert_int_equal(race.done, 0);
	moment_announce(&race.release);
	for (size_t i = 0; i < RACERS; i++)
		thread_end(thread[i]);
	sync_hook = NULL;
	assert_int_equal(race.inits, 1);
	assert_int_equal(race.done, RACERS);
	assert_int_equal(stats_now().mapped, RACERS);
}

/* --------------------------------------------------------------- what is not possible */

TEST(leak_finding_mode_is_not_supported)
{
	GC_set_find_leak(1);
	GC_INIT();
	assert_fails(ENOTSUP, foster_init(NULL));
	assert_map_fails(ENOTSUP, map_page());
	assert_int_equal(stats_now().mapped, 0);
}

static void init_with_find_leak(void *arg UNUSED)
{
	child_check(setenv("GC_FIND_LEAK", "1", 1) == 0);
	child_check(foster_init(NULL) == -ENOTSUP);
	child_check(map_page() == MAP_FAILED && errno == ENOTSUP);
}

TEST(leak_finding_mode_from_the_environment_is_not_supported)
{
	assert_child_passes(init_with_find_leak, NULL);
}

TEST(a_collector_without_interior_pointers_is_not_supported)
{
	GC_set_all_interior_pointers(0);
	GC_INIT();
	assert_fails(ENOTSUP, foster_init(NULL));
}

/* ------------------------------------------------------------------------------- fini */

TEST(stopping_what_never_started_is_nothing)
{
	assert_int_equal(foster_fini(-1), 0);
}

TEST(stopping_releases_what_is_unreachable)
{
	struct mark mark = make_dropped(2);

	forget();
	assert_true(foster_fini(-1) >= 0);
	assert_int_equal(foster_init(NULL), 0);
	assert_goes(&mark);
}

TEST(stopping_tells_how_many_regions_are_left)
{
	static void *volatile region[3];

	for (size_t i = 0; i < COUNT_OF(region); i++)
		make_memfd_region(&region[i], 1, AT_BASE);
	assert_int_equal(foster_fini(-1), 3);
	assert_int_equal(foster_fini(-1), 3);
}

TEST(stopping_ends_the_thread)
{
	uint64_t threads;

	GC_INIT();
	GC_allow_register_threads();
	threads = status_figure("Threads");
	kept = map_page();
	assert_int_equal(status_figure("Threads"), threads + 1);
	assert_int_equal(foster_fini(-1), 1);
	/* The kernel may still show a thread that has just said that it left. */
	for (int i = 0; i < 100 && status_figure("Threads") != threads; i++)
		sleep_ms(10);
	assert_int_equal(status_figure("Threads"), threads);
}

TEST(live_regions_stay_usable_after_stopping)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct mark mark = make_memfd_region(&kept, 2, AT_BASE);

	assert_int_equal(foster_fini(-1), 1);
	assert_true(mark_is_mapped(&mark));
	assert_true(mark_pattern_holds(&mark));
	assert_int_equal(foster_info(kept, &info), 0);
	assert_int_equal(foster_pin(kept), 0);
	assert_int_equal(foster_unpin(kept), 0);
	GC_gcollect();
	assert_true(mark_pattern_holds(&mark));
	assert_int_equal(foster_close(kept), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
}

TEST(foster_may_be_started_again)
{
	const struct foster_options options = FOSTER_OPTIONS_INIT;
	struct mark mark = make_memfd_region(&kept, 2, AT_BASE);

	for (int i = 0; i < 10; i++) {
		assert_int_equal(foster_fini(-1), 1);
		assert_int_equal(foster_init(&options), 0);
	}
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

TEST(options_are_taken_anew_after_stopping)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	struct mark mark;

	assert_int_equal(foster_init(&options), 0);
	assert_int_equal(foster_fini(-1), 0);
	options.pool_mib = FOSTER_NEVER;
	assert_int_equal(foster_init(&options), 0);
	mark = make_dropped(2);
	assert_goes(&mark);
	assert_int_equal(stats_now().pool_ranges, 0);
}

TEST(the_next_use_after_stopping_starts_it)
{
	struct mark mark;

	kept = map_page();
	assert_int_equal(foster_fini(-1), 1);
	mark = make_dropped(2);
	assert_goes(&mark);
}

TEST(the_pool_is_given_back_by_stopping)
{
	struct mark mark = make_dropped(2);

	assert_goes(&mark);
	assert_int_equal(stats_now().pool_ranges, 1);
	assert_int_equal(foster_fini(-1), 0);
	assert_int_equal(stats_now().pool_ranges, 0);
	assert_int_equal(stats_now().pool_bytes, 0);
}

static _Atomic int may_go;

static void blocking_finalizer(void *object UNUSED, void *data UNUSED)
{
	while (!atomic_load(&may_go))
		sleep_ms(1);
}

static NOINLINE void drop_blocking(void)
{
	GC_register_finalizer_no_order(GC_MALLOC(16), blocking_finalizer, NULL, NULL,
				       NULL);
}

TEST_WITHIN(stopping_in_time_or_not_at_all, 30)
{
	const struct foster_options options = FOSTER_OPTIONS_INIT;
	int r;

	assert_int_equal(foster_init(NULL), 0);
	kept = map_page();
	drop_blocking();
	forget();
	r = foster_fini(200);
	atomic_store(&may_go, 1);
	if (r != -ETIMEDOUT)
		test_skip("the finalizer did not run on foster's thread");
	assert_int_equal(errno, ETIMEDOUT);
	assert_fails(EALREADY, foster_init(&options));
	assert_true(foster_collect(20000) >= 0);
	assert_int_equal(foster_fini(-1), 1);
}

/* foster's thread, when it has served the collection of foster_fini() and begins anew. */
static struct {
	_Atomic bool collected, held;
	struct moment rung;
} late;

static void ring_before_it_looks(const char *point)
{
	if (strcmp(point, "round") == 0)
		atomic_store(&late.collected, true);
	else if (strcmp(point, "stop-rung") == 0)
		moment_announce(&late.rung);
	else if (strcmp(point, "serving") == 0 && atomic_load(&late.collected) &&
		 !atomic_exchange(&late.held, true))
		moment_await(&late.rung);
}

TEST_WITHIN(a_stop_is_heard_that_comes_as_it_looks_for_one, 30)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.idle_collect_ms = FOSTER_NEVER;
	assert_int_equal(foster_init(&options), 0);
	sync_hook = ring_before_it_looks;
	assert_int_equal(foster_fini(5000), 0);
	sync_hook = NULL;
	assert_true(late.held);
}

static void *stop_and_start(void *arg UNUSED)
{
	for (int i = 0; i < 50; i++) {
		must(foster_fini(20000) >= 0);
		must(foster_init(NULL) == 0);
	}
	return NULL;
}

static void *map_and_close(void *arg UNUSED)
{
	for (int i = 0; i < 500; i++) {
		char *p = map_page();

		must(p != MAP_FAILED);
		*p = 1;
		must(foster_close(p) == 0);
	}
	return NULL;
}

TEST_WITHIN(foster_may_be_stopped_and_started_while_others_use_it, 120)
{
	pthread_t thread[4];

	assert_int_equal(foster_init(NULL), 0);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(i % 2 ? stop_and_start : map_and_close, NULL);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(stats_now().closed, 1000);
	assert_true(foster_collect(20000) >= 0);
}

/* ------------------------------------------------------------------------------- exit */

static void leave_with_regions(void *arg UNUSED)
{
	for (int i = 0; i < 100; i++)
		make_memfd_region(&kept, 1, AT_BASE);
	exit(0);
}

TEST(a_process_with_live_regions_exits)
{
	assert_int_equal(child_status(leave_with_regions, NULL), 0);
}

static void leave_blocked(void *arg UNUSED)
{
	child_check(foster_init(NULL) == 0);
	drop_blocking();
	forget();
	foster_collect(200);
	exit(0);
}

TEST_WITHIN(a_finalizer_that_never_returns_does_not_keep_the_process, 30)
{
	assert_int_equal(child_status(leave_blocked, NULL), 0);
}

static void *exit_here(void *arg UNUSED)
{
	make_memfd_region(&kept, 1, AT_BASE);
	exit(0);
}

static void leave_on_thread(void *arg UNUSED)
{
	kept = map_page();
	on_plain_thread(exit_here, NULL);
}

TEST(a_process_exits_on_any_thread)
{
	assert_int_equal(child_status(leave_on_thread, NULL), 0);
}
