/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounds that cannot decide: nothing is released, it is counted, and later rounds work.  And what
 * stands still while one decides.
 */
#include "adopting.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/sync.h"
#include "os/tracking.h"
#include "refuse.h"

/* One that is dropped, and one whose only pointer is in malloc's memory. */
static struct {
	struct mark dropped, held;
	void *volatile *holder;
} pair;

static NOINLINE void make_pair(void)
{
	pair.holder = calloc(1, 64);
	assert_non_null(pair.holder);
	pair.dropped = adopt_bytes(NULL, hidden_of(area_new(1) + 501), 100, NULL);
	pair.held = adopt_bytes(&pair.holder[2], hidden_of(area_new(1) + 77), 100, NULL);
}

static void begin_way(unsigned int way)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.idle_collect_ms = FOSTER_NEVER;
	options.collect_mib = 1 << 20;
	options.collect_regions = 1 << 30;
	options.sweep = way;
	assert_int_equal(foster_init(&options), 0);
	make_pair();
	forget();
}

static void begin(void)
{
	begin_way(FOSTER_SWEEP_DEFAULT);
}

/* A round decides nothing, says so, and does not release even what could go. */
static void assert_undecided(void)
{
	const struct foster_stats before = stats_now();
	struct foster_stats after;
	int r;

	forget();
	r = foster_collect(20000);
	after = stats_now();
	assert_true(r < 0 && r != -ETIMEDOUT);
	assert_true(after.undecided > before.undecided);
	assert_int_equal(after.released, before.released);
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
	assert_true(mark_is_tracked(&pair.dropped) && mark_is_tracked(&pair.held));
	assert_int_equal(mark_info(&pair.dropped).state, FOSTER_LIVE);
}

/* And now one does: what was dropped goes, what is held goes when it is dropped. */
static void assert_works(void)
{
	assert_true(are_released(1));
	assert_false(mark_is_tracked(&pair.dropped));
	assert_stays(&pair.held);
	pair.holder[2] = NULL;
	assert_true(are_released(2));
}

TEST(a_round_decides)
{
	const uint64_t rounds = (begin(), stats_now().rounds);

	assert_works();
	assert_true(stats_now().rounds > rounds);
	assert_int_equal(stats_now().undecided, 0);
	assert_true(stats_now().swept_bytes > 0);
}

#define MUCH ((size_t)16 << 20)

static _Atomic bool was_early;

static void watch_early(const char *name)
{
	if (!strcmp(name, "sweep-pass"))
		atomic_store(&was_early, true);
}

static bool is_read_early(void)
{
	atomic_store(&was_early, false);
	(void)make_dropped(1); /* where all are held by witnesses nothing is read */
	sync_hook = watch_early;
	assert_true(foster_collect(20000) >= 0);
	sync_hook = NULL;
	return atomic_load(&was_early);
}

static bool is_read_early_with(int flags, size_t bytes)
{
	void *p = mmap(NULL, bytes, RW, MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);
	bool early;

	assert_ptr_not_equal(p, MAP_FAILED);
	early = is_read_early();
	assert_int_equal(munmap(p, bytes), 0);
	return early;
}

static void begin_choosing(void)
{
	begin();
	if (!tracking_works())
		test_skip("this kernel, or this user, has no asynchronous write tracking");
	if (test_is_sanitized())
		test_skip("a sanitizer makes every process large");
}

/* Shared memory has to be read in the pause in any way. */
TEST(only_private_memory_makes_a_process_large)
{
	begin_choosing();
	assert_false(is_read_early_with(MAP_SHARED, MUCH));
	assert_true(is_read_early_with(MAP_PRIVATE, MUCH));
	assert_works();
}

#define MANY 12000

static void *volatile many[MANY];

static NOINLINE void hold_many(void)
{
	const int fd = pattern_memfd(page_size(), 0);

	for (size_t i = 0; i < MANY; i++) {
		many[i] = foster_mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(many[i], MAP_FAILED);
	}
}

/* To read their pages takes longer, and a tracked round would walk over all of them. */
TEST(beside_many_regions_a_process_is_not_large)
{
	begin_choosing();
	hold_many();
	assert_false(is_read_early_with(MAP_PRIVATE, (size_t)7 << 20));
	assert_true(is_read_early_with(MAP_PRIVATE, 4 * MUCH));
	assert_works();
}

TEST(without_a_region_in_doubt_there_is_no_round)
{
	begin();
	assert_works();
	{
		const struct foster_stats before = stats_now();

		collect_times(ROUNDS);
		assert_int_equal(stats_now().rounds, before.rounds);
		assert_int_equal(stats_now().swept_bytes, before.swept_bytes);
	}
}

