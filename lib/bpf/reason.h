/* SPDX-License-Identifier: BSD-2-Clause */
/* Why the last call of libfoster-bpf failed, in words; one sentence for each thread. */
#ifndef FOSTER_BPF_REASON_H
#define FOSTER_BPF_REASON_H

#include "base/attributes.h"

/*
 * Writes the sentence down and returns -err.  A sentence that is too long is cut.  "%m"
 * stands for err.  Leaves errno alone.
 */
int reason_set(int err, const char *fmt, ...) _printf_format_(2, 3) _nonnull_(2);

#endif
