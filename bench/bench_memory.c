// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a one-page region costs in memory, mappings and address space, while it lives and
 * while its range waits in the pool, against a mapping of mmap(2).
 *
 * Each region shows the same page of a memfd, so that the page itself, which is in the
 * resident size once for each mapping, is not in the anonymous memory.
 */
#include "bench.h"

#include <gc/gc.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/foster.h>

#define REGIONS 10000
#define POOLED 4000 /* so few that the pool takes them all */
#define PAUSE_MS 5000

enum { RESIDENT, ANONYMOUS, TABLES, MAPPINGS, ADDRESSES, MALLOC, HEAP, RANGES };

static const struct {
	const char *name;
	enum bench_unit unit;
} rows[] = {
	[RESIDENT] = { "resident memory", BENCH_BYTES },
	[ANONYMOUS] = { "of it private to the process", BENCH_BYTES },
	[TABLES] = { "page tables", BENCH_BYTES },
	[MAPPINGS] = { "mappings (lines of /proc/self/maps)", BENCH_COUNT },
	[ADDRESSES] = { "address space", BENCH_BYTES },
	[MALLOC] = { "malloc", BENCH_BYTES },
	[HEAP] = { "heap of the collector (address space)", BENCH_BYTES },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static char *live[REGIONS];
static struct bench_sample before;

/* --------------------------------------------------------------- reading the process */

/* A line "Name:  123 kB" of /proc/self/status, in bytes. */
static double status_bytes(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t len = strlen(name);
	char line[256];
	double bytes = 0;

	if (!file)
		bench_fail("/proc/self/status");
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			bytes = strtod(line + len + 1, NULL) * 1024;
	fclose(file);
	return bytes;
}

static void look(struct bench_sample *out)
{
	out->v[MALLOC] = (double)mallinfo2().uordblks;
	out->v[MAPPINGS] = bench_mappings();
	out->v[RESIDENT] = status_bytes("VmRSS");
	out->v[ANONYMOUS] = status_bytes("RssAnon");
	out->v[TABLES] = status_bytes("VmPTE");
	out->v[ADDRESSES] = status_bytes("VmSize");
	out->v[HEAP] = (double)(GC_get_heap_size() - GC_get_free_bytes());
}

static void look_since(struct bench_sample *out, double count)
{
	look(out);
	for (size_t i = 0; i < ROWS; i++)
		out->v[i] = (out->v[i] - before.v[i]) / count;
}

/* -------------------------------------------------------------------- the contenders */

typedef void *map_fn(void *addr, size_t len, int prot, int flags, int fd, off_t off);

static void map_many(map_fn *map, int count)
{
	int fd = bench_memfd((size_t)sysconf(_SC_PAGESIZE));

	bench_expose(live);
	for (int i = 0; i < count; i++) {
		live[i] = map(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (live[i] == MAP_FAILED)
			bench_fail("mmap");
		*(volatile char *)live[i] = 1;
	}
}

/* One region of each kind comes first: what is there once is not part of the figures. */
static void setup_foster(const void *arg)
{
	(void)arg;
	live[0] = foster_mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (live[0] == MAP_FAILED)
		bench_fail("foster_mmap");
	look(&before); /* this itself may allocate */
	look(&before);
}

static void setup_bare(const void *arg)
{
	(void)arg;
	GC_INIT();
	look(&before);
	look(&before);
}

static void round_foster(const void *arg, struct bench_sample *out)
{
	(void)arg;
	map_many(foster_mmap, REGIONS);
	look_since(out, REGIONS);
}

static void round_bare(const void *arg, struct bench_sample *out)
{
	(void)arg;
	map_many(mmap, REGIONS);
	look_since(out, REGIONS);
}

static void round_pool(const void *arg, struct bench_sample *out)
{
	struct foster_stats stats = { .size = sizeof(stats) };

	(void)arg;
	map_many(foster_mmap, POOLED);
	memset(live, 0, sizeof(live));
	for (int i = 0; i < 3; i++)
		foster_collect(PAUSE_MS);
	foster_stats(&stats);
	look_since(out, (double)stats.pool_ranges);
	out->v[RANGES] = (double)stats.pool_ranges;
}

/* ------------------------------------------------------------------------- the table */

int main(void)
{
	static const struct bench_contender contenders[] = {
		{ setup_foster, round_foster },
		{ setup_bare, round_bare },
		{ setup_foster, round_pool },
	};
	struct bench_series s[3];
	char title[64];

	bench_compete(contenders, 3, (struct bench_plan){ 1, 0 }, NULL, s);
	snprintf(title, sizeof(title), "memory of a region, %d live, each of one page",
		 REGIONS);
	bench_section(title, "mmap");
	for (unsigned int i = 0; i < ROWS; i++)
		bench_row(rows[i].name, rows[i].unit, i, &s[0], &s[1]);

	snprintf(title, sizeof(title), "memory of a range in the pool, of %.0f",
		 bench_median(&s[2], RANGES));
	bench_section(title, NULL);
	for (unsigned int i = 0; i < ROWS; i++)
		bench_single(rows[i].name, rows[i].unit, bench_median(&s[2], i), "");
	return 0;
}
