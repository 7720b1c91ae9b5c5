/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fo_assert_failed(const char *cond, const char *file, int line)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "foster: %s:%d: not so: %s\n", file, line, cond);

	if (n > 0 && write(STDERR_FILENO, text, strlen(text)) < 0)
		abort();
	abort();
}
