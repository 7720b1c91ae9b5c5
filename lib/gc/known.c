/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/known.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>

#include "base/check.h"
#include "gc/gc.h"
#include "os/thread.h"

#define LOOKS 20
#define LOOK_NS (NS_PER_MS / 2)

/* Guards the list.  A leaf: only malloc's lock nests in it, and no collector is called. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t *tids;
static size_t count;
static size_t room;

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool key_made;
static __thread pid_t noted; /* 0: not in the list */

static void remove_tid(pid_t tid)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		if (tids[i] == tid)
			tids[i--] = tids[--count];
	pthread_mutex_unlock(&lock);
}

static void add_tid(pid_t tid)
{
	pthread_mutex_lock(&lock);
	if (count == room) {
		size_t more = room ? 2 * room : 16;
		pid_t *larger = realloc(tids, more * sizeof(*tids));

		if (larger) {
			tids = larger;
			room = more;
		}
	}
	if (count < room)
		tids[count++] = tid;
	pthread_mutex_unlock(&lock);
}

void known_forget(void)
{
	if (noted)
		remove_tid(noted);
	noted = 0;
}

static void at_thread_end(_unused_ void *value)
{
	known_forget();
}

static void make_key(void)
{
	key_made = thread_at_exit(&key, at_thread_end) == 0;
}

void known_note(void)
{
	if (likely(noted))
		return;
	pthread_once(&key_once, make_key);
	/* Without word of its end a number would stay for whoever gets it next. */
	if (!key_made || pthread_setspecific(key, &noted))
		return;
	noted = thread_tid();
	add_tid(noted);
}

static bool any_blocks(void)
{
	int signals[GC_SIGNALS];
	bool blocks = false;

	gc_signals(signals);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count && !blocks; i++)
		blocks = thread_blocks(tids[i], signals, GC_SIGNALS);
	pthread_mutex_unlock(&lock);
	return blocks;
}

/*
 * A thread that is just leaving the handlers of the collection before has them blocked too, but
 * not for long.
 */
bool known_blocks(void)
{
	for (int i = 0; i < LOOKS; i++) {
		if (!any_blocks())
			return false;
		thread_nap(LOOK_NS);
	}
	return true;
}

void known_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	count = 0;
	noted = 0;
}
