// SPDX-License-Identifier: BSD-2-Clause
/* What the quickstart program tells the person in front of it. */
#include <stdarg.h>
#include <stdio.h>

#include "quickstart.h"

static unsigned int steps, told, broken;

void step(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("\n%2u. ", ++steps);
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
}

void line(const char *label, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("    %-8s  ", label);
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
}

void promise(bool held, const char *fmt, ...)
{
	va_list args;

	told++;
	broken += !held;
	va_start(args, fmt);
	printf("    %-8s  ", held ? "seen" : "NOT seen");
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
}

unsigned int promises(void)
{
	return told;
}

unsigned int promises_broken(void)
{
	return broken;
}
