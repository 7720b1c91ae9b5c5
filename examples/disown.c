// SPDX-License-Identifier: BSD-2-Clause
/*
 * disown.c: take a region back into your own hands.
 *
 *	cc -O2 -o disown disown.c $(pkg-config --cflags --libs foster)
 *
 * For memory that is to stay for good, or that other code will munmap().
 */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <foster/foster.h>

#define BYTES	    4096
#define PATIENCE_MS 10000

/* What nobody can see: with a tracked region this would be too little to keep it. */
static uintptr_t hidden;

static __attribute__((noinline)) void map_and_disown(void)
{
	char *p = foster_mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "foster_mmap");
	strcpy(p, "still here");
	if (foster_disown(p) < 0)
		err(1, "foster_disown");
	hidden = ~(uintptr_t)p;
}

int main(void)
{
	struct foster_info info = FOSTER_INFO_INIT;
	char *p;

	map_and_disown();
	printf("disowned: %d released\n", foster_collect(PATIENCE_MS));

	p = (char *)~hidden;
	if (foster_info(p, &info) == -ENOENT)
		printf("not a region any more: \"%s\"\n", p);
	if (munmap(p, BYTES) < 0)
		err(1, "munmap");
	return 0;
}
