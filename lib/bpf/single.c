// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/single.h"

#include <foster/foster.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * Guards the list.  Nothing of ours nests in it; what is called with it held takes no
 * lock.  fork waits for it.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct single *list;
static bool fork_waits;

_Atomic uint64_t single_changes = 1;

static void acquire(void)
{
	pthread_mutex_lock(&lock);
}

static void release(void)
{
	pthread_mutex_unlock(&lock);
}

static void release_in_child(void)
{
	for (struct single *single = list; single; single = single->next)
		if (single->forked)
			single->forked(single);
	release();
}

static void wait_in_fork(void)
{
	if (!fork_waits)
		fork_waits = pthread_atfork(acquire, release, release_in_child) == 0;
}

static void *base_of(const struct single *single)
{
	return (void *)reveal(single->base);
}

/* Its region, also a closed one whose addresses are still reserved. */
static bool is_there(const struct single *single)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(base_of(single), &info) == 0 && info.id == single->region;
}

static void drop_gone(void)
{
	struct single **link = &list;

	while (*link) {
		struct single *single = *link;

		if (is_there(single)) {
			link = &single->next;
			continue;
		}
		*link = single->next;
		single->free(single);
	}
}

static void *find(uint32_t map_id)
{
	for (const struct single *single = list; single; single = single->next) {
		if (single->map_id != map_id || single->absent ||
		    foster_pin(base_of(single)) < 0)
			continue;
		if (is_there(single))
			return base_of(single);
		(void)foster_unpin(base_of(single));
	}
	return NULL;
}

void *single_find(uint32_t map_id)
{
	void *p;

	acquire();
	p = find(map_id);
	release();
	return p;
}

void *single_take_absent(uint32_t map_id)
{
	struct single **link = &list, *single;
	void *base = NULL;

	acquire();
	while ((single = *link) && !(single->absent && single->map_id == map_id))
		link = &single->next;
	if (single) {
		*link = single->next;
		base = is_there(single) ? base_of(single) : NULL;
		atomic_fetch_add(&single_changes, 1);
	}
	release();
	if (single)
		single->free(single);
	return base;
}

void single_have(void *p)
{
	(void)foster_unpin(p);
}

void *single_add(struct single *single, uint32_t map_id, const void *base)
{
	struct foster_info info = FOSTER_INFO_INIT;
	void *other;

	(void)foster_info(base, &info);
	single->region = info.id;
	single->map_id = map_id;
	single->base = hide((uintptr_t)base);
	acquire();
	wait_in_fork();
	other = find(map_id);
	if (!other) {
		drop_gone();
		single->next = list;
		list = single;
		atomic_fetch_add(&single_changes, 1);
	}
	release();
	return other;
}

struct single *single_of(uint64_t region, uint64_t *now)
{
	struct single *single;

	acquire();
	single = list;
	while (single && single->region != region)
		single = single->next;
	*now = atomic_load(&single_changes);
	release();
	return single;
}
