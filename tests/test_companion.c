/* SPDX-License-Identifier: BSD-2-Clause */
/* A process beside this one, in its memory: that it works, ends, and is not noticed. */
#include "beside.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int run(void (*fn)(void *), void *arg)
{
	return beside_within(fn, arg, 10000);
}

/* --------------------------------------------------------------------- what it shares */

struct seen {
	pid_t pid;
	pid_t parent;
	int value;
	bool descriptor;
	int fd;
};

static void look_around(void *arg)
{
	struct seen *seen = arg;

	seen->pid = (pid_t)syscall(SYS_getpid);
	seen->parent = (pid_t)syscall(SYS_getppid);
	seen->value++;
	seen->descriptor = fcntl(seen->fd, F_GETFD) >= 0;
}

TEST(it_is_another_process_in_this_memory_with_these_descriptors)
{
	struct seen seen = { .value = 41, .fd = pattern_memfd(1, 0) };

	assert_int_equal(run(look_around, &seen), 0);
	assert_int_equal(seen.value, 42);
	assert_int_equal(seen.parent, getpid());
	assert_int_not_equal(seen.pid, getpid());
	assert_true(seen.descriptor);
}

static void do_nothing(void *arg UNUSED)
{
}

static void open_one(void *arg)
{
	*(int *)arg = open("/dev/null", O_RDONLY);
}

TEST(what_it_opens_is_open_here)
{
	int fd = -1;

	assert_int_equal(run(open_one, &fd), 0);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
}

/* ------------------------------------------------------------------------ how it ends */

TEST(one_that_does_not_end_is_killed_at_the_deadline)
{
	assert_killed_at_deadline(beside_within);
}

TEST(a_fault_ends_it_and_nothing_else)
{
	assert_int_equal(run(load_byte, inaccessible()), -ECHILD);
}

static void call_abort(void *arg UNUSED)
{
	abort();
}

TEST(so_does_abort)
{
	const struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &core);
	assert_int_equal(run(call_abort, NULL), -ECHILD);
}

static NOINLINE int descend(int levels, volatile char *caller)
{
	volatile char frame[4096];

	frame[0] = (char)levels;
	caller[1] = frame[0];
	return levels ? descend(levels - 1, frame) + frame[1] : 0;
}

static void overflow(void *arg)
{
	volatile char frame[2];

	*(int *)arg = descend(1000, frame);
}

TEST(a_stack_that_overflows_harms_nothing_below_it)
{
	struct companion companion;
	struct scratch scratch;
	unsigned char *below;
	int sum;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&scratch, SCRATCH_BYTES), 0);
	below = scratch_take(&scratch, page_size());
	memset(below, 0x5a, page_size());
	assert_int_equal(companion_start(&companion, &scratch, overflow, &sum), 0);
	assert_int_equal(companion_wait(&companion, deadline_in(10000)), -ECHILD);
	for (size_t i = 0; i < page_size(); i++)
		if (below[i] != 0x5a)
			fail();
	scratch_close(&scratch);
}

TEST(scratch_without_room_is_an_error)
{
	struct companion companion;
	struct scratch scratch;

	assert_int_equal(scratch_open(&scratch, COMPANION_STACK), 0);
	assert_int_equal(companion_start(&companion, &scratch, do_nothing, NULL),
			 -ENOMEM);
	scratch_close(&scratch);
}

TEST(the_scratch_that_the_header_names_suffices)
{
	struct companion companion;
	struct scratch scratch;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&scratch, COMPANION_SCRATCH), 0);
	assert_int_equal(companion_start(&companion, &scratch, do_nothing, NULL), 0);
	assert_int_equal(companion_wait(&companion, deadline_in(10000)), 0);
	scratch_close(&scratch);
}

/* Root is not limited. */
static void start_without_processes(void *arg UNUSED)
{
	const struct rlimit none = { 0, 0 };
	struct companion companion;
	struct scratch scratch;

	child_check(scratch_open(&scratch, SCRATCH_BYTES) == 0);
	child_check(setrlimit(RLIMIT_NPROC, &none) == 0);
	child_check(setuid(65534) == 0);
	child_check(companion_start(&companion, &scratch, do_nothing, NULL) == -EAGAIN);
	memset((void *)scratch.base, 1, scratch.size);
}

TEST(a_limit_of_processes_is_an_error)
{
	if (geteuid() != 0)
		test_skip("needs root, to become somebody who has no processes");
	assert_child_passes(start_without_processes, NULL);
}

