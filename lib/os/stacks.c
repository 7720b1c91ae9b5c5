/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/stacks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "base/hidden.h"
#include "os/thread.h"

/* Threads beyond that many are not noted: all of their stacks is read. */
#define SLOTS 4096u

/*
 * A slot is its owner's alone from the moment that it sets tid.  A reader that meets a slot whose
 * owner is writing to it sees no bounds: high is set last, and cleared first.
 *
 * The addresses are hidden.  A stack ends where the memory above it begins, which may be a piece of
 * the collector's heap, with an object of ours first; and where a stack was there may be a region.
 */
struct slot {
	_Atomic pid_t tid; /* 0: free; ENDED: the thread has ended, the bounds are still known */
	_Atomic uintptr_t low; /* by put() and get(), as those below */
	_Atomic uintptr_t high;
	/* The thread's control block, which glibc has on its stack; 0: the stack is the host's. */
	_Atomic uintptr_t control;
};
#define ENDED (-1)
static struct slot slots[SLOTS];
static _Atomic uint32_t slots_end; /* none was ever used from here on */

static void put(_Atomic uintptr_t *place, uintptr_t addr)
{
	atomic_store(place, addr ? hide(addr).complement : 0);
}

static uintptr_t get(const _Atomic uintptr_t *place)
{
	uintptr_t complement = atomic_load(place);

	return complement ? reveal((hidden_addr){ complement }) : 0;
}

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool key_made;
static __thread struct slot *mine;
static __thread bool tried;

/*
 * Stacks that a host brings have no guard, and when their thread has ended are memory like any other:
 * what the host puts there counts.  (So do those that glibc made without a guard.)
 */
static uintptr_t control_of_ours(void)
{
	return thread_stack_is_guarded() ? (uintptr_t)__builtin_thread_pointer() : 0;
}

/* The thread ends; a destructor after this one may call foster once more. */
static void leave(void *value)
{
	struct slot *slot = value;

	atomic_store(&slot->tid, ENDED);
	mine = NULL;
}

static void make_key(void)
{
	key_made = thread_at_exit(&key, leave) == 0;
}

/* A thread that ended on this very stack, before any that is free. */
static struct slot *take_ended(uintptr_t low)
{
	for (uint32_t i = 0; i < atomic_load(&slots_end); i++) {
		pid_t ended = ENDED;

		if (get(&slots[i].low) == low &&
		    atomic_compare_exchange_strong(&slots[i].tid, &ended, thread_tid()))
			return &slots[i];
	}
	return NULL;
}

static struct slot *take_slot(pid_t from)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		pid_t none = from;

		if (atomic_load_explicit(&slots[i].tid, memory_order_relaxed) != from ||
		    !atomic_compare_exchange_strong(&slots[i].tid, &none, thread_tid()))
			continue;
		put(&slots[i].high, 0);
		for (uint32_t end = atomic_load(&slots_end);
		     end <= i && !atomic_compare_exchange_weak(&slots_end, &end, i + 1);)
			;
		return &slots[i];
	}
	return NULL;
}

static void note(void)
{
	uintptr_t low, high;
	struct slot *slot;

	tried = true;
	pthread_once(&key_once, make_key);
	if (!key_made || !thread_stack(&low, &high))
		return;
	slot = take_ended(low);
	if (!slot)
		slot = take_slot(0);
	if (!slot)
		slot = take_slot(ENDED);
	if (!slot)
		return;
	/* Without word of the thread's end its number may come to name another. */
	if (pthread_setspecific(key, slot)) {
		put(&slot->high, 0);
		atomic_store(&slot->tid, 0);
		return;
	}
	put(&slot->high, 0);
	put(&slot->control, control_of_ours());
	put(&slot->low, low);
	put(&slot->high, high);
	mine = slot;
}

void stacks_note(void)
{
	if (unlikely(!tried))
		note();
}

void stacks_after_fork(void)
{
	for (uint32_t i = 0; i < atomic_load(&slots_end); i++) {
		if (&slots[i] == mine)
			continue;
		put(&slots[i].high, 0);
		atomic_store(&slots[i].tid, 0);
	}
	if (mine)
		atomic_store(&mine->tid, thread_tid());
}

/* The kernel has put 16 random bytes there, above all frames. */
uintptr_t stacks_main(void)
{
	return (uintptr_t)getauxval(AT_RANDOM);
}

bool stacks_of(pid_t tid, uintptr_t *low, uintptr_t *high)
{
	for (uint32_t i = 0; i < atomic_load(&slots_end); i++) {
		if (atomic_load_explicit(&slots[i].tid, memory_order_relaxed) != tid)
			continue;
		*high = get(&slots[i].high);
		*low = get(&slots[i].low);
		return *high != 0;
	}
	return false;
}

/*
 * glibc keeps the stacks of threads that ended, control block and all, for new ones.  Its first and
 * third word are its own address (the ABI of thread-local storage says so of the first): who gets the
 * memory otherwise, gets zeros.
 */
static bool is_kept(uintptr_t control)
{
	const uintptr_t *word = (const uintptr_t *)control;

	return word[0] == control && word[2] == control;
}

void stacks_ended(bool (*readable)(uintptr_t addr, void *arg),
		  void (*fn)(uintptr_t low, uintptr_t high, void *arg), void *arg)
{
	for (uint32_t i = 0; i < atomic_load(&slots_end); i++) {
		uintptr_t low = get(&slots[i].low);
		uintptr_t control = get(&slots[i].control);

		if (atomic_load(&slots[i].tid) != ENDED || !get(&slots[i].high) ||
		    control < low || control >= get(&slots[i].high))
			continue;
		if (readable(control, arg) && is_kept(control))
			fn(low, control, arg);
	}
}

static bool overlaps(uintptr_t start, uintptr_t end, bool ended_too)
{
	for (uint32_t i = 0; i < atomic_load(&slots_end); i++) {
		uintptr_t high = get(&slots[i].high);

		if (high && (ended_too || atomic_load(&slots[i].tid) != ENDED) && start < high &&
		    get(&slots[i].low) < end)
			return true;
	}
	return false;
}

bool stacks_overlap(uintptr_t start, uintptr_t end)
{
	return overlaps(start, end, false);
}

bool stacks_were(uintptr_t start, uintptr_t end)
{
	return overlaps(start, end, true);
}
