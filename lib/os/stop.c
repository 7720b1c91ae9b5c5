/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/stop.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/check.h"
#include "os/companion.h"
#include "os/raw.h"
#include "os/registers.h"
#include "os/tasks.h"
#include "os/thread.h"

/*
 * Each thread is seized and interrupted (PTRACE_SEIZE, PTRACE_INTERRUPT), and traps.
 *
 *             seize()                hear()                  let_go()
 *   (listed) ---------> COMING -------------------> STANDING ---------> (runs)
 *       |                 |  ^  |
 *       |                 +--+  +--> GONE   it has ended, and we have reaped it
 *       |        a signal of its own came first: passed on
 *       +--> APART   a thread of the kernel's, or past all code of the program
 *
 * A thread rests in no other trap than that of the interruption: nothing is lost where
 * the companion is killed meanwhile.  In the trap of a signal it would be: a signal that
 * its tracer has seen (wait(2) without WNOWAIT) and not passed on is dropped.
 *
 * Done is a pass over the list in which all that were there when it began were known
 * before, so that there was nobody left to start a thread.
 */
enum phase { COMING, STANDING, APART, GONE };

struct stop_thread {
	struct stop_thread *next;
	struct stop_thread *same; /* in the bucket */
	enum phase phase;
	struct stop_registers regs;
	_Alignas(16) unsigned char general[REGISTERS_GENERAL];
};

#define BUCKETS 512u /* by the thread's number */

struct stop {
	struct scratch *scratch;
	struct tasks tasks;
	pid_t owner;
	uint64_t deadline;
	struct stop_thread *first;
	struct stop_thread *last;
	struct stop_thread *bucket[BUCKETS];
	size_t vector_room; /* for a thread's vector registers; known after the first */
	/* of this pass */
	long known;
	long met;
};

/* A process was refused that it stop its own threads. */
static _Atomic bool refused;

void stop_open(void)
{
	tasks_open();
}

void stop_after_fork(void)
{
	tasks_after_fork();
}

#define YAMA "/proc/sys/kernel/yama/ptrace_scope"

void stop_permit(pid_t companion)
{
	char scope = 0;
	long fd;

	if (!atomic_load_explicit(&refused, memory_order_relaxed))
		return;
	fd = raw(SYS_openat, (uintptr_t)AT_FDCWD, (uintptr_t)YAMA, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)raw(SYS_read, (uintptr_t)fd, (uintptr_t)&scope, 1);
	(void)raw(SYS_close, (uintptr_t)fd);
	if (scope == '1')
		(void)raw(SYS_prctl, PR_SET_PTRACER, (uintptr_t)companion);
}

static int trace(long request, pid_t tid, uintptr_t addr, uintptr_t data)
{
	return (int)raw(SYS_ptrace, (uintptr_t)request, (uintptr_t)tid, addr, data);
}

/* ------------------------------------------------------------------------- who is met */

static struct stop_thread **bucket_of(struct stop *s, pid_t tid)
{
	return &s->bucket[(unsigned int)tid % BUCKETS];
}

/* One that has ended is not: its number may be another's. */
static bool is_known(struct stop *s, pid_t tid)
{
	for (struct stop_thread *t = *bucket_of(s, tid); t; t = t->same)
		if (t->regs.tid == tid && t->phase != GONE)
			return true;
	return false;
}

static struct stop_thread *append(struct stop *s, pid_t tid, enum phase phase)
{
	struct stop_thread *t = scratch_take(s->scratch, sizeof(*t));

	if (!t)
		return NULL;
	t->regs.tid = tid;
	t->phase = phase;
	t->same = *bucket_of(s, tid);
	*bucket_of(s, tid) = t;
	*(s->last ? &s->last->next : &s->first) = t;
	s->last = t;
	return t;
}

/* It must not be seized, or cannot be.  kind: TASK_*, or a negative errno. */
static int leave_apart(struct stop_thread *t, int kind)
{
	if (kind == TASK_USER) {
		atomic_store_explicit(&refused, true, memory_order_relaxed);
		kind = -EPERM;
	}
	t->phase = kind < 0 ? GONE : APART;
	return kind < 0 ? kind : 0;
}

