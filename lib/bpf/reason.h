/* SPDX-License-Identifier: BSD-2-Clause */
/* Why the last call of libfoster-bpf failed, in words; one sentence for each thread. */
#ifndef FOSTER_BPF_REASON_H
#define FOSTER_BPF_REASON_H

#include <stddef.h>

#include "base/attributes.h"

/*
 * Writes the sentence down and returns -err.  A sentence that is too long is cut.  "%m"
 * stands for err.  Leaves errno alone.
 */
int reason_set(int err, const char *fmt, ...) _printf_format_(2, 3) _nonnull_(2);

/* As sized_out(); the reason has the name of the struct. */
int reason_sized_out(void *out, const void *mine, size_t bytes, size_t least,
		     const char *name) _must_check_ _nonnull_all_;

#endif
