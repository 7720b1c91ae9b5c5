/* SPDX-License-Identifier: BSD-2-Clause */
#include "adopting.h"

struct adopting_released adopting_released;

void adopting_begin(void)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.idle_collect_ms = FOSTER_NEVER;
	options.collect_mib = 1 << 20;
	options.collect_regions = 1 << 30;
	assert_int_equal(foster_init(&options), 0);
}

NOINLINE char *area_new(size_t pages)
{
	char *p = mmap(NULL, (pages + 2) * page_size(), PROT_NONE, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p += page_size();
	assert_int_equal(mprotect(p, pages * page_size(), RW), 0);
	return p;
}

void on_release(void *addr, size_t len, void *arg)
{
	adopting_released.len = len;
	adopting_released.arg = arg;
	adopting_released.tid = gettid();
	memset(addr, 0, len);
	atomic_fetch_add(&adopting_released.sum, ~(uintptr_t)addr);
	atomic_fetch_add(&adopting_released.calls, 1);
}

static bool have_come(void *calls)
{
	return atomic_load(&adopting_released.calls) >= *(int *)calls;
}

bool are_released(int calls)
{
	forget();
	return collecting_until(have_come, &calls, ROUNDS) &&
	       atomic_load(&adopting_released.calls) == calls;
}

NOINLINE struct mark adopt_bytes(void *volatile *slot, struct hidden at, size_t len, void *arg)
{
	void *p = hidden_show(at);
	struct mark mark;

	assert_ptr_equal(foster_adopt(p, len, on_release, arg), p);
	mark = mark_of(p);
	if (slot)
		*slot = p;
	return mark;
}

NOINLINE struct mark adopt_pages(void *volatile *slot, size_t pages)
{
	char *p = area_new(pages);
	struct mark mark;

	assert_ptr_equal(foster_adopt(p, pages * page_size(), NULL, NULL), p);
	mark = mark_of(p);
	if (slot)
		*slot = p;
	return mark;
}

NOINLINE void show_to(void *volatile *slot, struct hidden h)
{
	*slot = hidden_show(h);
}
