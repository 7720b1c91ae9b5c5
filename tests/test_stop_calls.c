/* SPDX-License-Identifier: BSD-2-Clause */
/* What stopped threads notice in the system calls they sleep in: nothing. */
#include "stopping.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "os/registers.h"
#include "os/thread.h"

/* --------------------------------------------------------------------- sleeping calls */

struct call {
	long (*make)(struct call *);
	int fd;
	sem_t sem;
	/* of the call */
	long result;
	int error;
	uint64_t took_ms;
	_Atomic bool made;
	_Atomic bool returned;
	_Atomic pid_t tid;
};

static void *make_call(void *arg)
{
	struct call *call = arg;
	uint64_t before = now_ms();

	call->tid = thread_tid();
	call->made = true;
	errno = 0;
	call->result = call->make(call);
	call->error = errno;
	call->took_ms = now_ms() - before;
	call->returned = true;
	return NULL;
}

static pthread_t begin_call(struct call *call)
{
	pthread_t thread = thread_begin(make_call, call);

	while (!call->made)
		sleep_ms(1);
	sleep_ms(20); /* until it sleeps */
	return thread;
}

/* How long the calls below wait, and how often they are stopped in that time. */
#define CALL_MS 300
#define STOPS 5

/* Stopped several times it returns what it would have, in its time. */
static void assert_times_out(struct call *call, long result, int error)
{
	pthread_t thread = begin_call(call);

	stop_times(STOPS, 20);
	thread_end(thread);
	assert_int_equal(call->result, result);
	assert_int_equal(call->error, error);
	assert_true(call->took_ms >= CALL_MS - 1);
}

static const struct timespec call_time = { 0, CALL_MS * 1000000L };

static struct timespec deadline_of_call(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += CALL_MS * 1000000L;
	at.tv_sec += at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	return at;
}

static long call_epoll(struct call *call)
{
	struct epoll_event event;

	return epoll_wait(call->fd, &event, 1, CALL_MS);
}

TEST(epoll_wait_does_not_return_early)
{
	struct call call = { .make = call_epoll, .fd = epoll_create1(0) };

	assert_times_out(&call, 0, 0);
}

static long call_epoll_masked(struct call *call)
{
	struct epoll_event event;
	sigset_t none, before, after;
	long r;

	sigemptyset(&none);
	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r = epoll_pwait(call->fd, &event, 1, CALL_MS, &none);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	return sigismember(&after, SIGUSR1) == 1 ? r : -2;
}

TEST(epoll_pwait_does_not_return_early_and_puts_the_mask_back)
{
	struct call call = { .make = call_epoll_masked, .fd = epoll_create1(0) };

	assert_times_out(&call, 0, 0);
}

static long call_nanosleep(struct call *call UNUSED)
{
	return nanosleep(&call_time, NULL);
}

TEST(nanosleep_does_not_return_early)
{
	struct call call = { .make = call_nanosleep };

	assert_times_out(&call, 0, 0);
}

static long call_sleep(struct call *call UNUSED)
{
	return (long)sleep(1);
}

TEST(sleep_sleeps_for_its_second)
{
	struct call call = { .make = call_sleep };

	assert_times_out(&call, 0, 0);
	assert_true(call.took_ms >= 999);
}

static long call_sem_timedwait(struct call *call)
{
	const struct timespec at = deadline_of_call();

	return sem_timedwait(&call->sem, &at);
}

TEST(sem_timedwait_does_not_return_early)
{
	struct call call = { .make = call_sem_timedwait };

	sem_init(&call.sem, 0, 0);
	assert_times_out(&call, -1, ETIMEDOUT);
}

static long call_poll(struct call *call UNUSED)
{
	return poll(NULL, 0, CALL_MS);
}

TEST(poll_does_not_return_early)
{
	struct call call = { .make = call_poll };

	assert_times_out(&call, 0, 0);
}

static long call_sigtimedwait(struct call *call UNUSED)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &call_time);
}

TEST(sigtimedwait_does_not_return_early)
{
	struct call call = { .make = call_sigtimedwait };

	assert_times_out(&call, -1, EAGAIN);
}

static long call_semtimedop(struct call *call)
{
	struct sembuf down = { 0, -1, 0 };

	return semtimedop(call->fd, &down, 1, &call_time);
}

TEST(semtimedop_does_not_return_early)
{
	struct call call = { .make = call_semtimedop,
			     .fd = semget(IPC_PRIVATE, 1, 0600 | IPC_CREAT) };

	if (call.fd < 0)
		test_skip("no semaphores of System V");
	assert_times_out(&call, -1, EAGAIN);
	semctl(call.fd, 0, IPC_RMID);
}

static long call_recv(struct call *call)
{
	char byte;

	return recv(call->fd, &byte, 1, 0);
}

