/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assertions in three levels, chosen by FOSTER_CHECK at compile time:
 *   0  none (installed libraries)
 *   1  fo_assert(): costs a load and a compare
 *   2  fo_assert_full() too: may walk a structure; the level of the test builds
 *
 * They state what this library promises itself.  A mistake of a caller is an error code,
 * never an assertion.
 */
#ifndef FOSTER_BASE_CHECK_H
#define FOSTER_BASE_CHECK_H

#ifndef FOSTER_CHECK
#define FOSTER_CHECK 0
#endif

/* An untaken branch keeps the expression compiled, so that it cannot rot. */
#define FO_ASSERT_AT(level, cond)                                  \
	do {                                                       \
		if (FOSTER_CHECK >= (level) && !(cond))            \
			fo_assert_failed(#cond, __FILE__, __LINE__); \
	} while (0)

#define fo_assert(cond) FO_ASSERT_AT(1, cond)
#define fo_assert_full(cond) FO_ASSERT_AT(2, cond)

/* Writes the sentence to standard error without allocating, then aborts. */
void fo_assert_failed(const char *cond, const char *file, int line)
	__attribute__((noreturn, cold));

#endif
