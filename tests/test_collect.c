/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_collect(): what it returns, and where it refuses. */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

static void *volatile kept;

/* Never idle, so that every collection is one that a test asked for. */
static void init_without_idle(void)
{
	const struct foster_options options = { .size = sizeof(options),
						.idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
}

TEST(with_nothing_to_release_zero_is_returned)
{
	init_without_idle();
	assert_int_equal(foster_collect(-1), 0);
	make_memfd_region(&kept, 1, AT_BASE);
	assert_int_equal(foster_collect(-1), 0);
	assert_int_equal(foster_collect(20000), 0);
}

TEST(the_number_of_released_regions_is_returned)
{
	int released = 0;

	init_without_idle();
	for (int i = 0; i < 10; i++)
		make_dropped(1 + i % 3);
	forget();
	for (int i = 0; i < ROUNDS; i++) {
		const int n = foster_collect(-1);

		assert_true(n >= 0);
		released += n;
	}
	assert_int_equal(released, stats_now().released);
	assert_in_range(released, 9, 10);
}

TEST(what_it_found_unreachable_is_released_when_it_returns)
{
	struct mark mark;

	init_without_idle();
	for (int i = 0; i < 50; i++) {
		mark = make_dropped(2);
		forget();
		if (foster_collect(-1) > 0 && !mark_is_tracked(&mark))
			assert_int_equal(maps_count_inode(mark.inode), 0);
	}
	assert_true(stats_now().released > 40);
}

static bool is_gone(void *arg)
{
	const struct mark *mark = arg;

	return maps_count_inode(mark->inode) == 0;
}

TEST(with_timeout_zero_it_asks_and_does_not_wait)
{
	struct mark mark;
	bool gone = false;

	init_without_idle();
	mark = make_dropped(2);
	forget();
	for (int i = 0; i < ROUNDS && !gone; i++) {
		assert_true(foster_collect(0) >= 0);
		gone = wait_until(is_gone, &mark, 2000);
	}
	assert_true(gone);
}

TEST(while_the_host_has_collection_disabled_it_is_busy)
{
	struct mark mark;

	init_without_idle();
	mark = make_dropped(2);
	GC_disable();
	forget();
	assert_fails(EBUSY, foster_collect(-1));
	assert_fails(EBUSY, foster_collect(0));
	assert_true(mark_is_mapped(&mark));
	GC_enable();
	assert_goes(&mark);
}

TEST(mapping_goes_on_while_the_host_has_collection_disabled)
{
	init_without_idle();
	GC_disable();
	for (int i = 0; i < 5000; i++)
		make_anon_region(&kept, 1, AT_BASE);
	assert_int_equal(stats_now().released, 0);
	assert_int_equal(stats_now().regions, 5000);
	GC_enable();
}

static void *block_signals(void *arg)
{
	struct moment *moments = arg;
	sigset_t all;

	child_check(foster_thread_attach() == 0);
	sigfillset(&all);
	child_check(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
	moment_announce(&moments[0]);
	moment_await(&moments[1]);
	sigemptyset(&all);
	child_check(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
	moment_announce(&moments[2]);
	moment_await(&moments[3]);
	return NULL;
}

/* The collector would wait for it for ever. */
TEST_WITHIN(while_a_thread_blocks_the_collector_s_signal_it_is_busy, 20)
{
	struct moment moments[4] = { 0 };
	struct mark mark;
	pthread_t thread;

	init_without_idle();
	mark = make_dropped(2);
	thread = thread_begin(block_signals, moments);
	moment_await(&moments[0]);
	assert_fails(EBUSY, foster_collect(-1));
	assert_true(stats_now().refused > 0);
	assert_true(mark_is_mapped(&mark));
	moment_announce(&moments[1]);
	moment_await(&moments[2]);
	assert_goes(&mark);
	moment_announce(&moments[3]);
	thread_end(thread);
}

static void *block_signals_unknown(void *arg)
{
	struct moment *moments = arg;
	sigset_t all;

	sigfillset(&all);
	child_check(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
	moment_announce(&moments[0]);
	moment_await(&moments[1]);
	return NULL;
}

TEST_WITHIN(a_thread_unknown_to_the_collector_may_block_its_signal, 20)
{
	struct moment moments[2] = { 0 };
	struct mark mark;
	pthread_t thread;

	init_without_idle();
	mark = make_dropped(2);
	thread = thread_begin(block_signals_unknown, moments);
	moment_await(&moments[0]);
	assert_goes(&mark);
	moment_announce(&moments[1]);
	thread_end(thread);
}

/* ------------------------------------------------------------- finalizers of the host */

static struct {
	_Atomic int runs, said;
	_Atomic uint64_t mapped;
} in_finalizer;

static void finalizer(void *object UNUSED, void *data UNUSED)
{
	atomic_store(&in_finalizer.said, foster_collect(10000));
	atomic_fetch_add(&in_finalizer.runs, 1);
}

static NOINLINE void drop_finalizable(GC_finalization_proc fn)
{
	GC_register_finalizer_no_order(GC_MALLOC(16), fn, NULL, NULL, NULL);
}

/* On foster's thread that is a deadlock, on another one it works; it never hangs. */
TEST_WITHIN(in_a_finalizer_of_the_host_it_never_hangs, 30)
{
	init_without_idle();
	for (int i = 0; i < 10; i++)
		drop_finalizable(finalizer);
	forget();
	for (int i = 0; i < ROUNDS; i++)
		assert_true(foster_collect(-1) >= 0);
	GC_invoke_finalizers();
	assert_true(in_finalizer.runs > 0);
	assert_true(in_finalizer.said >= 0 || in_finalizer.said == -EDEADLK);
}

static void mapping_finalizer(void *object UNUSED, void *data UNUSED)
{
	void *p = foster_mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct foster_info info = FOSTER_INFO_INIT;

	if (p == MAP_FAILED || foster_info(p, &info) || foster_pin(p) ||
	    foster_unpin(p) || foster_munmap(p, page_size()))
		abort();
	atomic_fetch_add(&in_finalizer.runs, 1);
}

TEST_WITHIN(finalizers_of_the_host_may_map_and_close, 30)
{
	init_without_idle();
	for (int i = 0; i < 1000; i++)
		drop_finalizable(mapping_finalizer);
	forget();
	for (int i = 0; i < ROUNDS; i++)
		assert_true(foster_collect(-1) >= 0);
	GC_gcollect();
	GC_invoke_finalizers();
	assert_true(in_finalizer.runs > 900);
}

static void *collect_often(void *arg UNUSED)
{
	for (int i = 0; i < 20; i++)
		child_check(foster_collect(20000) >= 0);
	return NULL;
}

TEST(many_threads_may_collect_at_once)
{
	pthread_t thread[6];

	init_without_idle();
	make_memfd_region(&kept, 1, AT_BASE);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(collect_often, NULL);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
}

/* ------------------------------------------------------------------ a slow collection */

static _Atomic int may_go;

static void blocking_finalizer(void *object UNUSED, void *data UNUSED)
{
	while (!atomic_load(&may_go))
		sleep_ms(1);
}

TEST_WITHIN(when_it_takes_too_long_a_timeout_is_told, 30)
{
	uint64_t start;

	init_without_idle();
	drop_finalizable(blocking_finalizer);
	forget();
	start = now_ms();
	/* The finalizer runs where the collection was asked for: on foster's thread. */
	if (foster_collect(100) != -ETIMEDOUT) {
		atomic_store(&may_go, 1);
		test_skip("the finalizer did not run on foster's thread");
	}
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(now_ms() - start < 10000);
	atomic_store(&may_go, 1);
	assert_true(foster_collect(20000) >= 0);
}
