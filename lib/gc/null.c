/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/null.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"

#define BLOCK_BYTES 4096

/* Headers lie beside the objects, whose memory is not touched, as libgc has it. */
struct object {
	struct object *next;
	char *memory;
	size_t bytes;
	bool reachable;
};

/* The collector's lock: the sign is asked under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects;
static gc_sign_fn *ask;

static _Atomic uint32_t cycles;
static _Atomic int failures;
static _Atomic bool disabled;
static _Atomic unsigned int signs_needed = 1;
static __thread bool known;

int gc_start(gc_sign_fn *sign, _unused_ gc_each_fn *each)
{
	ask = sign;
	known = true;
	return 0;
}

size_t gc_block_size(void)
{
	return BLOCK_BYTES;
}

static bool must_fail(void)
{
	int n = atomic_load(&failures);

	while (n > 0)
		if (atomic_compare_exchange_weak(&failures, &n, n - 1))
			return true;
	return false;
}

void *gc_object_new(size_t bytes)
{
	struct object *o = must_fail() ? NULL : malloc(sizeof(*o));

	fo_assert(known && bytes % BLOCK_BYTES == 0);
	if (!o)
		return NULL;
	*o = (struct object){ .bytes = bytes, .reachable = true };
	o->memory = aligned_alloc(BLOCK_BYTES, bytes);
	if (!o->memory) {
		free(o);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	o->next = objects;
	objects = o;
	pthread_mutex_unlock(&lock);
	return o->memory;
}

bool gc_thread_known(void)
{
	return known;
}

int gc_thread_enter(void)
{
	if (known)
		return -EALREADY;
	known = true;
	return 0;
}

void gc_thread_leave(void)
{
	known = false;
}

void gc_signals(int signals[GC_SIGNALS])
{
	for (int i = 0; i < GC_SIGNALS; i++)
		signals[i] = -1;
}

/* Back to malloc, written over first: what the collector reclaims it may write to. */
static void reclaim(struct object *o)
{
	memset(o->memory, 0xdb, o->bytes);
	free(o->memory);
	free(o);
}

static int collect(gc_moment_fn *marked, gc_moment_fn *reclaimed, void *arg)
{
	FOSTER_SYNC("gc-collect");
	pthread_mutex_lock(&lock);
	atomic_fetch_add(&cycles, 1);
	if (marked)
		marked(arg);
	for (struct object **link = &objects, *o; (o = *link);) {
		if (o->reachable || ask((uintptr_t)o->memory)) {
			link = &o->next;
			continue;
		}
		*link = o->next;
		reclaim(o);
	}
	if (reclaimed)
		reclaimed(arg);
	pthread_mutex_unlock(&lock);
	return 0;
}

int gc_collect(void)
{
	return collect(NULL, NULL, NULL);
}

int gc_decide(gc_moment_fn *marked, gc_moment_fn *reclaimed, void *arg)
{
	return collect(marked, reclaimed, arg);
}

enum gc_holder (*gc_null_holder)(uintptr_t addr, uintptr_t *object);
bool (*gc_null_marked)(uintptr_t object);

enum gc_holder gc_holder(_unused_ uintptr_t addr, _unused_ uintptr_t floor,
			 _unused_ struct gc_foreign *foreign, uintptr_t *object)
{
	*object = 0;
	return gc_null_holder ? gc_null_holder(addr, object) : GC_HOLDER_FOREIGN;
}

bool gc_header_is_of(_unused_ uintptr_t addr, _unused_ uintptr_t object)
{
	return false;
}

void gc_headers_note(_unused_ uintptr_t addr)
{
}

bool gc_has_headers(_unused_ uintptr_t addr)
{
	return false;
}

bool gc_is_header(_unused_ uintptr_t addr)
{
	return false;
}

bool gc_object_marked(uintptr_t object)
{
	return gc_null_marked && gc_null_marked(object);
}

bool gc_owns(uintptr_t addr)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (const struct object *o = objects; o && !found; o = o->next)
		found = addr - (uintptr_t)o->memory < o->bytes;
	pthread_mutex_unlock(&lock);
	return found;
}

int gc_owns_any(_unused_ uintptr_t start, _unused_ uintptr_t end)
{
	return -ENOSYS;
}

void gc_locked(void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&lock);
	fn(arg);
	pthread_mutex_unlock(&lock);
}

bool gc_sees_all(void)
{
	return true;
}

void gc_after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
}

uint32_t gc_cycles(void)
{
	return atomic_load(&cycles);
}

bool gc_disabled(void)
{
	return atomic_load(&disabled);
}

bool gc_finds_leaks(void)
{
	return false;
}

bool gc_host_allocates(void)
{
	return false;
}

bool gc_owns_faults(void)
{
	return false;
}

unsigned int gc_signs_needed(void)
{
	return atomic_load(&signs_needed);
}

/* ------------------------------------------------------------------ for tests */

bool gc_null_reach(uintptr_t addr, bool reachable)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (struct object *o = objects; o && !found; o = o->next) {
		found = addr - (uintptr_t)o->memory < o->bytes;
		if (found)
			o->reachable = reachable;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void gc_null_fail(int count)
{
	atomic_store(&failures, count);
}

void gc_null_disable(bool off)
{
	atomic_store(&disabled, off);
}

void gc_null_set_signs(unsigned int needed)
{
	atomic_store(&signs_needed, needed);
}

size_t gc_null_objects(void)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	for (const struct object *o = objects; o; o = o->next)
		n++;
	pthread_mutex_unlock(&lock);
	return n;
}