/* ---------------------------------------------------------------------- who may not stop */

static struct {
	int ready[2], leave[2];
	pid_t traced, tracer;
} debugger;

/*
 * A process that traces a thread of ours, as a debugger does; one that gets no signals, which
 * the tracer would have to pass on.
 */
static void trace(void)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(debugger.leave[1]);
	if (ptrace(PTRACE_SEIZE, debugger.traced, NULL, NULL))
		_exit(1);
	(void)!write(debugger.ready[1], "", 1);
	(void)!read(debugger.leave[0], &byte, 1);
	_exit(0); /* the kernel lets go of what it traced */
}

static void attach_debugger(pid_t tid)
{
	char byte;

	assert_int_equal(pipe(debugger.ready), 0);
	assert_int_equal(pipe(debugger.leave), 0);
	debugger.traced = tid;
	debugger.tracer = _Fork();
	if (debugger.tracer == 0)
		trace();
	close(debugger.ready[1]);
	if (read(debugger.ready[0], &byte, 1) != 1)
		test_skip("this user may not trace");
}

static void detach_debugger(void)
{
	assert_int_equal(write(debugger.leave[1], "", 1), 1);
	assert_int_equal(waitpid(debugger.tracer, NULL, 0), debugger.tracer);
}

static struct {
	_Atomic pid_t tid;
	struct moment leave;
} other;

static void *stand(void *arg UNUSED)
{
	atomic_store(&other.tid, gettid());
	moment_await(&other.leave);
	return NULL;
}

TEST(while_a_thread_is_traced_nothing_is_released)
{
	pthread_t thread;

	begin();
	thread = thread_begin(stand, NULL);
	while (!atomic_load(&other.tid))
		sleep_ms(1);
	attach_debugger(atomic_load(&other.tid));
	assert_undecided();
	assert_undecided();
	detach_debugger();
	assert_works();
	moment_announce(&other.leave);
	thread_end(thread);
}

/* Where user code runs on foster's thread it can be given a filter of its own. */
static struct {
	unsigned int number, more;
	_Atomic int done;
} filter;

static void refuse_here(void *addr, size_t len, void *arg UNUSED)
{
	memset(addr, 0, len);
	refuse(filter.number, 0, EPERM);
	if (filter.more)
		refuse(filter.more, 0, EPERM);
	atomic_store(&filter.done, 1);
}

static NOINLINE void drop_with(foster_release_fn *fn)
{
	char *p = area_new(1);

	assert_ptr_equal(foster_adopt(p + 8, 8, fn, NULL), p + 8);
}

static bool is_refused(void *unused UNUSED)
{
	return atomic_load(&filter.done) != 0;
}

static void begin_refused(unsigned int number, unsigned int more)
{
	adopting_begin();
	filter.number = number;
	filter.more = more;
	drop_with(refuse_here);
	forget();
	assert_true(collecting_until(is_refused, NULL, ROUNDS));
	make_pair();
	forget();
}

TEST(where_a_filter_refuses_ptrace_nothing_is_released)
{
	begin_refused(SYS_ptrace, 0);
	assert_undecided();
	assert_undecided();
	pattern_fill(hidden_show(pair.held.base), 96); /* it is ours to write */
}

TEST(where_a_filter_refuses_processes_nothing_is_released)
{
	begin_refused(SYS_clone, SYS_clone3);
	assert_undecided();
	assert_undecided();
}

static void refuse_memory(void *addr, size_t len, void *arg UNUSED)
{
	memset(addr, 0, len);
	refuse_mem();
}

/* Written, then made inaccessible: the kernel alone can read it. */
TEST(where_memory_cannot_be_read_nothing_is_released)
{
	char *p = area_new(1);

	*p = 1;
	assert_int_equal(mprotect(p, page_size(), PROT_NONE), 0);
	adopting_begin();
	drop_with(refuse_memory);
	forget();
	(void)foster_collect(20000); /* from then on */
	make_pair();
	assert_undecided();
	assert_undecided();
}

/* Undecided collections do not keep foster from anything else. */
TEST(where_nothing_can_be_decided_regions_can_still_be_made_and_closed)
{
	struct mark mark;
	void *volatile slot;

	begin_refused(SYS_ptrace, 0);
	assert_undecided();
	mark = make_memfd_region(&slot, 2, AT_BASE);
	assert_true(mark_pattern_holds(&mark));
	assert_int_equal(foster_close(slot), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
	assert_int_equal(foster_disown(hidden_show(pair.held.base)), 0);
	assert_true(foster_fini(20000) >= 0 || errno == EAGAIN);
}

/* ---------------------------------------------------------------------------- at limits */

/* Whether it can decide or not: it keeps what is held. */
static void assert_no_harm(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		forget();
		(void)foster_collect(20000);
		assert_true(mark_is_tracked(&pair.held));
		assert_true(atomic_load(&adopting_released.calls) <= 1);
	}
}

