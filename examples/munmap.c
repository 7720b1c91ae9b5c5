// SPDX-License-Identifier: BSD-2-Clause
/*
 * munmap.c: give back some pages of a region and keep the others.
 *
 *	cc -O2 -o munmap munmap.c $(pkg-config --cflags --libs foster)
 *
 * The pages are revoked at once; using them is a fault.  The rest lives on as one region.
 */
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include <foster/foster.h>

#define PAGES 4

static void show(const char *base, size_t page_size)
{
	struct foster_info info = FOSTER_INFO_INIT;

	for (int i = 0; i < PAGES; i++) {
		if (foster_info(base + i * page_size, &info) < 0)
			err(1, "foster_info");
		printf("page %d: %s\n", i,
		       info.state == FOSTER_REVOKED ? "revoked" : "live");
	}
	printf("%zu of %zu pages revoked\n", info.revoked / page_size,
	       info.len / page_size);
}

int main(void)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = foster_mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		err(1, "foster_mmap");
	if (foster_munmap(pages + page_size, 2 * page_size) < 0)
		err(1, "foster_munmap");
	pages[0] = pages[3 * page_size] = 'x'; /* the outer pages are still there */
	show(pages, page_size);

	/* When the last page goes, this is foster_close(). */
	if (foster_munmap(pages, PAGES * page_size) < 0)
		err(1, "foster_munmap");
	show(pages, page_size);
	return 0;
}
