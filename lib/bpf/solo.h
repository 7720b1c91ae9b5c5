/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one thread has to itself until another comes. Alone it needs none of the atomic
 * operations that threads need among each other, which cost more than all else that is
 * done to a record.
 *
 *   NOBODY --> a thread --> another thread --> ... --> EVERYBODY
 *                     (SOLO_MOVES times)
 *
 * The thread that has it writes that it is inside, and then looks whether it still has
 * it, with no barrier in between. Who wants it first says so, then makes that barrier
 * for all threads, and then looks whether the other is inside; if so he waits until it
 * is out. So one of the two sees the other. After a few moves all threads have it, with
 * atomic operations, for good.
 */
#ifndef FOSTER_BPF_SOLO_H
#define FOSTER_BPF_SOLO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

#define SOLO_MOVES 4

struct solo {
	_Atomic uintptr_t owner; /* solo_me() of a thread, or enum solo_owner */
	_Atomic bool inside;	 /* the owner is; partner: solo_ask() */
	unsigned int moves;	 /* of who is MOVING it */
};

enum solo_owner {
	SOLO_NOBODY,
	SOLO_MOVING, /* a thread waits for the owner */
	SOLO_EVERYBODY,
};

extern __thread char solo_thread __attribute__((tls_model("initial-exec")));

/* The calling thread: no other has this while it lives. */
static inline uintptr_t solo_me(void)
{
	return (uintptr_t)&solo_thread;
}

/* Everybody's from the start where the kernel makes no barrier for all threads. */
void solo_init(struct solo *solo) _nonnull_all_;

/*
 * 1: the caller is alone inside, and has to leave; 0: it is everybody's, and nobody is or
 * will be alone inside; -EPERM: the kernel makes no barrier any more. @alive is read while
 * the caller waits: memory without which the other does not come out.
 */
int solo_ask(struct solo *solo, const _Atomic uint64_t *alive) _must_check_ _nonnull_all_;

static inline bool solo_have(struct solo *solo) _must_check_ _nonnull_all_;
static inline void solo_leave(struct solo *solo) _nonnull_all_;
static inline int solo_enter(struct solo *solo, const _Atomic uint64_t *alive)
	_must_check_ _nonnull_all_;

static inline void solo_leave(struct solo *solo)
{
	atomic_store_explicit(&solo->inside, false, memory_order_release);
}

static inline uintptr_t solo_owner(const struct solo *solo)
{
	return atomic_load_explicit(&solo->owner, memory_order_acquire);
}

/* Is the caller alone inside?  He is if he was the last; then he has to leave. */
static inline bool solo_have(struct solo *solo)
{
	const uintptr_t me = solo_me();

	if (atomic_load_explicit(&solo->owner, memory_order_relaxed) != me)
		return false;
	atomic_store_explicit(&solo->inside, true, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(
		    atomic_load_explicit(&solo->owner, memory_order_relaxed) == me, true))
		return true;
	solo_leave(solo);
	return false;
}

/* As solo_ask(), and faster where there is nothing to ask for. */
static inline int solo_enter(struct solo *solo, const _Atomic uint64_t *alive)
{
	if (solo_have(solo))
		return 1;
	return solo_owner(solo) == SOLO_EVERYBODY ? 0 : solo_ask(solo, alive);
}

/* In the child of fork(2), where only the caller is left: who was inside is not. */
void solo_forked(struct solo *solo) _nonnull_all_;

#endif
