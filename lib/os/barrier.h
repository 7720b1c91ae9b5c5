/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A memory barrier that one thread makes for all threads of the process, so that the
 * others, who need it often, need none of their own.
 */
#ifndef FOSTER_OS_BARRIER_H
#define FOSTER_OS_BARRIER_H

#include "base/attributes.h"

/* May the process make it?  Returns 0 or a negative errno. */
int barrier_ready(void) _must_check_;

/*
 * When it returns 0, each thread has passed a full barrier since the call.  Costs some
 * microseconds, on all processors that run the process.  Else a negative errno.
 */
int barrier_all(void) _must_check_;

#endif
