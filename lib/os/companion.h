/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The companion: a process of its own that shares this process's memory and descriptors
 * (clone(CLONE_VM | CLONE_FILES), no thread of ours).  It may do what no thread can: stop
 * every thread with ptrace (os/stop.h), and meet faults without touching the signal
 * handlers of the host, for it has handlers of its own.
 *
 * What runs in it runs beside stopped threads that may hold any lock: no malloc, no
 * stdio, no lock, no call of the C library that could need one.  It has the thread-local
 * storage (errno) of the thread that started it, which must wait meanwhile; system calls
 * by os/raw.h.  (The idea is LeakSanitizer's, which stops the world with such a task.)
 */
#ifndef FOSTER_OS_COMPANION_H
#define FOSTER_OS_COMPANION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "os/scratch.h"

struct companion {
	pid_t pid;
	pid_t owner; /* the kernel's number of the thread that started it */
	struct companion_life *life;
};

/* What companion_start() takes from scratch, and what of it is there for fn. */
#define COMPANION_SCRATCH (COMPANION_STACK + (256u << 10))
#define COMPANION_STACK (256u << 10)

/*
 * Starts fn(arg) in a companion, on a stack from scratch (not a shared one: a snapshot
 * runs on its copy of the stack).  Its exit is seen by companion_wait() only: no SIGCHLD,
 * no wait(2) of the host.  It dies with the calling thread.  0, -ENOMEM, -EAGAIN, -EPERM.
 */
int companion_start(struct companion *c, struct scratch *scratch, void (*fn)(void *),
		    void *arg) _must_check_ _nonnull_(1, 2, 3);

/* Has it not ended yet?  No wait, no lock. */
bool companion_runs(const struct companion *c) _nonnull_all_;

/*
 * Waits for its end and reaps it.  0: fn returned; -ETIMEDOUT: it was killed at the
 * deadline (clock_ns(); whatever it had stopped goes on: the kernel lets go of the
 * threads of a tracer that dies); -ECHILD: it died otherwise, of a fault for instance.
 */
int companion_wait(struct companion *c, uint64_t deadline) _must_check_ _nonnull_all_;

/* ---- in the companion, or in a snapshot (os/snapshot.h) */

/*
 * Calls fn(arg), and comes back early where it meets a fault.  False: it did, and *fault
 * is the address (0 where the processor does not tell it: no canonical address).  Does
 * not nest.  Costs no system call but for a fault.  A fault outside of it ends the
 * companion.
 */
bool companion_guarded(void (*fn)(void *), void *arg, uintptr_t *fault)
	_must_check_ _nonnull_(1, 3);

/*
 * Sleeps until a child or a stopped thread of the companion's has something to tell, or
 * until that moment (clock_ns()).  May return early.
 */
void companion_doze(uint64_t until);

/*
 * The companion has started this process.  Should it die before its child, and the child
 * be inherited by this process (which may be the first of its container),
 * companion_wait() reaps it.
 */
void companion_has_child(pid_t pid);

/* In a new process of its: forgets the guard it was started under. */
void companion_unguard(void);

/* Ends the calling process at once, without a core, whatever it is doing. */
void companion_die(void) __attribute__((noreturn));

#endif
