/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of ours, waiting, time, and the process: the only file that makes threads,
 * changes signal masks or registers handlers of fork.
 */
#ifndef FOSTER_OS_THREAD_H
#define FOSTER_OS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

/*
 * Starts a thread with every signal blocked but the open ones (count of them; -1 entries
 * are skipped).  It is detached: whoever must know its end is told by the thread itself.
 * Returns 0 or a negative errno.
 */
int thread_start(const char *name, void (*run)(void *), void *arg, const int *open, int count)
	_must_check_;

/* Unblocks signals for the calling thread. */
void thread_open_signals(const int *signals, int count);

/* Sleeps until a signal arrives, for ever. */
void thread_park(void) __attribute__((noreturn));

/* Is this the thread that main() runs on? */
bool thread_is_main(void);

/* The kernel's number of the calling thread. */
pid_t thread_tid(void);

/*
 * Does a thread of this process block one of the signals (-1 entries are skipped)?  False
 * also where that cannot be read, or the thread is gone.  Costs some ten microseconds.
 */
bool thread_blocks(pid_t tid, const int *signals, int count);

/* The bounds of the stack that the thread library gave the calling thread.  False, and both 0: unknown. */
bool thread_stack(uintptr_t *low, uintptr_t *high) _nonnull_all_;

/*
 * Has it a guard?  The thread library gives none to stacks that a host brings, also if asked for one.
 */
bool thread_stack_is_guarded(void);

/* Is addr on the stack that the thread library gave the calling thread? */
bool thread_on_own_stack(const void *addr);

/*
 * Overwrites what earlier calls left on the stack below the caller's frame.  A collector
 * that stops this thread while it waits finds the frames of the wait there, with holes in
 * which old pointers would keep dropped regions.  (libgc clears its own callers' stacks
 * for that reason.)
 */
void thread_wipe_stack(void);

/*
 * Waits while *word is value, until the deadline (nanoseconds of clock_ns(); UINT64_MAX:
 * no deadline).  Returns at wake, at a signal, or at once: look at *word again.
 * Async-signal-safe.
 */
void futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline) _nonnull_(1);

/* Wakes all that wait for word.  Async-signal-safe, takes no lock. */
void futex_wake(_Atomic uint32_t *word) _nonnull_(1);

/* Monotonic time and processor time of the calling thread, nanoseconds. */
uint64_t clock_ns(void);
uint64_t clock_cpu_ns(void);

#define NS_PER_MS 1000000ull

/* Sleeps so long, or until a signal. */
void thread_nap(uint64_t ns);

/* The moment timeout_ms from now; UINT64_MAX for a negative one. */
uint64_t deadline_in(int timeout_ms);

/* Handlers of fork(2), as pthread_atfork(3).  Returns 0 or a negative errno. */
int fork_handlers(void (*prepare)(void), void (*parent)(void), void (*child)(void)) _must_check_;

/* A key whose destructor runs when a thread ends that has set a value for it. */
int thread_at_exit(pthread_key_t *key, void (*run)(void *)) _must_check_;

#endif
