/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that fail on demand.  A program that links failing.c, with the linker's --wrap
 * for each function that it lists, counts the calls which foster makes of them while
 * armed, on any thread, and fails one.  The collector and the C library, which are linked as shared
 * libraries, are not counted.  So nothing of the test's own may run between arming and
 * disarming.
 */
#ifndef FOSTER_TESTS_FAILING_H
#define FOSTER_TESTS_FAILING_H

#include <stdbool.h>

enum failing_how {
	FAIL_ONE,	/* the one call after those that succeed */
	FAIL_ALL_LATER, /* that one and all that follow */
};

/* So many calls succeed first. */
void failing_arm(unsigned int succeed, enum failing_how how);

/* Is it this call's turn?  For wrappers of functions that are not in the list. */
bool failing_turn(const char *name);

/* How many calls failed. */
unsigned int failing_disarm(void);

/* Name of the first that failed; "none". */
const char *failing_first(void);

/*
 * From here on as on an old kernel, armed or not: no query of a single mapping, and
 * nothing to try out what a refused MAP_FIXED does.
 */
void failing_old_kernel(void);

#endif
