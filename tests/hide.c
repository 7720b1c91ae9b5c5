/* SPDX-License-Identifier: BSD-2-Clause */
/* The regions whose pointers are hidden, and the verdict: see hide.h. */
#include "hide.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PAGES 2
#define BYTES 100
#define OFFSET 1001 /* of the bytes in their page */
#define COLLECT_MS 20000
#define COLLECT_TRIES 50

static struct hidee {
	struct mark mark;
	uintptr_t complement;
	_Atomic int released; /* HIDE_BYTES: calls of the callback */
} hidees[HIDE_KINDS];

static size_t skew;

static const char *const kind_names[] = { "overlaid", "pages", "bytes" };

/* ----------------------------------------------------------------------- the kernel */

/* Asynchronous write protection, and the ioctl that reads it, came in one release. */
static bool kernel_tracks(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };
	const int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int err;

	if (fd < 0)
		return false;
	err = ioctl(fd, UFFDIO_API, &api);
	close(fd);
	return err == 0;
}

/* ----------------------------------------------------------------------- the makers */

/* All but room for words. */
static size_t patterned(enum hide_kind kind)
{
	const size_t len = kind == HIDE_BYTES ? BYTES : PAGES * page_size();

	return (len - HIDE_ROOM) / 8 * 8;
}

static NOINLINE void *make_overlaid(void)
{
	void *base = foster_mmap(NULL, PAGES * page_size(), RW, ANON, -1, 0);

	assert_ptr_not_equal(base, MAP_FAILED);
	pattern_fill(base, patterned(HIDE_OVERLAID));
	return base;
}

/* Nothing abuts: who knows the neighbour's end would know the region's base. */
static NOINLINE void *map_between_guards(size_t pages)
{
	char *p = mmap(NULL, (pages + 2) * page_size(), PROT_NONE, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p += page_size();
	assert_int_equal(mprotect(p, pages * page_size(), RW), 0);
	return p;
}

static NOINLINE void *make_pages(void)
{
	void *base = map_between_guards(PAGES);

	pattern_fill(base, patterned(HIDE_PAGES));
	assert_ptr_equal(foster_adopt(base, PAGES * page_size(), NULL, NULL), base);
	return base;
}

/*
 * From now on it is memory like any other, and what it says counts: so it says
 * nothing.
 */
static void count_release(void *addr, size_t len, void *arg)
{
	child_check(len == BYTES);
	child_check(arg == NULL);
	child_check(pattern_holds(addr, patterned(HIDE_BYTES), 0));
	memset(addr, 0, len);
	atomic_fetch_add(&hidees[HIDE_BYTES].released, 1);
}

static NOINLINE void *make_bytes(void)
{
	char *base = (char *)map_between_guards(1) + OFFSET;

	pattern_fill(base, patterned(HIDE_BYTES));
	assert_ptr_equal(foster_adopt(base, BYTES, count_release, NULL), base);
	return base;
}

static NOINLINE void make(enum hide_kind kind, enum place place)
{
	static void *(*const makers[])(void) = { make_overlaid, make_pages, make_bytes };
	struct hidee *h = &hidees[kind];
	void *base = makers[kind]();

	h->mark = mark_of(base);
	assert_int_equal(h->mark.len, kind == HIDE_BYTES ? BYTES : PAGES * page_size());
	assert_int_equal(foster_pin(base), 0);
	h->complement = ~(uintptr_t)place_in(base, h->mark.len, place);
	__asm__ volatile("" ::"r"(base) : "memory");
}

void hide_begin(unsigned int way, unsigned int shape)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	if (way == FOSTER_SWEEP_TRACKED && !kernel_tracks())
		test_skip(
			"this kernel, or this user, has no asynchronous write tracking");
	/* Resolved now, memset() takes no registers to the stack below what it clears. */
	forget();
	options.sweep = way;
	options.idle_collect_ms = FOSTER_NEVER;
	assert_int_equal(foster_init(&options), 0);
	skew = shape / 4 % 2 * 4;
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		make(kind, (shape + (shape / HIDE_MIXED ? kind : 0)) % 4);
	forget();
}

