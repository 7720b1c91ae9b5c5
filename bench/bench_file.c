// SPDX-License-Identifier: BSD-2-Clause
/*
 * A file of 100 MB in the page cache: open, map, read all of it, release; and open, map,
 * close without reading.  Against open, mmap, read, munmap.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/foster.h>

#define FILE_BYTES (100u << 20)
#define READS	   6
#define MAPS	   30

/* What each value is the time of, and the processor time of all threads. */
enum { READ_DROP, READ_DROP_CPU, READ_CLOSE, MAP_CLOSE, MAP_CLOSE_CPU };

static char path[64];

/* An unlinked file, named by its descriptor: nothing is left behind, however we end. */
static void make_file(void)
{
	static char block[1 << 20];
	const char *dir = getenv("TMPDIR");
	char name[512];
	int fd;

	snprintf(name, sizeof(name), "%s/bench-file-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(name);
	if (fd < 0 || unlink(name) < 0)
		bench_fail(name);
	memset(block, 'f', sizeof(block));
	for (size_t done = 0; done < FILE_BYTES; done += sizeof(block))
		if (write(fd, block, sizeof(block)) != sizeof(block))
			bench_fail("write of the file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static __attribute__((noinline)) void read_all(const void *p)
{
	const uint64_t *word = p;
	uint64_t sum = 0;

	for (size_t i = 0; i < FILE_BYTES / sizeof(*word); i++)
		sum += word[i];
	bench_use(sum);
}

/* ---------------------------------------------------------------------------- foster */

static __attribute__((noinline)) const void *map_foster(void)
{
	const void *p = foster_map_file(path, NULL);

	if (!p)
		bench_fail("foster_map_file");
	return p;
}

static __attribute__((noinline)) void foster_read_drop(void)
{
	read_all(map_foster());
}

static __attribute__((noinline)) void foster_read_close(void)
{
	const void *p = map_foster();

	read_all(p);
	foster_close(p);
}

static __attribute__((noinline)) void foster_map_close(void)
{
	foster_close(map_foster());
}

/* ------------------------------------------------------------------------------ bare */

static const void *map_bare(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || p == MAP_FAILED)
		bench_fail("mmap");
	close(fd);
	return p;
}

static void bare_read(void)
{
	const void *p = map_bare();

	read_all(p);
	munmap((void *)p, FILE_BYTES);
}

static void bare_map(void)
{
	munmap((void *)map_bare(), FILE_BYTES);
}

/* -------------------------------------------------------------------- the contenders */

/* Sets wall, and cpu unless it is NULL, to the nanoseconds of one of @times. */
static void measure(void (*work)(void), int times, double *wall, double *cpu)
{
	double wall_start = bench_now(), cpu_start = bench_cpu();

	for (int i = 0; i < times; i++)
		work();
	*wall = (bench_now() - wall_start) / times;
	if (cpu)
		*cpu = (bench_cpu() - cpu_start) / times;
}

static void setup_foster(const void *arg)
{
	(void)arg;
	if (foster_init(NULL) < 0)
		bench_fail("foster_init");
}

static void setup_bare(const void *arg)
{
	(void)arg;
}

static void round_foster(const void *arg, struct bench_sample *out)
{
	(void)arg;
	measure(foster_read_drop, READS, &out->v[READ_DROP], &out->v[READ_DROP_CPU]);
	measure(foster_read_close, READS, &out->v[READ_CLOSE], NULL);
	measure(foster_map_close, MAPS, &out->v[MAP_CLOSE], &out->v[MAP_CLOSE_CPU]);
}

static void round_bare(const void *arg, struct bench_sample *out)
{
	(void)arg;
	measure(bare_read, READS, &out->v[READ_DROP], &out->v[READ_DROP_CPU]);
	measure(bare_read, READS, &out->v[READ_CLOSE], NULL);
	measure(bare_map, MAPS, &out->v[MAP_CLOSE], &out->v[MAP_CLOSE_CPU]);
}

int main(void)
{
	static const struct bench_contender contenders[] = {
		{ setup_foster, round_foster },
		{ setup_bare, round_bare },
	};
	struct bench_series s[2];

	make_file();
	bench_compete(contenders, 2, (struct bench_plan){ 7, 1 }, NULL, s);
	bench_section("a file of 100 MB in the page cache", "mmap");
	bench_row("map, read all, drop", BENCH_TIME, READ_DROP, &s[0], &s[1]);
	bench_row("  processor time", BENCH_TIME, READ_DROP_CPU, &s[0], &s[1]);
	bench_row("map, read all, close", BENCH_TIME, READ_CLOSE, &s[0], &s[1]);
	bench_row("map, close, nothing read", BENCH_TIME, MAP_CLOSE, &s[0], &s[1]);
	bench_row("  processor time", BENCH_TIME, MAP_CLOSE_CPU, &s[0], &s[1]);
	return 0;
}
