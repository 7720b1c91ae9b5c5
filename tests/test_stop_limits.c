/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stopping all threads where something is in the way: an error, and everything goes on.
 */
#include "stopping.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "os/companion.h"
#include "os/thread.h"

/* ----------------------------------------------------------------- what is in the way */

/* Until the child ends the parent runs no more; the child runs in this memory. */
static void *start_like_vfork(void *arg)
{
	const int *ms = arg;
	pid_t child = vfork();
	const struct timespec rest = { 0, *ms * 1000000L };

	if (child == 0) {
		syscall(SYS_nanosleep, &rest, NULL);
		_exit(0);
	}
	return (void *)(intptr_t)waitpid(child, NULL, 0);
}

TEST(the_parent_of_a_vfork_is_given_up_and_all_goes_on)
{
	int ms = 500;
	pthread_t parent;

	begin_spinners();
	parent = thread_begin(start_like_vfork, &ms);
	sleep_ms(100);
	assert_int_equal(stop_within(NULL, NULL, 50), -ETIMEDOUT);
	assert_all_spin();
	assert_true((intptr_t)thread_end(parent) > 0);
	assert_int_equal(stop_for(NULL, NULL), 0);
	end_spinners();
}

/* In a child of this process: traces one of its threads until it is told to end. */
static void trace_thread(pid_t tid, int reading)
{
	char byte;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		_exit(1);
	kill(getppid(), SIGUSR1);
	(void)!read(reading, &byte, 1);
	_exit(0);
}

TEST(a_thread_that_somebody_else_traces_is_an_error_and_all_goes_on)
{
	sigset_t told;
	int ends[2], signal, status;
	pid_t tracer;

	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	sigaddset(&told, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &told, NULL);
	begin_spinners();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	tracer = fork();
	if (tracer == 0) {
		close(ends[1]);
		trace_thread(spinners[2].tid, ends[0]);
	}
	assert_int_equal(sigwait(&told, &signal), 0);
	if (signal == SIGCHLD)
		test_skip("no process may trace its parent here");
	assert_int_equal(stop_for(NULL, NULL), -EPERM);
	assert_all_spin();
	close(ends[1]);
	assert_int_equal(waitpid(tracer, &status, 0), tracer);
	assert_int_equal(stop_for(NULL, NULL), 0);
	end_spinners();
}

static void drop_privileges(void *arg UNUSED)
{
	struct spinner spinner = { 0 };

	stop_open();
	spinner_begin(&spinner);
	child_check(setuid(65534) == 0);
	child_check(stop_for(NULL, NULL) == -EPERM);
	assert_spins(&spinner);
	/* Which a host may do that wants its debuggers back. */
	child_check(prctl(PR_SET_DUMPABLE, 1) == 0);
	child_check(stop_for(NULL, NULL) == 0);
	assert_spins(&spinner);
}

TEST(a_host_that_has_dropped_privileges_must_be_dumpable)
{
	if (geteuid() != 0)
		test_skip("needs root, to become somebody else");
	need_companion();
	assert_child_passes(drop_privileges, NULL);
}

/* ----------------------------------------------------------------------- a host's end */

struct ending {
	void (*end)(void);
	int ms;
};

static void *end_soon(void *arg)
{
	const struct ending *ending = arg;

	thread_nap((uint64_t)ending->ms * NS_PER_MS / 4);
	ending->end();
	return NULL;
}

/* What a stop says then is of no interest, and there is nobody to hear it. */
static void be_ended(void *arg)
{
	struct spinner two[2] = { 0 };

	spinner_begin(&two[0]);
	spinner_begin(&two[1]);
	thread_begin(end_soon, arg);
	for (;;)
		(void)stop_for(NULL, NULL);
}

static void exec_true(void)
{
	char *const args[] = { (char *)"true", NULL };

	execv("/bin/true", args);
	_exit(1);
}

static void exit_now(void)
{
	_exit(0);
}

/* Ending all other threads it waits for those that a companion traces. */
TEST(an_exec_meanwhile_goes_through)
{
	need_companion();
	for (int i = 0; i < 20; i++) {
		struct ending ending = { exec_true, i };

		assert_child_passes(be_ended, &ending);
	}
}

TEST(so_does_an_exit)
{
	need_companion();
	for (int i = 0; i < 20; i++) {
		struct ending ending = { exit_now, i };

		assert_child_passes(be_ended, &ending);
	}
}

/* ---------------------------------------------------------------------- what runs out */

static void use_descriptors(void)
{
	const struct rlimit few = { 600, 600 };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (dup(STDERR_FILENO) >= 0)
		;
	assert_int_equal(errno, EMFILE);
}

TEST(without_descriptors_the_one_that_was_opened_before_suffices)
{
	begin_spinners();
	stop_open();
	use_descriptors();
	assert_int_equal(stopped_now(), SPINNERS);
	assert_all_spin();
	end_spinners();
}

