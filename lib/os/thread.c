/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hidden.h"

#define NS_PER_S 1000000000ull
#define STACK_BYTES (512u << 10) /* finalizers of the host may run on it */
#define STATUS_BYTES 4096	 /* of a thread's status file; the line looked for comes early */
#define NAME_BYTES 16		 /* of a thread, with its end */

struct start {
	void (*run)(void *);
	void *arg;
	char name[NAME_BYTES];
};

static void *begin(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	(void)pthread_setname_np(pthread_self(), start.name);
	start.run(start.arg);
	return NULL;
}

/*
 * The faults of a thread itself stay open: blocked they would kill the process, and in
 * incremental mode libgc's handlers fault on purpose.
 */
static void mask_of_ours(sigset_t *mask, const int *open, int count)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };

	sigfillset(mask);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(mask, faults[i]);
	for (int i = 0; i < count; i++)
		if (open[i] > 0)
			sigdelset(mask, open[i]);
}

/*
 * The new thread inherits the mask, so that no signal of the host can reach it in
 * between.
 */
static int create_masked(const pthread_attr_t *attr, struct start *start, const int *open,
			 int count)
{
	sigset_t ours, before;
	pthread_t thread;
	int r;

	mask_of_ours(&ours, open, count);
	r = pthread_sigmask(SIG_SETMASK, &ours, &before);
	if (r)
		return -r;
	r = pthread_create(&thread, attr, begin, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int thread_start(const char *name, void (*run)(void *), void *arg, const int *open, int count)
{
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attr;
	int r;

	if (!start)
		return -ENOMEM;
	*start = (struct start){ .run = run, .arg = arg };
	strncpy(start->name, name, NAME_BYTES - 1);
	r = -pthread_attr_init(&attr);
	if (r == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, STACK_BYTES);
		r = create_masked(&attr, start, open, count);
		pthread_attr_destroy(&attr);
	}
	if (r)
		free(start);
	return r;
}

void thread_open_signals(const int *signals, int count)
{
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < count; i++)
		if (signals[i] > 0)
			sigaddset(&set, signals[i]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void thread_park(void)
{
	for (;;)
		pause();
}

pid_t thread_tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

bool thread_is_main(void)
{
	return thread_tid() == getpid();
}

/* The SigBlk line of a status file: bit n - 1 is signal n. */
static uint64_t blocked_mask(const char *status)
{
	const char *line = strstr(status, "\nSigBlk:");

	return line ? strtoull(line + sizeof("\nSigBlk:") - 1, NULL, 16) : 0;
}

bool thread_blocks(pid_t tid, const int *signals, int count)
{
	char path[64], status[STATUS_BYTES];
	uint64_t mask;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, status, sizeof(status) - 1);
	close(fd);
	status[n > 0 ? n : 0] = '\0';
	mask = blocked_mask(status);
	for (int i = 0; i < count; i++)
		if (signals[i] > 0 && (mask >> (signals[i] - 1) & 1))
			return true;
	return false;
}

bool thread_stack(uintptr_t *low, uintptr_t *high)
{
	pthread_attr_t attr;
	void *start = NULL;
	size_t size = 0;

	*low = *high = 0;
	if (pthread_getattr_np(pthread_self(), &attr))
		return false;
	if (pthread_attr_getstack(&attr, &start, &size) == 0) {
		*low = (uintptr_t)start;
		*high = *low + size;
	}
	pthread_attr_destroy(&attr);
	return *high != 0;
}

bool thread_stack_is_guarded(void)
{
	pthread_attr_t attr;
	size_t guard = 0;

	if (pthread_getattr_np(pthread_self(), &attr))
		return false;
	(void)pthread_attr_getguardsize(&attr, &guard);
	pthread_attr_destroy(&attr);
	return guard != 0;
}

bool thread_on_own_stack(const void *addr)
{
	uintptr_t low, high;

	(void)thread_stack(&low, &high);
	return (uintptr_t)addr - low < high - low;
}

/*
 * More than the frames of a wait and two signal frames, each of which has room for all
 * registers of the processor (11 KiB with the widest) and writes only those that are in
 * use.
 */
#define WIPE_BYTES (32u << 10)
/* On a stack that is not the thread's, of which nothing is known. */
#define WIPE_BYTES_LEAST 1024u
/* Left alone at the end of the stack. */
#define WIPE_MARGIN (4u << 10)
#define WIPE_OWN 512

/* The bounds of the calling thread's stack, remembered hidden: a region may begin at its end. */
static bool wipe_bounds(uintptr_t *low, uintptr_t *high)
{
	static __thread hidden_addr known_low, known_high;

	if (!known_high.complement) {
		if (!thread_stack(low, high))
			return false;
		known_low = hide(*low);
		known_high = hide(*high);
	}
	*low = reveal(known_low);
	*high = reveal(known_high);
	return true;
}

/* How much of the stack below here may be written. */
static size_t wipe_room(uintptr_t here)
{
	uintptr_t low, high;
	size_t room;

	if (!wipe_bounds(&low, &high) || here < low || here >= high)
		return WIPE_BYTES_LEAST;
	room = here - low > WIPE_MARGIN ? here - low - WIPE_MARGIN : 0;
	return room < WIPE_BYTES ? room : WIPE_BYTES;
}

static _noinline_ void wipe_below(void)
{
	size_t room = wipe_room((uintptr_t)__builtin_frame_address(0));
	void *dead = __builtin_alloca(room);

	memset(dead, 0, room);
	__asm__ volatile("" : : "r"(dead) : "memory");
}

/*
 * What is called next has its frame where this one's is, with holes that it never writes: so this
 * one is longer than those, and is cleared itself.
 */
_noinline_ void thread_wipe_stack(void)
{
	char own[WIPE_OWN];

	wipe_below();
	memset(own, 0, sizeof(own));
	__asm__ volatile("" : : "r"(own) : "memory");
}

void futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline)
{
	struct timespec at = { .tv_sec = (time_t)(deadline / NS_PER_S),
			       .tv_nsec = (long)(deadline % NS_PER_S) };

	/*
	 * The bitset form takes an absolute time, so that a wake in vain does not
	 * lengthen it.
	 */
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
		deadline == UINT64_MAX ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(_Atomic uint32_t *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

static uint64_t clock_of(clockid_t id)
{
	struct timespec now = { 0 };

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_ns(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_ns(void)
{
	return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

void thread_nap(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

uint64_t deadline_in(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

int fork_handlers(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return -pthread_atfork(prepare, parent, child);
}

int thread_at_exit(pthread_key_t *key, void (*run)(void *))
{
	return -pthread_key_create(key, run);
}
