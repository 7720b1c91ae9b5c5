// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/reason.h"

#include <errno.h>
#include <foster/bpf.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/result.h"

/* Room for our words, two names, two types of BTF and a message of errno. */
static __thread char sentence[512];

/* Names and types come from whoever loaded the program: a sentence has one line. */
static void keep_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int reason_set(int err, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, fmt);
	errno = err;
	(void)vsnprintf(sentence, sizeof(sentence), fmt, args);
	errno = saved;
	va_end(args);
	keep_printable(sentence);
	return -err;
}

int reason_sized_out(void *out, const void *mine, size_t bytes, size_t least,
		     const char *name)
{
	int r = sized_out(out, mine, bytes, least);

	return r < 0 ? reason_set(-r, "the struct %s is too small", name) : 0;
}

FOSTER_EXPORT const char *foster_bpf_strerror(void)
{
	return sentence;
}