TEST(without_descriptors_and_one_opened_before_it_is_an_error)
{
	begin_spinners();
	use_descriptors();
	assert_int_equal(stop_for(NULL, NULL), -EMFILE);
	assert_all_spin();
	end_spinners();
}

struct cramped {
	struct scratch scratch;
	pid_t host;
	pid_t owner;
	int result;
};

static void stop_cramped(void *arg)
{
	struct cramped *c = arg;
	struct stop *s;

	c->result = stop_all(&s, &c->scratch, c->host, c->owner, deadline_in(10000));
	if (!c->result)
		stop_end(s);
}

static int stop_with(size_t bytes)
{
	struct cramped c = { .host = getpid(), .owner = thread_tid() };
	struct companion companion;
	struct scratch own;

	need_companion();
	assert_int_equal(scratch_open(&own, COMPANION_SCRATCH), 0);
	assert_int_equal(scratch_open(&c.scratch, bytes), 0);
	assert_int_equal(companion_start(&companion, &own, stop_cramped, &c), 0);
	assert_int_equal(companion_wait(&companion, deadline_in(20000)), 0);
	scratch_close(&c.scratch);
	scratch_close(&own);
	return c.result;
}

TEST(without_room_in_scratch_it_is_an_error_and_all_goes_on)
{
	size_t bytes = page_size();
	int failed = 0;

	begin_spinners();
	while (stop_with(bytes) == -ENOMEM) {
		assert_all_spin();
		bytes += page_size();
		failed++;
	}
	assert_true(failed > 10);
	assert_int_equal(stop_with(bytes), 0);
	assert_true(bytes <= STOP_SCRATCH + SPINNERS * STOP_SCRATCH_THREAD);
	end_spinners();
}

/* ------------------------------------------------------------------ a companion's end */

static void stand_for_ever(void *arg)
{
	struct cramped *c = arg;
	struct stop *s;

	c->result = stop_all(&s, &c->scratch, c->host, c->owner, deadline_in(10000));
	for (;;)
		thread_nap(1000 * NS_PER_MS);
}

static void assert_killed_lets_go(bool by_deadline)
{
	struct cramped c = { .host = getpid(), .owner = thread_tid(), .result = 1 };
	struct companion companion;

	need_companion();
	begin_spinners();
	assert_int_equal(scratch_open(&c.scratch, (size_t)4 << 20), 0);
	assert_int_equal(companion_start(&companion, &c.scratch, stand_for_ever, &c), 0);
	while (((volatile struct cramped *)&c)->result)
		thread_nap(NS_PER_MS);
	if (!by_deadline)
		kill(companion.pid, SIGKILL);
	assert_int_equal(companion_wait(&companion, deadline_in(50)),
			 by_deadline ? -ETIMEDOUT : -ECHILD);
	assert_all_spin();
	scratch_close(&c.scratch);
	end_spinners();
}

TEST(threads_go_on_when_the_companion_is_killed)
{
	assert_killed_lets_go(false);
}

TEST(threads_go_on_when_it_is_killed_at_the_deadline)
{
	assert_killed_lets_go(true);
}

/* --------------------------------------------------------------------- the descriptor */

static void stop_in_fork(void *forget)
{
	struct spinner spinner = { 0 };
	size_t n = 0;

	if (forget)
		stop_after_fork();
	spinner_begin(&spinner);
	child_check(stop_for(count_stopped, &n) == 0);
	child_check(n == 1);
}

TEST(the_child_of_a_fork_stops_its_own_threads)
{
	need_companion();
	stop_open();
	begin_spinners();
	assert_child_passes(stop_in_fork, NULL);
	assert_child_passes(stop_in_fork, spinners);
	assert_int_equal(stopped_now(), SPINNERS);
	end_spinners();
}

TEST(a_host_that_closes_all_descriptors_keeps_those_it_opens_then)
{
	const int first = pattern_memfd(8, 0);
	int fds[600];
	uint64_t word;

	stop_open();
	begin_spinners();
	syscall(SYS_close_range, (unsigned int)first, ~0u, 0);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = pattern_memfd(8, 0);
		lseek(fds[i], 0, SEEK_SET);
	}
	assert_int_equal(stopped_now(), SPINNERS);
	for (size_t i = 0; i < COUNT_OF(fds); i++) {
		assert_int_equal(read(fds[i], &word, 8), 8);
		assert_int_equal(word, pattern_word(0));
	}
	end_spinners();
}

TEST(stopping_leaves_nothing_open)
{
	size_t before;

	stop_open();
	begin_spinners();
	before = fd_count();
	stop_times(20, 0);
	assert_int_equal(fd_count(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	end_spinners();
}
