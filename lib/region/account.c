/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/account.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/stable.h"
#include "os/ledger.h"
#include "region/lock.h"
#include "region/region.h"

#define GET(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define SET(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

static void *take_readable(size_t bytes)
{
	return calloc(1, bytes);
}

static struct stable numbers = STABLE_INIT(sizeof(struct region), 10, ledger_take);
static struct stable calls = STABLE_INIT(sizeof(struct region_calls), 10, take_readable);
/* numbers.end for readers without the lock; behind it by nothing that is in use. */
static _Atomic uint32_t numbers_end = 1;

uint32_t account_new(void)
{
	uint32_t number;

	fo_assert(region_locked());
	if (stable_reserve(&numbers, 1) || stable_cover(&calls, numbers.end))
		return 0;
	number = stable_new(&numbers);
	atomic_store_explicit(&numbers_end, numbers.end, memory_order_release);
	return number;
}

void account_free(uint32_t number)
{
	fo_assert(region_locked());
	stable_free(&numbers, number);
}

struct region *region_at(uint32_t number)
{
	return stable_at(&numbers, number);
}

uint32_t region_numbers_end(void)
{
	return atomic_load_explicit(&numbers_end, memory_order_acquire);
}

struct region_run region_run_of(uint32_t number)
{
	uint32_t chunk = stable_chunk(&numbers, number);

	return (struct region_run){
		.first = (void *)stable_elements(&numbers, chunk),
		.from = stable_first(&numbers, chunk),
		.count = (uint32_t)stable_count(&numbers, chunk),
	};
}

struct region_calls *region_calls_at(uint32_t number)
{
	return stable_at(&calls, number);
}

uint32_t region_calls_of(uintptr_t at)
{
	return stable_find(&calls, region_numbers_end(), at);
}

/* A page of these that nobody needs is never touched, nor read by a sweep. */
#define SET_CHANGED(member, value)                \
	do {                                      \
		if (GET(member) != (value))       \
			SET(member, (value));     \
	} while (0)

void account_set_calls(uint32_t number, const struct region_facts *facts)
{
	struct region_calls *c = region_calls_at(number);

	SET_CHANGED(c->release, facts->release);
	SET_CHANGED(c->release_arg, facts->release_arg);
	SET_CHANGED(c->on_damage, facts->on_damage);
	SET_CHANGED(c->damage_arg, facts->damage_arg);
}

void account_forget_calls(uint32_t number)
{
	account_set_calls(number, &(struct region_facts){ 0 });
}
