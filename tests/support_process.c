/* SPDX-License-Identifier: BSD-2-Clause */
/* The process as the kernel shows it, and files with known content: see support.h. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* -------------------------------------------------------------------- /proc/self/maps */

/* One line at a time and without allocation: addresses are here as text only. */
struct maps_reader {
	int fd;
	size_t used, filled;
	char buffer[1 << 14];
};

static void maps_open(struct maps_reader *maps)
{
	maps->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (maps->fd < 0)
		abort();
	maps->used = maps->filled = 0;
}

static bool maps_fill(struct maps_reader *maps)
{
	ssize_t got;

	memmove(maps->buffer, maps->buffer + maps->used, maps->filled - maps->used);
	maps->filled -= maps->used;
	maps->used = 0;
	do {
		got = read(maps->fd, maps->buffer + maps->filled,
			   sizeof(maps->buffer) - 1 - maps->filled);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	maps->filled += (size_t)got;
	return true;
}

/* The next line without its newline; NULL at the end. */
static const char *maps_next(struct maps_reader *maps)
{
	for (;;) {
		char *start = maps->buffer + maps->used;
		char *end = memchr(start, '\n', maps->filled - maps->used);

		if (end) {
			*end = '\0';
			maps->used = (size_t)(end + 1 - maps->buffer);
			return start;
		}
		if (!maps_fill(maps)) {
			close(maps->fd);
			return NULL;
		}
	}
}

/* The name of the mapping: what follows five fields. */
static const char *maps_name(const char *line)
{
	for (int field = 0; field < 5; field++) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

static uint64_t maps_inode(const char *line)
{
	for (int field = 0; field < 4; field++) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return strtoull(line, NULL, 10);
}

static NOINLINE bool maps_line_covers(const char *line, struct hidden address)
{
	char *rest;
	const uintptr_t start = strtoull(line, &rest, 16);
	const uintptr_t end = strtoull(rest + 1, NULL, 16);

	return ~start >= address.complement && ~end < address.complement;
}

static void maps_parse(const char *text, struct maps_line *line)
{
	line->inode = maps_inode(text);
	snprintf(line->name, sizeof(line->name), "%s", maps_name(text));
	text += strcspn(text, " ") + 1;
	memcpy(line->perms, text, 4);
	line->perms[4] = '\0';
	line->offset = strtoull(text + 5, NULL, 16);
}

bool maps_line_of(struct hidden address, struct maps_line *line)
{
	struct maps_reader maps;
	bool found = false;
	const char *text;

	maps_open(&maps);
	while ((text = maps_next(&maps))) {
		if (found || !maps_line_covers(text, address))
			continue;
		found = true;
		maps_parse(text, line);
	}
	return found;
}

size_t maps_count(void)
{
	struct maps_reader maps;
	size_t count = 0;

	maps_open(&maps);
	while (maps_next(&maps))
		count++;
	return count;
}

size_t maps_count_inode(uint64_t inode)
{
	struct maps_reader maps;
	size_t count = 0;
	const char *text;

	maps_open(&maps);
	while ((text = maps_next(&maps)))
		count += maps_inode(text) == inode;
	return count;
}

size_t maps_count_named(const char *name)
{
	struct maps_reader maps;
	size_t count = 0;
	const char *text;

	maps_open(&maps);
	while ((text = maps_next(&maps)))
		count += strstr(maps_name(text), name) != NULL;
	return count;
}

uint64_t status_figure(const char *name)
{
	FILE *status = fopen("/proc/self/status", "re");
	const size_t length = strlen(name);
	uint64_t figure = 0;
	char line[256];

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (!strncmp(line, name, length) && line[length] == ':')
			figure = strtoull(line + length + 1, NULL, 10);
	fclose(status);
	return figure;
}

size_t fd_count(void)
{
	DIR *fds = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(fds);
	while (readdir(fds))
		count++;
	closedir(fds);
	return count - 3; /* ".", ".." and the directory's own */
}

bool fd_target(int fd, char target[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, PATH_MAX - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return true;
}

struct rlimit limit_to(int resource, rlim_t value)
{
	struct rlimit before, now;

	assert_int_equal(getrlimit(resource, &before), 0);
	now = (struct rlimit){ value, before.rlim_max };
	assert_int_equal(setrlimit(resource, &now), 0);
	return before;
}

void *map_reservation(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		test_skip("no room for %zu GiB of addresses", bytes >> 30);
	return p;
}

/* ------------------------------------------------------------------------------ files */

uint64_t pattern_word(size_t n)
{
	/* Odd, and above all addresses: it is never taken for a pointer. */
	return ((uint64_t)n * 0x9e3779b97f4a7c15u) | 0x8000000000000001u;
}

void pattern_fill(void *p, size_t bytes)
{
	for (size_t i = 0; i < bytes / 8; i++) {
		const uint64_t word = pattern_word(i);

		memcpy((char *)p + 8 * i, &word, 8);
	}
}

bool pattern_holds(const void *p, size_t bytes, size_t offset_in_file)
{
	for (size_t i = 0; i < bytes; i++) {
		const uint64_t word = pattern_word((offset_in_file + i) / 8);
		unsigned char byte;

		memcpy(&byte, (const char *)&word + (offset_in_file + i) % 8, 1);
		if (((const volatile unsigned char *)p)[i] != byte)
			return false;
	}
	return true;
}

/*
 * Bytes behind the last whole word stay zero in the file, and pattern_holds() is not
 * asked.
 */
static void write_pattern(int fd, size_t bytes)
{
	const size_t rounded = (bytes + 7) / 8 * 8;
	char *content = malloc(rounded ? rounded : 1);

	assert_non_null(content);
	pattern_fill(content, rounded);
	assert_int_equal(pwrite(fd, content, bytes, 0), bytes);
	free(content);
}

int pattern_memfd(size_t bytes, unsigned int flags)
{
	const int fd = memfd_create("foster test", MFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	write_pattern(fd, bytes);
	return fd;
}

int pattern_file(char *path, size_t bytes)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(path, PATH_MAX, "%s/foster-test-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	write_pattern(fd, bytes);
	return fd;
}

uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* --------------------------------------------------------------------- huge pages */

#define HUGE_POOL "/proc/sys/vm/nr_hugepages"

/* Sets it, and returns what it was; -1: it cannot be. */
static long set_huge_pool(long pages)
{
	FILE *f = fopen(HUGE_POOL, "r+");
	long before = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &before) == 1 && pages >= 0) {
		rewind(f);
		fprintf(f, "%ld", pages);
	}
	if (fclose(f))
		before = -1;
	return before;
}

void *map_huge_pages(size_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	long before;

	if (p != MAP_FAILED)
		return p;
	before = set_huge_pool(-1);
	if (before < 0)
		return p;
	(void)set_huge_pool(before + (long)(bytes >> 21) + 1);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	/* What is promised to the mapping stays, and goes with it. */
	(void)set_huge_pool(before);
	return p;
}
