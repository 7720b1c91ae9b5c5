/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that foster made known to the collector. */
#include <errno.h>
#include <foster/foster.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/result.h"
#include "gc/gc.h"
#include "os/stacks.h"
#include "os/thread.h"
#include "region/core.h"

/*
 * The collector must forget a thread before its stack goes.  A destructor of
 * thread-specific data does that for threads that end without a word; its value says no
 * more than "attached".
 */
static _Atomic unsigned int key; /* and one more, so that 0 is none */
static __thread bool attached;

static void at_thread_exit(_unused_ void *value)
{
	if (!attached)
		return; /* detached in time */
	attached = false;
	gc_thread_leave();
}

/*
 * Not pthread_once(): what failed for lack of keys may succeed another time.  Not a lock:
 * a child of fork might inherit it.
 */
static int need_key(void)
{
	unsigned int none = 0;
	pthread_key_t mine;
	int err;

	if (key)
		return 0;
	err = thread_at_exit(&mine, at_thread_exit);
	if (!err && !atomic_compare_exchange_strong(&key, &none, mine + 1))
		pthread_key_delete(mine); /* another thread was faster */
	return err;
}

static int attach(void)
{
	int r = core_ready();

	if (r)
		return r;
	r = need_key();
	if (!r)
		r = gc_thread_enter();
	if (r)
		return r;
	r = -pthread_setspecific(key - 1, &attached);
	if (r)
		gc_thread_leave();
	attached = r == 0;
	if (attached)
		stacks_note();
	return r;
}

FOSTER_EXPORT int foster_thread_attach(void)
{
	return result(attach());
}

FOSTER_EXPORT int foster_thread_detach(void)
{
	if (!attached)
		return result(-EINVAL);
	pthread_setspecific(key - 1, NULL);
	attached = false;
	gc_thread_leave();
	return 0;
}