static int seize(struct stop *s, pid_t tid)
{
	/* Before, since afterwards there must be no failure. */
	struct stop_thread *t = append(s, tid, GONE);
	int r;

	if (!t)
		return -ENOMEM;
	/*
	 * The kernel's threads could be stopped, but their work would end with EINTR,
	 * which the host would see.
	 */
	r = tasks_glance(&s->tasks, tid);
	if (r != TASK_USER)
		return leave_apart(t, r);
	r = trace(PTRACE_SEIZE, tid, 0, 0);
	if (r == -ESRCH)
		return 0;
	if (r == -EPERM)
		return leave_apart(t, tasks_look(&s->tasks, tid));
	if (r)
		return r;
	t->phase = COMING;
	/* If this fails it is about to end. */
	(void)trace(PTRACE_INTERRUPT, tid, 0, 0);
	return 0;
}

static int meet(pid_t tid, void *arg)
{
	struct stop *s = arg;

	if (tid == s->owner || is_known(s, tid)) {
		s->known++;
		return 0;
	}
	s->met++;
	return seize(s, tid);
}

/* -------------------------------------------------------------------------- registers */

/* More than any processor has: 11 KiB with the matrix registers of x86-64. */
#define VECTOR_MOST (16u << 10)
/* The kernel fills what there is room for and says how much: full, there may be more. */
#define VECTOR_SPARE 64u

static int read_set(pid_t tid, unsigned int set, void *into, size_t room, size_t *bytes)
{
	struct iovec part = { into, room };
	int r = trace(PTRACE_GETREGSET, tid, set, (uintptr_t)&part);

	if (!r && part.iov_len == room)
		return -E2BIG;
	if (!r)
		*bytes = part.iov_len;
	return r;
}

static int read_general(struct stop_thread *t)
{
	int r = read_set(t->regs.tid, NT_PRSTATUS, t->general, sizeof(t->general),
			 &t->regs.general_bytes);

	if (r)
		return r;
	t->regs.general = t->general;
	t->regs.sp = registers_sp(t->general, t->regs.general_bytes);
	return 0;
}

static int read_vector(struct stop *s, struct stop_thread *t)
{
	void *vector = scratch_take(s->scratch, s->vector_room);
	int r = -EIO;

	if (!vector)
		return -ENOMEM;
	for (const unsigned int *set = registers_vector_sets; r && r != -ESRCH && *set;
	     set++)
		r = read_set(t->regs.tid, *set, vector, s->vector_room,
			     &t->regs.vector_bytes);
	if (r)
		return r;
	t->regs.vector = vector;
	s->vector_room = t->regs.vector_bytes + VECTOR_SPARE;
	return 0;
}

/* It is in the trap.  Killed in it, it is heard of again. */
static int arrive(struct stop *s, struct stop_thread *t)
{
	int r;

	t->phase = STANDING;
	r = read_general(t);
	if (!r)
		r = read_vector(s, t);
	if (r != -ESRCH)
		return r;
	t->phase = COMING;
	return 0;
}

/* ---------------------------------------------------------------------------- arrival */

#define WAIT_WHAT (WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL)

/* The trap of a signal took the place of ours, so that is asked for again. */
static void pass_on(pid_t tid, int signal)
{
	(void)trace(PTRACE_INTERRUPT, tid, 0, 0);
	(void)trace(PTRACE_CONT, tid, 0, (uintptr_t)signal);
}

