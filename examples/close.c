// SPDX-License-Identifier: BSD-2-Clause
/*
 * close.c: to close a region is to revoke it.
 *
 *	cc -O2 -o close close.c $(pkg-config --cflags --libs foster)
 *
 * Its memory is given back at once.  Its addresses are given to nobody while a stale
 * pointer to them is left: using one is a fault, and never reads somebody else's data.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <foster/foster.h>

#define PATIENCE_MS 10000

static char *secret;

static __attribute__((noinline)) void map_secret(void)
{
	char *p = foster_mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "foster_mmap");
	secret = strcpy(p, "for a short time only");
}

/* foster_info() never touches the memory: any pointer may be asked about. */
static __attribute__((noinline)) void show(const char *when)
{
	struct foster_info info = FOSTER_INFO_INIT;

	if (foster_info(secret, &info) < 0)
		printf("%s: no region\n", when);
	else if (info.state == FOSTER_REVOKED)
		printf("%s: revoked, its addresses reserved\n", when);
	else
		printf("%s: \"%s\"\n", when, secret);
}

static void count_reserved(const char *when)
{
	struct foster_stats stats = { .size = sizeof(stats) };

	if (foster_collect(PATIENCE_MS) < 0 || foster_stats(&stats) < 0)
		err(1, "foster_collect");
	printf("%s: %d closed region(s) still reserved\n", when, (int)stats.revoked);
}

int main(void)
{
	map_secret();
	show("mapped");
	if (foster_close(secret) < 0)
		err(1, "foster_close");
	show("closed");
	count_reserved("with a stale pointer");

	secret = NULL;
	count_reserved("without");
	return 0;
}
