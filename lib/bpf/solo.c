// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/solo.h"

#include <errno.h>
#include <time.h>

#include "base/sync.h"
#include "os/barrier.h"

#define NAP_NS 20000

__thread char solo_thread __attribute__((tls_model("initial-exec")));

void solo_init(struct solo *solo)
{
	*solo = (struct solo){
		.owner = barrier_ready() < 0 ? SOLO_EVERYBODY : SOLO_NOBODY,
	};
}

/* Sleeps, so that a thread of less priority on the same processor comes to its end. */
static void wait_a_little(const _Atomic uint64_t *alive)
{
	const int saved = errno;

	(void)atomic_load_explicit(alive, memory_order_relaxed);
	(void)nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	errno = saved;
}

static void give(struct solo *solo, uintptr_t owner)
{
	atomic_store_explicit(&solo->owner, owner, memory_order_release);
}

/*
 * It is MOVING, by the caller; until now it was @owner's. Behind the barrier the owner
 * either sees that, or the caller sees that the owner is inside.
 */
static int move(struct solo *solo, uintptr_t owner, const _Atomic uint64_t *alive)
{
	const bool other = owner != SOLO_NOBODY && owner != solo_me();

	if (other && barrier_all() < 0) {
		give(solo, owner);
		return -EPERM;
	}
	FOSTER_SYNC("solo-waits");
	while (atomic_load_explicit(&solo->inside, memory_order_acquire))
		wait_a_little(alive);
	if (solo->moves++ == SOLO_MOVES) {
		give(solo, SOLO_EVERYBODY);
		return 0;
	}
	atomic_store_explicit(&solo->inside, true, memory_order_relaxed);
	give(solo, solo_me());
	return 1;
}

int solo_ask(struct solo *solo, const _Atomic uint64_t *alive)
{
	while (1) {
		uintptr_t owner = solo_owner(solo);

		if (owner == SOLO_EVERYBODY)
			return 0;
		if (owner == SOLO_MOVING)
			wait_a_little(alive);
		else if (atomic_compare_exchange_strong(&solo->owner, &owner,
							SOLO_MOVING))
			return move(solo, owner, alive);
	}
}

void solo_forked(struct solo *solo)
{
	const uintptr_t owner = solo_owner(solo);

	if (owner != SOLO_NOBODY && owner != solo_me())
		give(solo, SOLO_EVERYBODY);
	solo_leave(solo);
}