/* Takes what the kernel has to say of a thread that is COMING.  Was there anything? */
static int hear(struct stop *s, struct stop_thread *t, bool *heard)
{
	const pid_t tid = t->regs.tid;
	siginfo_t info = { 0 };
	int r = (int)raw(SYS_waitid, P_PID, (uintptr_t)tid, (uintptr_t)&info, WAIT_WHAT,
			 0);

	*heard = r != 0 || info.si_pid != 0;
	if (r == -ECHILD) {
		t->phase = GONE;
		return 0;
	}
	if (!*heard || r)
		return r;
	if (info.si_code != CLD_TRAPPED) {
		t->phase = GONE;
		(void)raw(SYS_wait4, (uintptr_t)tid, 0, WNOHANG | __WALL, 0);
	} else if (info.si_status >> 8 == PTRACE_EVENT_STOP) {
		return arrive(s, t);
	} else {
		pass_on(tid, info.si_status);
	}
	return 0;
}

/*
 * A thread that ends does not announce everything: the first one not before all others.
 */
#define LOOK_FIRST_NS 500000ull

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int settle(struct stop *s, struct stop_thread *t, uint64_t deadline)
{
	uint64_t pause = LOOK_FIRST_NS;
	uint64_t look = clock_ns() + pause;
	uint64_t now;
	bool heard;
	int r = 0;

	while (!r && t->phase == COMING) {
		r = hear(s, t, &heard);
		if (r || heard)
			continue;
		now = clock_ns();
		if (now >= look) {
			if (tasks_look(&s->tasks, t->regs.tid) == TASK_OVER)
				t->phase = APART;
			pause *= 2;
			look = now + pause;
		} else if (now >= deadline) {
			r = -ETIMEDOUT;
		} else {
			companion_doze(earlier(look, deadline));
		}
	}
	return r;
}

/* -------------------------------------------------------------------------------- all */

static int pass(struct stop *s, struct stop_thread *before, bool *complete)
{
	const long there = tasks_count(&s->tasks);
	int r;

	if (there < 0)
		return (int)there;
	s->known = s->met = 0;
	r = tasks_each(&s->tasks, meet, s);
	for (struct stop_thread *t = before ? before->next : s->first; !r && t;
	     t = t->next)
		r = settle(s, t, s->deadline);
	*complete = !r && s->met == 0 && s->known == there;
	return r;
}

static void let_stand(struct stop_thread *t)
{
	const struct stop_registers *regs = &t->regs;

	if (regs->general && registers_interrupted(regs->general, regs->general_bytes))
		registers_call_again(regs->tid);
	(void)trace(PTRACE_DETACH, regs->tid, 0, 0);
	t->phase = GONE;
}

static void let_go(struct stop *s)
{
	for (struct stop_thread *t = s->first; t; t = t->next)
		if (t->phase == STANDING)
			let_stand(t);
}

/*
 * How long, after a failure, for those that are about to stop: a running thread must
 * first.
 */
#define GRACE_NS (20 * NS_PER_MS)

static void give_up(struct stop *s)
{
	uint64_t deadline = clock_ns() + GRACE_NS;

	let_go(s);
	for (struct stop_thread *t = s->first; t; t = t->next) {
		if (t->phase == COMING)
			(void)settle(s, t, deadline);
		if (t->phase == STANDING)
			let_stand(t);
	}
}

int stop_all(struct stop **ret, struct scratch *scratch, pid_t pid, pid_t owner,
	     uint64_t deadline)
{
	struct stop *s = scratch_take(scratch, sizeof(*s));
	bool complete = false;
	int r;

	if (!s)
		return -ENOMEM;
	s->scratch = scratch;
	s->owner = owner;
	s->deadline = deadline;
	s->vector_room = VECTOR_MOST;
	r = tasks_use(&s->tasks, pid, scratch);
	if (r)
		return r;
	while (!r && !complete) {
		r = pass(s, s->last, &complete);
		if (!r && !complete && clock_ns() >= deadline)
			r = -ETIMEDOUT;
	}
	if (r) {
		give_up(s);
		return r;
	}
	*ret = s;
	return 0;
}

void stop_each(const struct stop *s, stop_registers_fn *fn, void *arg)
{
	for (const struct stop_thread *t = s->first; t; t = t->next)
		if (t->phase == STANDING)
			fn(&t->regs, arg);
}

void stop_end(struct stop *s)
{
	let_go(s);
}
