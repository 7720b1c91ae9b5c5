/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying that survives a fault.
 *
 * The copy itself is one instruction whose address is known; the fault handler
 * (guard/fault.c) recognises it in the interrupted context and lets it end early.  The
 * Linux kernel copies from user space in this way.
 */
#ifndef FOSTER_OS_COPY_H
#define FOSTER_OS_COPY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/*
 * Copies n bytes; the bytes that were not copied.  The fault handler must be installed.
 */
size_t copy_guarded(void *dst, const void *src, size_t n) _must_check_;

/*
 * For the handler: if the context (a ucontext_t) was interrupted inside copy_guarded(),
 * makes it go on behind the copy.  False: the fault is somebody else's.
 */
bool copy_recover(void *context);

#endif
