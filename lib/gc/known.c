/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/known.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>

#include "base/check.h"
#include "gc/gc.h"
#include "os/thread.h"

/* Some 200 ms in all: on a busy machine a thread may wait so long for a processor. */
#define LOOKS 60
#define LOOKS_QUICK 20
#define LOOK_QUICK_NS (NS_PER_MS / 2)
#define LOOK_SLOW_NS (5 * NS_PER_MS)

/*
 * Guards the list.  A leaf: only malloc's lock nests in it, and no collector is called.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
struct thread {
	pid_t tid;
	int blocked; /* looks in a row, of the series that is going on */
};
static struct thread *threads;
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
		if (threads[i].tid == tid)
			threads[i--] = threads[--count];
	pthread_mutex_unlock(&lock);
}

/* False: no memory. */
static bool add_tid(pid_t tid)
{
	bool done;

	pthread_mutex_lock(&lock);
	if (count == room) {
		size_t more = room ? 2 * room : 16;
		struct thread *larger = realloc(threads, more * sizeof(*threads));

		if (larger) {
			threads = larger;
			room = more;
		}
	}
	done = count < room;
	if (done)
		threads[count++] = (struct thread){ .tid = tid };
	pthread_mutex_unlock(&lock);
	return done;
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
	if (add_tid(thread_tid()))
		noted = thread_tid();
}

/*
 * One look at all.  True: some thread has blocked a signal in every look of the series so
 * far.
 */
static bool look(int nth)
{
	int signals[GC_SIGNALS];
	bool suspect = false;

	gc_signals(signals);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++) {
		if (nth > 0 && threads[i].blocked < nth)
			continue;
		threads[i].blocked = thread_blocks(threads[i].tid, signals, GC_SIGNALS) ?
					     nth + 1 : 0;
		suspect |= threads[i].blocked != 0;
	}
	pthread_mutex_unlock(&lock);
	return suspect;
}

/*
 * A thread that is in the handlers of a collection, that is being made or that ends has
 * them blocked too, but not for long.
 */
bool known_blocks(void)
{
	for (int i = 0; i < LOOKS; i++) {
		if (!look(i))
			return false;
		thread_nap(i < LOOKS_QUICK ? LOOK_QUICK_NS : LOOK_SLOW_NS);
	}
	return true;
}

void known_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	count = 0;
	noted = 0;
}
