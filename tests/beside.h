/* SPDX-License-Identifier: BSD-2-Clause */
/* A companion for the length of a function, and functions that one may end by. */
#ifndef FOSTER_TESTS_BESIDE_H
#define FOSTER_TESTS_BESIDE_H

#include "support.h"

#include "os/companion.h"
#include "os/thread.h"

#define SCRATCH_BYTES ((size_t)4 << 20)

static inline void refuse_thread_sanitizer(void)
{
#ifdef __SANITIZE_THREAD__
	test_skip("two processes in the memory of one thread of ThreadSanitizer's");
#endif
}

/* What companion_wait() says of fn(arg), within so long. */
static inline int beside_within(void (*fn)(void *), void *arg, int ms)
{
	struct companion companion;
	struct scratch scratch;
	int r;

	refuse_thread_sanitizer();
	assert_int_equal(scratch_open(&scratch, SCRATCH_BYTES), 0);
	assert_int_equal(companion_start(&companion, &scratch, fn, arg), 0);
	r = companion_wait(&companion, deadline_in(ms));
	scratch_close(&scratch);
	return r;
}

static inline void spin(void *arg)
{
	volatile bool *forever = arg;

	while (*forever)
		;
}

/* run: runs a function with its argument, to be waited for so many milliseconds. */
static inline void assert_killed_at_deadline(int (*run)(void (*)(void *), void *, int))
{
	volatile bool forever = true;
	uint64_t before = now_ms();

	assert_int_equal(run(spin, (void *)&forever, 50), -ETIMEDOUT);
	assert_true(now_ms() - before >= 50);
	assert_true(now_ms() - before < 5000);
}

/* A page for load_byte() to die of. */
static inline void *inaccessible(void)
{
	void *p = mmap(NULL, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

#endif