TEST(its_scratch_is_ordinary_memory_afterwards)
{
	struct companion companion;
	struct scratch scratch;
	size_t before;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&scratch, SCRATCH_BYTES), 0);
	before = maps_count();
	assert_int_equal(companion_start(&companion, &scratch, do_nothing, NULL), 0);
	assert_int_equal(companion_wait(&companion, deadline_in(10000)), 0);
	memset((void *)scratch.base, 1, scratch.size);
	assert_int_equal(maps_count(), before);
	scratch_close(&scratch);
}

/* ------------------------------------------------------------------------ not noticed */

static _Atomic int children_told;

static void count_child(int signal UNUSED)
{
	atomic_fetch_add(&children_told, 1);
}

TEST(the_host_is_told_of_no_child_and_finds_none)
{
	signal(SIGCHLD, count_child);
	assert_int_equal(run(do_nothing, NULL), 0);
	assert_int_equal(run(load_byte, inaccessible()), -ECHILD);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(atomic_load(&children_told), 0);
}

/* The host waits while it runs. */
static void *wait_for_any(void *arg)
{
	const int flags = *(const int *)arg;
	int status;

	return (void *)(intptr_t)waitpid(-1, &status, flags);
}

static void last_a_while(void *arg UNUSED)
{
	thread_nap(100 * NS_PER_MS);
}

TEST(a_host_that_waits_for_any_child_does_not_get_it)
{
	struct companion companion;
	struct scratch scratch;
	int plain = 0;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&scratch, SCRATCH_BYTES), 0);
	assert_int_equal(companion_start(&companion, &scratch, last_a_while, NULL), 0);
	assert_int_equal((intptr_t)thread_end(thread_begin(wait_for_any, &plain)), -1);
	assert_int_equal(companion_wait(&companion, deadline_in(10000)), 0);
	scratch_close(&scratch);
}

TEST(one_that_takes_every_kind_of_child_does_no_harm)
{
	struct companion companion;
	struct scratch scratch;
	int all = __WALL;
	pthread_t thief;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&scratch, SCRATCH_BYTES), 0);
	assert_int_equal(companion_start(&companion, &scratch, last_a_while, NULL), 0);
	thief = thread_begin(wait_for_any, &all);
	sleep_ms(200);
	assert_int_equal((intptr_t)thread_end(thief), companion.pid);
	assert_int_equal(companion_wait(&companion, deadline_in(10000)), 0);
	scratch_close(&scratch);
}

TEST(a_host_that_ignores_the_ends_of_children_does_not_disturb)
{
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run(do_nothing, NULL), 0);
	assert_int_equal(run(load_byte, inaccessible()), -ECHILD);
}

static void raise_here(int signal UNUSED)
{
	_exit(3);
}

static void guard_read(void *arg)
{
	uintptr_t fault;

	if (companion_guarded(load_byte, arg, &fault))
		companion_die();
}

/* Nor does its leave the host without. */
TEST(the_handlers_of_the_host_are_neither_called_nor_changed)
{
	struct sigaction now;

	signal(SIGSEGV, raise_here);
	assert_int_equal(run(guard_read, inaccessible()), 0);
	assert_int_equal(sigaction(SIGSEGV, NULL, &now), 0);
	assert_ptr_equal(now.sa_handler, raise_here);
}

TEST(the_callers_signal_mask_is_as_before)
{
	sigset_t before, after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(run(do_nothing, NULL), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int s = 1; s < SIGRTMAX; s++)
		assert_int_equal(sigismember(&after, s), sigismember(&before, s));
}

static void be_asked_to_end(void *arg)
{
	kill((pid_t)syscall(SYS_getpid), SIGTERM);
	*(bool *)arg = true;
}

/* As when a terminal's keys reach the whole group: it has threads to let go first. */
TEST(a_signal_does_not_end_it)
{
	bool went_on = false;

	assert_int_equal(run(be_asked_to_end, &went_on), 0);
	assert_true(went_on);
}

/* -------------------------------------------------------------------- its owner's end */

static struct scratch left_scratch;
static struct companion left;

static bool is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) != 0 ||
	       waitpid(*(pid_t *)arg, NULL, WNOHANG | __WALL) > 0;
}

static void *start_and_leave(void *arg)
{
	assert_int_equal(companion_start(&left, &left_scratch, spin, arg), 0);
	return NULL;
}