unsigned int hide_shape_of(const char *name, unsigned int way)
{
	unsigned int sum = way * 5;

	while (*name)
		sum = sum * 31 + (unsigned char)*name++;
	return HIDE_MIXED + sum % 8;
}

/* --------------------------------------------------------------------- the pointers */

uintptr_t hide_complement(enum hide_kind kind)
{
	return hidees[kind].complement;
}

size_t hide_skew(void)
{
	return skew;
}

void hide_put(volatile void *area)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_store(hide_slot(area, kind), hide_complement(kind));
}

void hide_clear(volatile void *area)
{
	volatile char *bytes = area;

	for (size_t i = 0; i < HIDE_ROOM; i++)
		bytes[i] = 0;
}

void *hide_pointer(enum hide_kind kind)
{
	return hidden_show((struct hidden){ hidees[kind].complement });
}

NOINLINE void hide_put_inside(enum hide_kind where, enum hide_kind whose)
{
	char *p = hidden_show(hidees[where].mark.base);

	p += patterned(where);
	p += -(uintptr_t)p % 8;
	hide_store(hide_slot(p, whose), hide_complement(whose));
}

/* ---------------------------------------------------------------------- the verdict */

void hide_collect(void)
{
	int r = -EBUSY;

	for (int i = 0; i < COLLECT_TRIES && r == -EBUSY; i++) {
		forget();
		r = foster_collect(COLLECT_MS);
	}
	assert_true(r >= 0);
}

NOINLINE void hide_pin(enum hide_kind kind)
{
	assert_int_equal(foster_pin(hidden_show(hidees[kind].mark.base)), 0);
}

NOINLINE void hide_unpin_one(enum hide_kind kind)
{
	assert_int_equal(foster_unpin(hidden_show(hidees[kind].mark.base)), 0);
}

void hide_unpin(void)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_unpin_one(kind);
	forget();
}

bool hide_alone(void)
{
	bool alone = true;

	forget();
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++) {
		const struct mark *mark = &hidees[kind].mark;

		if (hide_count(mark->base, mark->len, false) <= 1)
			continue;
		test_say("more than one word points to the %s", kind_names[kind]);
		hide_count(mark->base, mark->len, true);
		alone = false;
	}
	return alone;
}

static bool is_there(enum hide_kind kind)
{
	const struct mark *mark = &hidees[kind].mark;

	return mark_is_tracked(mark) && mark_is_mapped(mark) &&
	       (kind != HIDE_BYTES || !atomic_load(&hidees[kind].released));
}

static NOINLINE bool is_unchanged(enum hide_kind kind)
{
	return pattern_holds(hidden_show(hidees[kind].mark.base), patterned(kind), 0);
}

bool hide_whole(void)
{
	bool whole = true;

	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++) {
		if (is_there(kind) && is_unchanged(kind))
			continue;
		test_say("released early: the %s", kind_names[kind]);
		whole = false;
	}
	return whole;
}

bool hide_kept(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		hide_collect();
		if (!hide_whole())
			return false;
	}
	return true;
}

static bool is_gone(enum hide_kind kind)
{
	struct hidee *h = &hidees[kind];

	if (mark_is_tracked(&h->mark))
		return false;
	/* The bytes are still their mapper's. */
	if (kind == HIDE_BYTES)
		return atomic_load(&h->released) == 1 && mark_is_mapped(&h->mark);
	return kind == HIDE_OVERLAID || !mark_is_readable(&h->mark);
}

bool hide_gone(void)
{
	bool gone = true;

	for (int i = 0; i < ROUNDS; i++) {
		hide_collect();
		if (is_gone(HIDE_OVERLAID) && is_gone(HIDE_PAGES) && is_gone(HIDE_BYTES))
			return true;
	}
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++) {
		struct mark *mark = &hidees[kind].mark;

		if (is_gone(kind) || (kind == HIDE_OVERLAID && goes_within(mark, ROUNDS)))
			continue;
		test_say("not released: the %s", kind_names[kind]);
		forget();
		hide_count(mark->base, mark->len, true);
		gone = false;
	}
	return gone;
}
