/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code of the host that foster or the collector calls may call foster: every function,
 * from every kind of callback, and from another thread for which the callback waits.
 * Each answers, with success or with the error that is documented for it; none hangs.
 */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#define must child_check

/* ---------------------------------------------------------------------- the functions */

static char path[PATH_MAX];

static void *map_page(void)
{
	void *p = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

static int call_init(void)
{
	return foster_init(NULL);
}

static int call_map_file(void)
{
	void *p = foster_map_file(path, NULL);

	return p ? foster_close(p) : -errno;
}

static int call_munmap(void)
{
	return foster_munmap(map_page(), page_size());
}

static int call_close(void)
{
	return foster_close(map_page());
}

static int call_disown(void)
{
	void *p = map_page();
	const int r = foster_disown(p);

	munmap(p, page_size());
	return r;
}

static int call_pin(void)
{
	void *p = map_page();

	return foster_pin(p) || foster_unpin(p) ? -1 : foster_close(p);
}

static int call_info(void)
{
	struct foster_info info = FOSTER_INFO_INIT;
	void *p = map_page();

	return foster_info(p, &info) ? -1 : foster_close(p);
}

static int call_stats(void)
{
	struct foster_stats stats = { .size = sizeof(stats) };

	return foster_stats(&stats);
}

static int stop_at_first(const struct foster_info *info UNUSED, void *arg UNUSED)
{
	return 1;
}

static int call_for_each(void)
{
	return foster_for_each(stop_at_first, NULL) < 0 ? -1 : 0;
}

static int call_copy(void)
{
	char byte;

	return foster_copy(&byte, NULL, 1) == -EFAULT ? 0 : -1;
}

static int call_attach(void)
{
	const int r = foster_thread_attach();

	if (r == -EALREADY)
		return foster_thread_detach() == -EINVAL ? 0 : -1;
	return r ? r : foster_thread_detach();
}

static int call_collect(void)
{
	const int r = foster_collect(20000);

	return r > 0 ? 0 : r;
}

static int call_fini(void)
{
	const int r = foster_fini(20000);

	return r > 0 ? 0 : r;
}

static const struct {
	const char *name;
	int (*call)(void);
	bool waits; /* for foster's thread: -EDEADLK on it and in callbacks of foster */
} functions[] = {
	{ "foster_init", call_init, false },
	{ "foster_map_file", call_map_file, false },
	{ "foster_munmap", call_munmap, false },
	{ "foster_close", call_close, false },
	{ "foster_disown", call_disown, false },
	{ "foster_pin", call_pin, false },
	{ "foster_info", call_info, false },
	{ "foster_stats", call_stats, false },
	{ "foster_for_each", call_for_each, false },
	{ "foster_copy", call_copy, false },
	{ "foster_thread_attach", call_attach, false },
	{ "foster_collect", call_collect, true },
	{ "foster_fini", call_fini, true },
};

/* ---------------------------------------------------------------------- the callbacks */

static struct {
	_Atomic int runs;
	_Atomic pid_t thread;
	int said[COUNT_OF(functions)];
	bool elsewhere; /* on a thread for which the callback waits */
} callback;

static void *call_all(void *arg UNUSED)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		callback.said[i] = functions[i].call();
	return NULL;
}

/*
 * What foster's thread itself must do is not waited for: it is the one that waits.  So
 * the thread is one that the collector knows, which maps without its help.
 */
static void *call_those_that_do_not_wait(void *arg UNUSED)
{
	struct GC_stack_base base;

	must(GC_get_stack_base(&base) == GC_SUCCESS);
	must(GC_register_my_thread(&base) == GC_SUCCESS);
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		callback.said[i] = functions[i].waits ? -EDEADLK : functions[i].call();
	must(GC_unregister_my_thread() == GC_SUCCESS);
	return NULL;
}

static void run_callback(void)
{
	pthread_t thread;

	if (atomic_load(&callback.runs))
		return;
	atomic_store(&callback.thread, gettid());
	if (!callback.elsewhere) {
		call_all(NULL);
	} else {
		must(pthread_create(&thread, NULL, call_those_that_do_not_wait, NULL) ==
		     0);
		must(pthread_join(thread, NULL) == 0);
	}
	atomic_store(&callback.runs, 1);
}

static bool has_run(void *arg UNUSED)
{
	return atomic_load(&callback.runs);
}

