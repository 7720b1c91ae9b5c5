// SPDX-License-Identifier: BSD-2-Clause
/*
 * file.c [FILE]: an index of the lines of a text file that copies nothing.
 *
 *	cc -O2 -o file file.c $(pkg-config --cflags --libs foster)
 *
 * The index holds pointers to lines, nothing else: no file, no mapping, no length to
 * unmap with.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include <foster/foster.h>

#define LINES_MAX   100000
#define PATIENCE_MS 10000

/* foster does not look into malloc() memory yet; static data will do. */
static struct line {
	const char *text;
	size_t len;
} lines[LINES_MAX];

/* Returns how many lines were found. */
static __attribute__((noinline)) size_t index_lines(const char *path)
{
	struct foster_info info = FOSTER_INFO_INIT;
	const char *text = foster_map_file(path, NULL);
	size_t count = 0;

	if (!text || foster_info(text, &info) < 0)
		err(1, "%s", path);
	for (const char *end = text + info.len; text < end && count < LINES_MAX;
	     count++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		lines[count] = (struct line){ text, (size_t)(stop - text) };
		text = stop + 1;
	}
	return count;
}

static __attribute__((noinline)) void forget_all_but_longest(size_t count)
{
	struct line longest = lines[0];

	for (size_t i = 1; i < count; i++)
		if (lines[i].len > longest.len)
			longest = lines[i];
	memset(lines, 0, sizeof(lines));
	lines[0] = longest;
}

static __attribute__((noinline)) void print_line(const struct line *line)
{
	printf("%.*s\n", (int)line->len, line->text);
}

int main(int argc, char **argv)
{
	size_t count = index_lines(argc > 1 ? argv[1] : "/etc/passwd");

	forget_all_but_longest(count);
	printf("%zu lines; with one of them left: %d released\n", count,
	       foster_collect(PATIENCE_MS));
	print_line(&lines[0]);

	lines[0].text = NULL;
	printf("with none left: %d released\n", foster_collect(PATIENCE_MS));
	return 0;
}