TEST(it_dies_with_the_thread_that_started_it)
{
	volatile bool forever = true;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&left_scratch, SCRATCH_BYTES), 0);
	on_plain_thread(start_and_leave, (void *)&forever);
	assert_true(wait_until(is_gone, &left.pid, 10000));
}

static void *exec_elsewhere(void *arg UNUSED)
{
	char *const args[] = { (char *)"sleep", (char *)"60", NULL };

	sleep_ms(50);
	execv("/bin/sleep", args);
	return NULL;
}

static void start_and_exec(int writing)
{
	volatile bool forever = true;

	child_check(fcntl(writing, F_SETFD, FD_CLOEXEC) == 0);
	child_check(scratch_open(&left_scratch, SCRATCH_BYTES) == 0);
	child_check(companion_start(&left, &left_scratch, spin, (void *)&forever) == 0);
	thread_begin(exec_elsewhere, NULL);
	child_check(companion_wait(&left, UINT64_MAX) == 0);
	_exit(1);
}

/*
 * It has the old memory and the descriptors: as long as it lived, the pipe would be open.
 */
TEST(it_dies_when_the_host_becomes_another_program)
{
	pid_t child;
	int ends[2];
	char byte;

	refuse_thread_sanitizer();
	assert_int_equal(pipe2(ends, 0), 0);
	child = fork();
	if (child == 0)
		start_and_exec(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
}

/* ---------------------------------------------------------------------- guarded calls */

struct guarded {
	void (*fn)(void *);
	void *arg;
	bool came_back;
	uintptr_t fault;
	int times;
};

static void guard_once(void *arg)
{
	struct guarded *g = arg;

	for (int i = 0; i < g->times; i++)
		g->came_back = companion_guarded(g->fn, g->arg, &g->fault);
}

TEST(a_guarded_call_without_a_fault_returns_true)
{
	int value = 1;
	struct guarded g = { load_byte, &value, false, 77, 1 };

	assert_int_equal(run(guard_once, &g), 0);
	assert_true(g.came_back);
	assert_int_equal(g.fault, 77);
}

TEST(a_guarded_read_of_inaccessible_memory_tells_the_address)
{
	char *page = inaccessible();
	struct guarded g = { load_byte, page + 123, true, 0, 1 };

	assert_int_equal(run(guard_once, &g), 0);
	assert_false(g.came_back);
	assert_int_equal(g.fault, (uintptr_t)page + 123);
}

TEST(a_guarded_read_behind_the_end_of_a_file_tells_the_address)
{
	const int fd = memfd_create("foster test", MFD_CLOEXEC);
	char *p = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	struct guarded g = { load_byte, p + 8, true, 0, 1 };

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(run(guard_once, &g), 0);
	assert_false(g.came_back);
	assert_int_equal(g.fault, (uintptr_t)p + 8);
}

TEST(any_number_of_faults_are_survived)
{
	char *page = inaccessible();
	struct guarded g = { load_byte, page, true, 0, 1000 };

	assert_int_equal(run(guard_once, &g), 0);
	assert_false(g.came_back);
}

static void guard_and_fault(void *arg)
{
	struct guarded *g = arg;

	g->came_back = companion_guarded(load_byte, &g->times, &g->fault);
	load_byte(g->arg);
	g->came_back = false;
}

TEST(a_fault_after_a_guarded_call_is_not_guarded)
{
	struct guarded g = { .arg = inaccessible() };

	assert_int_equal(run(guard_and_fault, &g), -ECHILD);
	assert_true(g.came_back);
}

static void die_guarded(void *arg)
{
	uintptr_t fault;

	(void)!companion_guarded((void (*)(void *))companion_die, arg, &fault);
}

TEST(the_guard_of_one_that_was_killed_is_not_the_next_ones)
{
	char *page = inaccessible();
	struct guarded g = { load_byte, page, true, 0, 1 };

	assert_int_equal(run(die_guarded, NULL), -ECHILD);
	assert_int_equal(run(guard_once, &g), 0);
	assert_int_equal(g.fault, (uintptr_t)page);
}

/* --------------------------------------------------------------------------- its cost */

TEST(the_figures)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		const uint64_t before = clock_ns();
		uint64_t took;

		assert_int_equal(run(do_nothing, NULL), 0);
		took = clock_ns() - before;
		least = took < least ? took : least;
	}
	printf("# started, ended and waited for in %u us\n",
	       (unsigned int)(least / 1000));
}
