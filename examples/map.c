// SPDX-License-Identifier: BSD-2-Clause
/*
 * map.c: memory stays mapped while anything points into it, and goes after the last
 * pointer.
 *
 *	cc -O2 -o map map.c $(pkg-config --cflags --libs foster)
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <foster/foster.h>

#define BYTES	    (1 << 20)
#define PATIENCE_MS 10000

/* foster looks at static data, stacks, registers and the collector's heap. */
static const char *word;

/* Returns a pointer into the middle of a mapping, and forgets where that begins. */
static __attribute__((noinline)) const char *write_words(void)
{
	char *text = foster_mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (text == MAP_FAILED)
		err(1, "foster_mmap");
	return strcpy(text + BYTES / 2, "half way");
}

static void collect(const char *when)
{
	int released = foster_collect(PATIENCE_MS);

	if (released < 0)
		err(1, "foster_collect");
	printf("%s: %d released\n", when, released);
}

/* Pointers on the stack count as well: what works with one is not inlined into main(). */
static __attribute__((noinline)) void use_word(void)
{
	struct foster_info info = FOSTER_INFO_INIT;

	if (foster_info(word, &info) < 0)
		err(1, "foster_info");
	printf("\"%s\" is at byte %td of a region of %zu\n", word,
	       word - (const char *)info.base, info.len);
}

int main(void)
{
	if (foster_init(NULL) < 0)
		err(1, "foster_init");
	word = write_words();
	collect("one pointer into the middle left");
	use_word();

	word = NULL; /* nothing to free: dropping the pointer is all */
	collect("no pointer left");
	return 0;
}
