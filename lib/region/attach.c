/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that foster made known to the collector. */
#include <errno.h>
#include <foster/foster.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/result.h"
#include "gc/gc.h"
#include "os/thread.h"
#include "region/core.h"

/*
 * The collector must forget a thread before its stack goes.  A destructor of thread-specific data
 * does that for threads that end without a word; its value says no more than "attached".
 */
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int key_error;
static __thread bool attached;

static void at_thread_exit(_unused_ void *value)
{
	attached = false;
	gc_thread_leave();
}

static void make_key(void)
{
	key_error = thread_at_exit(&key, at_thread_exit);
}

static int attach(void)
{
	int r = core_ready();

	if (r)
		return r;
	pthread_once(&key_once, make_key);
	if (key_error)
		return key_error;
	r = gc_thread_enter();
	if (r)
		return r;
	r = -pthread_setspecific(key, &attached);
	if (r)
		gc_thread_leave();
	attached = r == 0;
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
	pthread_setspecific(key, NULL);
	attached = false;
	gc_thread_leave();
	return 0;
}
