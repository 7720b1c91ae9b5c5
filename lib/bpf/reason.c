// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/reason.h"

#include <errno.h>
#include <foster/bpf.h>
#include <stdarg.h>
#include <stdio.h>

/* Room for our words, a name of the kernel's (15 bytes) and a message of errno. */
static __thread char sentence[192];

int reason_set(int err, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, fmt);
	errno = err;
	(void)vsnprintf(sentence, sizeof(sentence), fmt, args);
	errno = saved;
	va_end(args);
	return -err;
}

FOSTER_EXPORT const char *foster_bpf_strerror(void)
{
	return sentence;
}
