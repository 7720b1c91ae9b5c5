/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/companion.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "os/raw.h"
#include "os/thread.h"
#include "os/vm.h"

/*
 * What scratch gives, from low to high addresses: the stack of the fault handlers, an
 * inaccessible page, the stack of fn.  So a stack that overflows meets the page, and the
 * handler has a stack to say so on.
 */
#define ALTERNATE_BYTES (32u << 10) /* a signal frame has up to 11 KiB of registers */

struct companion_life {
	/*
	 * Not 0 while it runs: the kernel clears and wakes it as the companion gives up
	 * the memory (CLONE_CHILD_CLEARTID).
	 */
	_Atomic uint32_t running;
	/*
	 * fn has returned.  Not its exit status: a host that waits for any child with
	 * __WALL may have taken that.
	 */
	_Atomic uint32_t finished;
	_Atomic pid_t child; /* companion_has_child() */
	pid_t host;
	pid_t owner;
	uintptr_t alternate; /* stack, with the others up to top */
	uintptr_t top;
	void (*fn)(void *);
	void *arg;
};

struct guard {
	sigjmp_buf back;
	volatile uintptr_t fault;
};

/*
 * Thread-local of the thread that started the companion, which has the same: each
 * companion has its own.  Initial-exec: reading it must not allocate.
 */
static __thread struct guard *volatile guard __attribute__((tls_model("initial-exec")));
static __thread struct companion_life *ours __attribute__((tls_model("initial-exec")));

/*
 * AddressSanitizer marks what frames on a stack must not be touched, until they return;
 * those of a companion never do, and its stack becomes other memory.
 */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define UNMARK_FRAMES(at, bytes) __asan_unpoison_memory_region((void *)(at), (bytes))
#else
#define UNMARK_FRAMES(at, bytes) ((void)(at), (void)(bytes))
#endif

/* ----------------------------------------------------------------------------- faults */

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
#define FAULTS (sizeof(faults) / sizeof(*faults))

#define KERNEL_MASK_BYTES 8u
typedef uint64_t kernel_mask;

static kernel_mask mask_of(int signal)
{
	return (kernel_mask)1 << (signal - 1);
}

static kernel_mask all_but_faults(void)
{
	kernel_mask open = 0;

	for (size_t i = 0; i < FAULTS; i++)
		open |= mask_of(faults[i]);
	return ~open;
}

void companion_die(void)
{
	long self = raw(SYS_getpid, 0);

	/*
	 * SIGKILL, for it leaves no core: before Linux 5.17 a core dump ended every
	 * process that shares the memory.
	 */
	for (;;)
		(void)raw(SYS_kill, (uintptr_t)self, SIGKILL);
}

void companion_unguard(void)
{
	guard = NULL;
}

/* Never returns: raw_sigaction() gives it nothing to return to. */
static void on_fault(int signal, siginfo_t *info, void *context _unused_)
{
	struct guard *g = guard;

	/* A code of 0 or less: somebody sent it. */
	if (!g || info->si_code <= 0 || (signal != SIGSEGV && signal != SIGBUS))
		companion_die();
	guard = NULL;
	g->fault = (uintptr_t)info->si_addr;
	siglongjmp(g->back, 1);
}

bool companion_guarded(void (*fn)(void *), void *arg, uintptr_t *fault)
{
	struct guard g;

	fo_assert(!guard);
	/* Without the mask: SA_NODEFER leaves it as it is. */
	if (sigsetjmp(g.back, 0)) {
		*fault = g.fault;
		return false;
	}
	guard = &g;
	fn(arg);
	guard = NULL;
	return true;
}

/*
 * As the kernel has it.  Not sigaction(3), which may be somebody's, with a table in
 * memory.
 */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	kernel_mask mask;
};
#define KERNEL_SA_RESTORER 0x04000000ul /* x86-64 takes no handler without one */

static void raw_sigaction(int signal, const struct kernel_action *action)
{
	(void)raw(SYS_rt_sigaction, (uintptr_t)signal, (uintptr_t)action, 0,
		  KERNEL_MASK_BYTES);
}

static void take_signals(const struct companion_life *life)
{
	const stack_t alternate = { .ss_sp = (void *)life->alternate,
				    .ss_size = ALTERNATE_BYTES };
	const struct kernel_action fault = {
		.handler = on_fault,
		.flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | KERNEL_SA_RESTORER,
		.restorer = companion_die,
		.mask = all_but_faults(),
	};
	/*
	 * The standard action, not the host's, which might let its children's ends go
	 * unseen.
	 */
	const struct kernel_action standard = { .handler = NULL };

	(void)raw(SYS_sigaltstack, (uintptr_t)&alternate, 0);
	for (size_t i = 0; i < FAULTS; i++)
		raw_sigaction(faults[i], &fault);
	raw_sigaction(SIGCHLD, &standard);
}

/* ------------------------------------------------------------------------------ start */

static int begin(void *arg)
{
	struct companion_life *life = arg;

	take_signals(life);
	/*
	 * Nobody waits for a companion whose owner is gone, killed or by an exec of
	 * another thread's, and it may hold threads.
	 */
	(void)raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	if (raw(SYS_tgkill, (uintptr_t)life->host, (uintptr_t)life->owner, 0) == -ESRCH)
		companion_die();
	ours = life;
	companion_unguard(); /* of one before that was killed */
	life->fn(life->arg);
	atomic_store(&life->finished, 1);
	(void)raw(SYS_exit_group, 0);
	return 0;
}

