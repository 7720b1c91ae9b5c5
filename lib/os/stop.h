/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stopping every thread of the process, whether anybody knows it or not, from the
 * companion (os/companion.h), and reading its registers.
 */
#ifndef FOSTER_OS_STOP_H
#define FOSTER_OS_STOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "os/scratch.h"

struct stop;

/* Opens the descriptor that is needed now, while the process may; best effort. */
void stop_open(void);

/* In the child of fork. */
void stop_after_fork(void);

/*
 * On the thread that has started the companion: allows it to stop threads where the
 * kernel (Yama, ptrace_scope 1) wants that said.  Does nothing until stop_all() was
 * refused once, for a process can allow one tracer only and the host may have named
 * another.
 */
void stop_permit(pid_t companion);

/*
 * Scratch of stop_all(): at most so much, and so much for each thread (a third of it
 * usually).
 */
#define STOP_SCRATCH (96u << 10)
#define STOP_SCRATCH_THREAD (12u << 10)

/*
 * In a companion: stops all threads of process pid but owner, the thread that waits for
 * the companion (companion_wait(): it must be able to kill a companion that hangs, and
 * does nothing else; 0: no such thread).  On return every thread is stopped or has ended,
 * and no new one can come into being.  0, or a negative errno with everything going on as
 * before:
 *   -ETIMEDOUT  a thread could not be stopped by the deadline (it sleeps in the kernel
 *               where nothing interrupts it: the parent of a vfork, a dead file system)
 *   -EPERM      the kernel does not let us: somebody else traces a thread, Yama, a
 *               filter, an undumpable process
 *   -ENOMEM     scratch has no room
 *   others      /proc is not there, or no descriptor is left to open it
 * After an error the companion had better end soon: a thread that could not be stopped
 * would stop when it wakes, and goes on only when the companion has ended.
 *
 * Threads that the kernel runs for the process (io_uring's workers) have no user
 * registers and are left alone; zombies hold nothing.  A process that shares this one's
 * memory without being the child of a vfork is not seen.
 */
int stop_all(struct stop **ret, struct scratch *scratch, pid_t pid, pid_t owner,
	     uint64_t deadline) _must_check_ _nonnull_(1, 2);

/* The registers of one stopped thread. */
struct stop_registers {
	pid_t tid;
	uintptr_t sp;	     /* 0: not known on this processor */
	const void *general; /* all general registers */
	size_t general_bytes;
	const void *vector; /* vector registers, floating point included */
	size_t vector_bytes;
};
typedef void stop_registers_fn(const struct stop_registers *regs, void *arg);

/* Calls fn for each stopped thread. */
void stop_each(const struct stop *s, stop_registers_fn *fn, void *arg) _nonnull_(1, 2);

/*
 * Lets all go on.  A system call that the stop would have ended with EINTR is begun anew
 * (with its whole timeout), so that the host does not see that it was stopped.
 */
void stop_end(struct stop *s) _nonnull_all_;

#endif