static void check_answers(bool deadlock)
{
	assert_true(wait_until(has_run, NULL, 20000));
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		const int expected = functions[i].waits && deadlock ? -EDEADLK : 0;

		if (callback.said[i] != expected)
			fail_msg("%s said %d", functions[i].name, callback.said[i]);
	}
	/* Foster goes on as before. */
	assert_int_equal(call_close(), 0);
	assert_true(foster_collect(20000) >= 0);
}

static void begin(bool elsewhere)
{
	close(pattern_file(path, 100));
	callback.elsewhere = elsewhere;
	assert_int_equal(foster_init(NULL), 0);
}

static void end(void)
{
	unlink(path);
}

static int visit(const struct foster_info *info UNUSED, void *arg UNUSED)
{
	run_callback();
	return 1;
}

static void check_visit(bool elsewhere)
{
	void *p;

	begin(elsewhere);
	p = map_page();
	assert_int_equal(foster_for_each(visit, NULL), 1);
	check_answers(true);
	assert_int_equal(foster_close(p), 0);
	end();
}

TEST_WITHIN(every_function_answers_in_a_visit, 30)
{
	check_visit(false);
}

TEST_WITHIN(every_function_answers_on_a_thread_that_a_visit_waits_for, 30)
{
	check_visit(true);
}

static void finalizer(void *object UNUSED, void *data UNUSED)
{
	run_callback();
}

static NOINLINE void drop_finalizable(void)
{
	GC_register_finalizer_no_order(GC_MALLOC(16), finalizer, NULL, NULL, NULL);
}

/* Finalizers run on the thread that collects: here foster's. */
static void check_finalizer_on_reaper(bool elsewhere)
{
	begin(elsewhere);
	for (int i = 0; i < 10; i++)
		drop_finalizable();
	forget();
	for (int i = 0; i < ROUNDS && !has_run(NULL); i++)
		foster_collect(20000);
	assert_true(callback.thread != getpid());
	check_answers(true);
	end();
}

TEST_WITHIN(every_function_answers_in_a_finalizer_on_foster_s_thread, 30)
{
	check_finalizer_on_reaper(false);
}

TEST_WITHIN(every_function_answers_on_a_thread_that_such_a_finalizer_waits_for, 30)
{
	check_finalizer_on_reaper(true);
}

/* On a thread of the host the functions that wait may do so. */
static void check_finalizer_on_main(bool elsewhere)
{
	begin(elsewhere);
	GC_set_finalize_on_demand(1);
	for (int i = 0; i < 10; i++)
		drop_finalizable();
	forget();
	for (int i = 0; i < ROUNDS && !has_run(NULL); i++) {
		GC_gcollect();
		GC_invoke_finalizers();
	}
	assert_true(callback.thread == getpid());
	check_answers(elsewhere);
	end();
}

TEST_WITHIN(every_function_answers_in_a_finalizer_on_a_thread_of_the_host, 30)
{
	check_finalizer_on_main(false);
}

TEST_WITHIN(every_function_answers_on_a_thread_that_it_waits_for, 30)
{
	check_finalizer_on_main(true);
}

static void on_damage(void *base UNUSED, size_t len UNUSED, void *arg UNUSED)
{
	run_callback();
}

static void check_damage(bool elsewhere)
{
	const struct foster_map_opts opts = { .size = sizeof(opts),
					      .flags = FOSTER_MAP_SURVIVE,
					      .on_damage = on_damage };
	/* Not the file that the functions map: they need one that is not empty. */
	char damaged[PATH_MAX];
	char *p;

	begin(elsewhere);
	close(pattern_file(damaged, 100));
	p = foster_map_file(damaged, &opts);
	assert_non_null(p);
	assert_int_equal(truncate(damaged, 0), 0);
	(void)*(volatile char *)p;
	check_answers(true);
	unlink(damaged);
	end();
}

TEST_WITHIN(every_function_answers_when_damage_is_told, 30)
{
	check_damage(false);
}

TEST_WITHIN(every_function_answers_on_a_thread_that_the_telling_of_damage_waits_for, 30)
{
	check_damage(true);
}

/* A handler of fork runs with foster's own handlers around it. */
static void call_most(void)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		if (functions[i].call == call_info || functions[i].call == call_stats)
			callback.said[i] = functions[i].call();
}

static void expect_working(void *arg UNUSED)
{
	child_check(call_close() == 0);
	child_check(foster_collect(20000) >= 0);
}

TEST_WITHIN(handlers_of_fork_of_the_host_may_look_at_regions, 30)
{
	begin(false);
	/* Registered after foster's: before fork it runs first, after it last. */
	assert_int_equal(pthread_atfork(call_most, call_most, call_most), 0);
	assert_child_passes(expect_working, NULL);
	end();
}