/*
 * The page below the stack of fn.  By changing its protection, so that scratch is one
 * mapping again afterwards.  At the limit of mappings the stack goes without.
 */
static void protect_stack(const struct companion_life *life, int prot)
{
	const size_t page = vm_page_size();

	(void)mprotect((void *)(life->top - COMPANION_STACK - page), page, prot);
}

static bool make_stack(struct scratch *scratch, struct companion_life *life)
{
	const size_t page = vm_page_size();
	const size_t below = vm_round_up(ALTERNATE_BYTES) + page;
	uintptr_t base = (uintptr_t)scratch_take(scratch, page + below + COMPANION_STACK);

	if (!base)
		return false;
	base = vm_round_up(base);
	life->alternate = base;
	life->top = base + below + COMPANION_STACK;
	protect_stack(life, PROT_NONE);
	return true;
}

/*
 * Not CLONE_FS: while another process shares it, an exec of the host would not honour
 * set-user-ID bits.  CLONE_UNTRACED: a debugger of the host's does not get it.  An exit
 * signal of 0.
 */
static int clone_masked(struct companion_life *life)
{
	const int flags = CLONE_VM | CLONE_FILES | CLONE_UNTRACED | CLONE_CHILD_CLEARTID;
	const kernel_mask mask = all_but_faults();
	kernel_mask before;
	int pid;

	(void)raw(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&mask, (uintptr_t)&before,
		  KERNEL_MASK_BYTES);
	pid = clone(begin, (void *)life->top, flags, life, NULL, NULL, &life->running);
	if (pid < 0)
		pid = -errno;
	(void)raw(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&before, 0,
		  KERNEL_MASK_BYTES);
	return pid;
}

int companion_start(struct companion *c, struct scratch *scratch, void (*fn)(void *),
		    void *arg)
{
	struct companion_life *life = scratch_take(scratch, sizeof(*life));
	int pid;

	if (!life || !make_stack(scratch, life))
		return -ENOMEM;
	life->running = 1;
	life->host = getpid();
	life->owner = thread_tid();
	life->fn = fn;
	life->arg = arg;
	pid = clone_masked(life);
	if (pid < 0) {
		protect_stack(life, PROT_READ | PROT_WRITE);
		return pid;
	}
	*c = (struct companion){ pid, life->owner, life };
	return 0;
}

/* ------------------------------------------------------------------------------- wait */

#define NS_PER_S 1000000000ull

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
}

/*
 * The kernel's wake at a process's end is not for private futexes: futex_wait() misses
 * it.
 */
static void sleep_while_running(struct companion_life *life, uint32_t running,
				uint64_t deadline)
{
	const struct timespec at = timespec_of(deadline);

	(void)raw(SYS_futex, (uintptr_t)&life->running, FUTEX_WAIT_BITSET, running,
		  deadline == UINT64_MAX ? 0 : (uintptr_t)&at, 0, FUTEX_BITSET_MATCH_ANY);
}

static void reap(pid_t pid)
{
	long r;

	do
		r = raw(SYS_wait4, (uintptr_t)pid, 0, __WALL, 0);
	while (r == -EINTR);
}

bool companion_runs(const struct companion *c)
{
	return atomic_load(&c->life->running) != 0;
}

int companion_wait(struct companion *c, uint64_t deadline)
{
	struct companion_life *life = c->life;
	bool killed = false;
	uint32_t running;

	while ((running = atomic_load(&life->running))) {
		if (!killed && clock_ns() >= deadline) {
			(void)raw(SYS_kill, (uintptr_t)c->pid, SIGKILL);
			killed = true;
		}
		sleep_while_running(life, running, killed ? UINT64_MAX : deadline);
	}
	/* Not before its end is complete has the kernel let go of what it had stopped. */
	reap(c->pid);
	ours = NULL;
	protect_stack(life, PROT_READ | PROT_WRITE);
	UNMARK_FRAMES(life->alternate, life->top - life->alternate);
	if (atomic_load(&life->finished))
		return 0;
	if (atomic_load(&life->child))
		reap(life->child);
	return killed ? -ETIMEDOUT : -ECHILD;
}

/* ------------------------------------------------------------------- in the companion */

/* What does not announce itself is looked for so often. */
#define DOZE_MOST (10 * NS_PER_MS)

void companion_doze(uint64_t until)
{
	const kernel_mask child = mask_of(SIGCHLD);
	uint64_t now = clock_ns();
	struct timespec left;

	if (now >= until)
		return;
	left = timespec_of(until - now < DOZE_MOST ? until - now : DOZE_MOST);
	/* Blocked from the start: one that comes before this call ends it at once. */
	(void)raw(SYS_rt_sigtimedwait, (uintptr_t)&child, 0, (uintptr_t)&left,
		  KERNEL_MASK_BYTES);
}

void companion_has_child(pid_t pid)
{
	if (ours)
		atomic_store(&ours->child, pid);
}
