/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who else points into a range, found without foster: a forked process, which needs no
 * memory of this one, reads this one's memory from outside.
 *
 * Pages that are not in memory are passed over, for looking at them would bring them in.
 * Nothing is stopped, and what a thread has below its stack pointer counts as well.
 */
#include "hide.h"

#include <fcntl.h>
#include <sys/wait.h>

#define PRESENT ((uint64_t)1 << 63)
#define SWAPPED ((uint64_t)1 << 62)
#define UNREADABLE 255
#define PAGE_AT_MOST 65536
#define FLAGS 512 /* of so many pages at once */

struct find {
	int maps, memory, pages;
	uintptr_t first, last; /* a word between them points into the range */
	uintptr_t page;	       /* where page[] is from */
	size_t count;
	bool say;
	const char *mapping;
};

/* Of the child only: its parent's copies stay empty. */
static union {
	unsigned char bytes[PAGE_AT_MOST + 8];
	uint32_t halves[PAGE_AT_MOST / 4 + 2];
} page;

static void find_in_page(struct find *find)
{
	for (size_t i = 0; i < page_size() / 4; i++) {
		const uintptr_t word = page.halves[i] | (uintptr_t)page.halves[i + 1]
								<< 32;

		if (word < find->first || word > find->last)
			continue;
		find->count++;
		if (find->say)
			dprintf(STDERR_FILENO, "  %#lx points to +%#lx: %s\n",
				find->page + 4 * i, word - find->first, find->mapping);
	}
}

/* So many pages from find->page on. */
static void find_in_pages(struct find *find, size_t pages)
{
	static uint64_t flags[FLAGS];
	const off_t index = (off_t)(find->page / page_size() * 8);

	memset(flags, 0, sizeof(flags));
	(void)!pread(find->pages, flags, pages * 8, index);
	for (size_t i = 0; i < pages; i++, find->page += page_size()) {
		/* What is in the range itself is no evidence. */
		if (find->page < find->last && find->first < find->page + page_size())
			continue;
		if (!(flags[i] & (PRESENT | SWAPPED)))
			continue;
		memset(&page, 0, sizeof(page));
		if (pread(find->memory, page.bytes, page_size() + 4, (off_t)find->page) >
		    0)
			find_in_page(find);
	}
}

static void find_in_mapping(struct find *find, uintptr_t start, uintptr_t end)
{
	find->page = start;
	while (find->page < end) {
		const size_t pages = (end - find->page) / page_size();

		find_in_pages(find, pages < FLAGS ? pages : FLAGS);
	}
}

static void read_text(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n + 1 < size && (got = read(fd, text + n, size - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
}

static int find_from_outside(struct find *find, pid_t pid)
{
	static char text[1 << 18];
	char path[64], *rest, *save;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	find->maps = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	find->memory = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	find->pages = open(path, O_RDONLY);
	if (find->maps < 0 || find->memory < 0 || find->pages < 0)
		return UNREADABLE;
	read_text(find->maps, text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const uintptr_t start = strtoull(line, &rest, 16);

		find->mapping = line;
		if (!strstr(line, "[v"))
			find_in_mapping(find, start, strtoull(rest + 1, NULL, 16));
	}
	return find->count < UNREADABLE ? (int)find->count : UNREADABLE - 1;
}

int hide_count(struct hidden base, size_t len, bool say)
{
	const pid_t self = getpid();
	int status = -1;
	pid_t child;

	fflush(stderr);
	/* Runs nobody's fork handlers: those of libgc and foster take locks. */
	child = _Fork();
	if (child == 0) {
		struct find find = { .say = say };

		find.first = (uintptr_t)hidden_show(base);
		find.last = find.first + len;
		_exit(find_from_outside(&find, self));
	}
	assert_true(child > 0);
	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == UNREADABLE ? -1 : WEXITSTATUS(status);
}
