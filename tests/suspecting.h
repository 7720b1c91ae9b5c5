/* SPDX-License-Identifier: BSD-2-Clause */
/* The suspects of a test: begin(), suspects_add() for each, seal(). */
#ifndef FOSTER_TESTS_SUSPECTING_H
#define FOSTER_TESTS_SUSPECTING_H

#include "support.h"

#include "track/suspects.h"

#define KIB ((uintptr_t)1 << 10)
#define MIB ((uintptr_t)1 << 20)
#define GIB ((uintptr_t)1 << 30)
#define HEAP ((uintptr_t)0x7f1210000000)

static struct scratch scratch;
static struct suspects suspects;

static inline void begin(uint32_t capacity)
{
	if (scratch.size)
		scratch_close(&scratch);
	assert_int_equal(scratch_open(&scratch, suspects_room(capacity)), 0);
	assert_int_equal(suspects_init(&suspects, capacity, &scratch), 0);
}

static inline void seal(void)
{
	assert_int_equal(suspects_seal(&suspects, &scratch), 0);
}

/* One suspect alone, of number 1. */
static inline void suspect(uintptr_t start, uintptr_t end)
{
	begin(1);
	suspects_add(&suspects, start, end, 1);
	seal();
}

#endif
