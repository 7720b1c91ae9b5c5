/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/lock.h"

#include <pthread.h>

#include "base/check.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread bool held;

void region_lock(void)
{
	fo_assert(!held);
	pthread_mutex_lock(&mutex);
	held = true;
}

void region_unlock(void)
{
	fo_assert(held);
	held = false;
	pthread_mutex_unlock(&mutex);
}

bool region_locked(void)
{
	return held;
}

void region_lock_reset(void)
{
	pthread_mutex_init(&mutex, NULL);
	held = false;
}