TEST(recv_with_a_timeout_of_its_socket_does_not_return_early)
{
	const struct timeval time = { 0, CALL_MS * 1000 };
	struct call call = { .make = call_recv };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(
		setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
	call.fd = ends[0];
	assert_times_out(&call, -1, EAGAIN);
}

static long call_read(struct call *call)
{
	char byte;

	return read(call->fd, &byte, 1);
}

TEST(read_returns_what_is_written_later)
{
	struct call call = { .make = call_read };
	pthread_t thread;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	call.fd = ends[0];
	thread = begin_call(&call);
	stop_times(STOPS, 5);
	assert_false(call.returned);
	assert_int_equal(write(ends[1], "x", 1), 1);
	thread_end(thread);
	assert_int_equal(call.result, 1);
}

static long call_sem_wait(struct call *call)
{
	return sem_wait(&call->sem);
}

TEST(sem_wait_returns_when_it_is_posted)
{
	struct call call = { .make = call_sem_wait };
	pthread_t thread;

	sem_init(&call.sem, 0, 0);
	thread = begin_call(&call);
	stop_times(STOPS, 5);
	assert_false(call.returned);
	sem_post(&call.sem);
	thread_end(thread);
	assert_int_equal(call.result, 0);
}

/* --------------------------------------------------------------- which are begun anew */

#ifdef __x86_64__
#include <sys/user.h>

static bool interrupted(long number, long returned)
{
	const struct user_regs_struct regs = { .orig_rax = (unsigned long)number,
					       .rax = (unsigned long)returned };

	return registers_interrupted(&regs, sizeof(regs));
}

TEST(only_calls_that_have_done_nothing_are_begun_anew)
{
	assert_true(interrupted(SYS_epoll_wait, -EINTR));
	assert_false(interrupted(SYS_epoll_wait, 0));
	assert_false(interrupted(SYS_epoll_wait, -EAGAIN));
	assert_false(interrupted(SYS_close, -EINTR));
	assert_false(interrupted(SYS_unlink, -EINTR));
	assert_false(interrupted(-1, -EINTR)); /* what a handler has come back to */
}
#endif

/* --------------------------------------------------------------- the kernel's threads */

#define SYS_URING_SETUP 425
#define SYS_URING_ENTER 426

struct uring {
	int fd;
	char *rings;
	char *entries;
	uint32_t params[30]; /* struct io_uring_params */
};

/* Places in it: offsets of the queues. */
#define PARAM_SQ_OFF 10
#define PARAM_CQ_OFF 20
enum { SQ_TAIL = 1, SQ_MASK = 2, SQ_ARRAY = 6 };
enum { CQ_HEAD = 0, CQ_TAIL = 1, CQ_MASK = 2, CQ_ENTRIES = 5 };

static bool uring_open(struct uring *u)
{
	const int prot = PROT_READ | PROT_WRITE;

	u->fd = (int)syscall(SYS_URING_SETUP, 4, u->params);
	if (u->fd < 0)
		return false;
	u->rings = mmap(NULL, 4096, prot, MAP_SHARED, u->fd, 0);
	u->entries = mmap(NULL, 4096, prot, MAP_SHARED, u->fd, 0x10000000);
	return u->rings != MAP_FAILED && u->entries != MAP_FAILED;
}

static _Atomic uint32_t *sq(struct uring *u, int what)
{
	return (void *)(u->rings + u->params[PARAM_SQ_OFF + what]);
}

static _Atomic uint32_t *cq(struct uring *u, int what)
{
	return (void *)(u->rings + u->params[PARAM_CQ_OFF + what]);
}

/*
 * Opens a named pipe in a worker (IOSQE_ASYNC), which sleeps there until the other end is
 * opened: a read would be left to poll.
 */
static void uring_open_pipe(struct uring *u, const char *path)
{
	uint8_t *entry = (uint8_t *)u->entries;
	const uint64_t at = (uintptr_t)path;
	const int here = AT_FDCWD;

	memset(entry, 0, 64);
	entry[0] = 18;	 /* IORING_OP_OPENAT, reading */
	entry[1] = 0x10; /* IOSQE_ASYNC */
	memcpy(entry + 4, &here, 4);
	memcpy(entry + 16, &at, 8);
	*sq(u, SQ_ARRAY) = 0;
	*sq(u, SQ_TAIL) += 1;
	assert_int_equal(syscall(SYS_URING_ENTER, u->fd, 1, 0, 0, NULL, 0), 1);
}

static bool uring_answered(void *arg)
{
	struct uring *u = arg;

	return *cq(u, CQ_TAIL) != *cq(u, CQ_HEAD);
}

static int32_t uring_answer(struct uring *u)
{
	int32_t result;

	memcpy(&result, (char *)cq(u, CQ_ENTRIES) + 8, 4);
	return result;
}

TEST(what_a_worker_of_io_uring_sleeps_in_is_not_interrupted)
{
	char path[PATH_MAX];
	struct uring u = { 0 };
	int writing;

	if (!uring_open(&u))
		test_skip("no io_uring: errno %d", errno);
	close(pattern_file(path, 0));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	uring_open_pipe(&u, path);
	sleep_ms(50);
	assert_int_equal(status_figure("Threads"), 2);
	stop_times(STOPS, 5);
	assert_false(uring_answered(&u));
	writing = open(path, O_WRONLY | O_CLOEXEC);
	unlink(path);
	assert_true(writing >= 0);
	assert_true(wait_until(uring_answered, &u, 10000));
	assert_true(uring_answer(&u) >= 0);
}