static bool are_fds_at_most(void *fds)
{
	return fd_count() <= *(size_t *)fds;
}

static void check_limit(unsigned int way, int resource, rlim_t value)
{
	struct rlimit before;
	size_t fds;

	begin_way(way);
	fds = fd_count();
	before = limit_to(resource, value ? value :
				  (rlim_t)(status_figure("VmSize") << 10));
	assert_no_harm();
	assert_int_equal(setrlimit(resource, &before), 0);
	/* The tracking ends after the answer. */
	assert_true(wait_until(are_fds_at_most, &fds, 5000));
	assert_works();
}

#define IN_ALL_WAYS(what, body)                     \
	TEST(pause_##what)                          \
	{                                           \
		body(FOSTER_SWEEP_PAUSE);           \
	}                                           \
	TEST(tracked_##what)                        \
	{                                           \
		body(FOSTER_SWEEP_TRACKED);         \
	}                                           \
	TEST(snapshot_##what)                       \
	{                                           \
		body(FOSTER_SWEEP_SNAPSHOT);        \
	}

static void check_descriptors(unsigned int way)
{
	check_limit(way, RLIMIT_NOFILE, 3);
}

static void check_address_space(unsigned int way)
{
	check_limit(way, RLIMIT_AS, 0);
}

static void check_processes(unsigned int way)
{
	check_limit(way, RLIMIT_NPROC, 1);
}

IN_ALL_WAYS(keeps_what_is_held_without_a_descriptor_left, check_descriptors)
IN_ALL_WAYS(keeps_what_is_held_without_address_space_left, check_address_space)
IN_ALL_WAYS(keeps_what_is_held_where_no_process_can_be_made, check_processes)

/* --------------------------------------------------------------------- the host's events */

static struct {
	_Atomic bool armed;
	_Atomic unsigned int events;
} host;

static void GC_CALLBACK on_host_event(GC_EventType event UNUSED)
{
	atomic_fetch_add(&host.events, 1);
}

static bool is_point(const char *name, const char *point)
{
	return strcmp(name, point) == 0;
}

/* Between foster's look at its hook and the collection. */
static void replace_hook(const char *name)
{
	if (atomic_load(&host.armed) && is_point(name, "gc-collect"))
		GC_set_on_collection_event(on_host_event);
}

TEST(a_host_that_replaces_the_hook_for_events_is_noticed)
{
	unsigned int events;

	begin();
	sync_hook = replace_hook;
	atomic_store(&host.armed, true);
	assert_undecided();
	assert_undecided();
	assert_true(atomic_load(&host.events) > 0);
	atomic_store(&host.armed, false);
	events = atomic_load(&host.events);
	assert_works();
	assert_true(atomic_load(&host.events) > events); /* and handed on */
}

TEST(the_hook_of_a_host_is_called_in_deciding_collections)
{
	GC_INIT();
	GC_set_on_collection_event(on_host_event);
	begin();
	assert_works();
	assert_true(atomic_load(&host.events) > 0);
}

/* ------------------------------------------------------------------- a companion that dies */

static struct {
	pid_t process;
	const char *point;
	_Atomic bool armed;
	_Atomic unsigned int deaths;
} dying;

static void die_in_companion(const char *name)
{
	if (!atomic_load(&dying.armed) || !is_point(name, dying.point) ||
	    (pid_t)syscall(SYS_getpid) == dying.process)
		return;
	atomic_fetch_add(&dying.deaths, 1);
	syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

static void check_death(unsigned int way, const char *point)
{
	begin_way(way);
	dying.process = getpid();
	dying.point = point;
	sync_hook = die_in_companion;
	atomic_store(&dying.armed, true);
	assert_undecided();
	assert_true(atomic_load(&dying.deaths) > 0);
	atomic_store(&dying.armed, false);
	assert_works();
}

TEST(where_the_companion_dies_before_the_pause_nothing_is_released)
{
	check_death(FOSTER_SWEEP_TRACKED, "sweep-reading");
}

TEST(where_the_companion_dies_in_the_pause_nothing_is_released)
{
	check_death(FOSTER_SWEEP_PAUSE, "sweep-deciding");
}

/* ------------------------------------------------------------------------ one moment */

#define COUNTERS 4
#define LOOK_MS 20u

static struct {
	_Atomic uint64_t count[COUNTERS];
	_Atomic bool end;
	pid_t process;
	_Atomic unsigned int pauses, moved;
	uint64_t at_first[COUNTERS];
	_Atomic bool in_pause;
} still;

static void *count_up(void *arg)
{
	_Atomic uint64_t *count = arg;

	while (!atomic_load(&still.end))
		atomic_fetch_add(count, 1);
	return NULL;
}

/* In the companion, at the first mapping of each pause. */
static void watch_counters(const char *name)
{
	uint64_t before[COUNTERS], end;

	if (is_point(name, "sweep-begins"))
		atomic_store(&still.in_pause, false);
	if (!is_point(name, "sweep-deciding") || atomic_exchange(&still.in_pause, true))
		return;
	for (int i = 0; i < COUNTERS; i++)
		before[i] = atomic_load(&still.count[i]);
	for (end = now_ms() + LOOK_MS; now_ms() < end;)
		;
	for (int i = 0; i < COUNTERS; i++)
		if (atomic_load(&still.count[i]) != before[i])
			atomic_fetch_add(&still.moved, 1);
	atomic_fetch_add(&still.pauses, 1);
}

static void *count_up_attached(void *arg)
{
	child_check(foster_thread_attach() == 0);
	count_up(arg);
	child_check(foster_thread_detach() == 0);
	return NULL;
}

/* Whether the collector knows them or not. */
static void check_still(unsigned int way)
{
	pthread_t thread[COUNTERS];

	begin_way(way);
	for (int i = 0; i < COUNTERS; i++)
		thread[i] = thread_begin(i % 2 ? count_up : count_up_attached,
					 (void *)&still.count[i]);
	for (int i = 0; i < COUNTERS; i++)
		while (!atomic_load(&still.count[i]))
			sleep_ms(1);
	sync_hook = watch_counters;
	assert_true(are_released(1));
	sync_hook = NULL;
	assert_true(atomic_load(&still.pauses) > 0);
	assert_int_equal(atomic_load(&still.moved), 0);
	atomic_store(&still.end, true);
	for (int i = 0; i < COUNTERS; i++)
		thread_end(thread[i]);
}

IN_ALL_WAYS(all_threads_stand_still_while_it_decides, check_still)

/* ------------------------------------------------------------- threads stopped anywhere */

static _Atomic bool enough;

static void *use_malloc(void *arg UNUSED)
{
	while (!atomic_load(&enough)) {
		void *volatile p = malloc(100), *volatile q = malloc(1 << 20);

		free(p);
		free(q);
	}
	return NULL;
}

/*
 * A library that stays: libgc by itself does not bear that one is unmapped while it collects.
 */
static void *use_loader(void *arg UNUSED)
{
	while (!atomic_load(&enough)) {
		void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

		if (library)
			dlclose(library);
	}
	return NULL;
}

static void *use_collector(void *arg UNUSED)
{
	child_check(foster_thread_attach() == 0);
	while (!atomic_load(&enough))
		memset(GC_MALLOC(200), 1, 200);
	child_check(foster_thread_detach() == 0);
	return NULL;
}

static void *use_foster(void *arg UNUSED)
{
	while (!atomic_load(&enough)) {
		void *p = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);

		child_check(p != MAP_FAILED && foster_close(p) == 0);
		p = mmap(NULL, page_size(), RW, ANON, -1, 0);
		child_check(foster_adopt(p, page_size(), NULL, NULL) == p);
		child_check(foster_disown(p) == 0 && munmap(p, page_size()) == 0);
	}
	return NULL;
}

/* No lock that a stopped thread may hold is waited for. */
static void check_stopped_anywhere(unsigned int way)
{
	static void *(*const use[])(void *) = { use_malloc, use_loader, use_collector,
						use_foster };
	pthread_t thread[COUNT_OF(use)];

	assert_non_null(dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL));
	begin_way(way);
	for (size_t i = 0; i < COUNT_OF(use); i++)
		thread[i] = thread_begin(use[i], NULL);
	for (int i = 0; i < 10; i++) {
		forget();
		assert_true(foster_collect(20000) != -ETIMEDOUT);
		assert_true(mark_is_tracked(&pair.held));
	}
	atomic_store(&enough, true);
	for (size_t i = 0; i < COUNT_OF(use); i++)
		thread_end(thread[i]);
	assert_works();
}

IN_ALL_WAYS(threads_may_be_stopped_anywhere, check_stopped_anywhere)
