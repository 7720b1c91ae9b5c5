/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounds of the stacks of threads that have called foster, by the kernel's number of the thread.
 * What lies between the lower bound and a stopped thread's stack pointer is dead.
 */
#ifndef FOSTER_OS_STACKS_H
#define FOSTER_OS_STACKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

/* Notes the calling thread's until it ends; fast when it is noted.  Best effort. */
void stacks_note(void);

/*
 * In the child of fork: only the calling thread is there.  What it was given by others may lie on their
 * stacks (the argument of a thread that somebody waits for, say), so these are ordinary memory now.
 */
void stacks_after_fork(void);

/*
 * Calls fn for the stacks of threads that were noted, have ended, and that glibc still keeps; up to the
 * control block, where a thread that is being made on it has its argument.  A thread that was not noted may
 * run on one meanwhile: the caller knows all stack pointers.  readable: may the byte at addr be read?
 */
void stacks_ended(bool (*readable)(uintptr_t addr, void *arg),
		  void (*fn)(uintptr_t low, uintptr_t high, void *arg), void *arg);

/* Does a stack that is noted lie in [start, end)? */
bool stacks_overlap(uintptr_t start, uintptr_t end);

/* Does one, or that of a thread that has ended, whatever is there by now? */
bool stacks_were(uintptr_t start, uintptr_t end);

/* An address in the stack of the main thread, whether that is noted or not; 0: not known. */
uintptr_t stacks_main(void);

/* The bounds of a thread's stack.  False: not known.  Any context, no lock. */
bool stacks_of(pid_t tid, uintptr_t *low, uintptr_t *high) _nonnull_all_;

#endif
