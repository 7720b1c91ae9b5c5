/* SPDX-License-Identifier: BSD-2-Clause */
/* How the tests of the layout look at it: each look with a scratch of its own. */
#ifndef FOSTER_TESTS_LAYOUT_LOOK_H
#define FOSTER_TESTS_LAYOUT_LOOK_H

#include "support.h"

#include <sched.h>
#include <sys/mount.h>

#include "os/layout.h"
#include "os/ledger.h"

#define LOOK_MAPPINGS 100000
#define LOOK_RW (PROT_READ | PROT_WRITE)

static inline struct scratch look_scratch(void)
{
	struct scratch s = { 0 };

	assert_int_equal(scratch_open(&s, LAYOUT_SCRATCH(LOOK_MAPPINGS)), 0);
	return s;
}

UNUSED static void learn(void)
{
	struct scratch s = look_scratch();

	assert_int_equal(layout_learn(&s, NULL), 0);
	scratch_close(&s);
}

UNUSED static void learn_all(void)
{
	struct scratch s = look_scratch();

	assert_int_equal(layout_learn_all(&s), 0);
	scratch_close(&s);
}

/* The entry around p; one of zeros where there is none. */
UNUSED static struct layout_entry entry_at(const void *p)
{
	struct scratch s = look_scratch();
	struct layout_entry e = { 0 };
	const struct layout_entry *found;
	struct layout l;

	assert_int_equal(layout_read(&l, &s, NULL), 0);
	found = layout_at(&l, (uintptr_t)p);
	if (found)
		e = *found;
	scratch_close(&s);
	return e;
}

UNUSED static int kind_at(const void *p)
{
	const struct layout_entry e = entry_at(p);

	assert_true(e.start <= (uintptr_t)p && (uintptr_t)p < e.end);
	return e.kind;
}

static inline void *map_with(size_t pages, int prot, int flags, int fd)
{
	void *p = mmap(NULL, pages * page_size(), prot, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

UNUSED static void *map_private(size_t pages)
{
	return map_with(pages, LOOK_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

UNUSED static struct layout list_of(struct scratch *s, const struct scratch *also)
{
	struct layout l;

	assert_int_equal(layout_read(&l, s, also), 0);
	return l;
}

#define MANY 10000

/* Each second page protected otherwise, so that each is a mapping. */
UNUSED static char *map_many(void)
{
	size_t page = page_size();
	char *p = map_private(MANY);

	for (size_t i = 1; i < MANY; i += 2)
		assert_int_equal(mprotect(p + i * page, page, PROT_READ), 0);
	return p;
}

/*
 * For this process only, another file lies over that of /proc from now on, and is
 * removed from its own place if it was made for this.
 */
UNUSED static void lay_over(const char *name, const char *file, bool remove)
{
	char path[64];
	bool done;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)getpid(), name);
	done = unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(file, path, NULL, MS_BIND, NULL) == 0;
	if (remove)
		unlink(file);
	if (!done)
		test_skip("cannot hide a file of /proc");
}

#endif
