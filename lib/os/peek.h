/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading memory of this process through the kernel, so that neither its protection nor its end
 * matters: /proc/self/mem, which reads what is PROT_NONE too.
 */
#ifndef FOSTER_OS_PEEK_H
#define FOSTER_OS_PEEK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

/* Opens the descriptor now, while the process may; best effort. */
void peek_open(void);

/* In the child of fork: what was open is the parent's memory. */
void peek_after_fork(void);

/*
 * Copies up to n bytes at addr; how many, 0 where nothing is mapped, or a negative errno where
 * memory cannot be read so.  A descriptor that was closed behind our back is opened anew.  One
 * thread at a time; no lock, no allocation; works from a companion.
 */
ssize_t peek_read(uintptr_t addr, void *buf, size_t n) _must_check_ _nonnull_(2);

#endif
