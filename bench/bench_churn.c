// SPDX-License-Identifier: BSD-2-Clause
/*
 * What it costs to map, touch and drop a region again and again, against mmap, touch,
 * munmap.
 *
 * The time is that of the thread that maps: releases run on foster's thread, but when
 * that falls behind, the maker waits for it, and this wait is in the time.  Processor
 * time is that of all threads.  Besides the regions that come and go, a number of others
 * live all the time.
 */
#include "bench.h"

#include <gc/gc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/foster.h>

#define LIVE_MAX 30000

struct work {
	const char *name;
	size_t pages;
	bool anonymous;
	unsigned int live;
	unsigned int batch; /* regions made in one round */
};

enum { WALL, CPU, THROTTLED, ASKED };

static char *live[LIVE_MAX]; /* static data: the collector sees it */
static size_t page_size;
static int live_fd, churn_fd;

/* ----------------------------------------------------------------------- ways to map */

typedef char *map_fn(size_t len, int flags, int fd);

static char *map_bare(size_t len, int flags, int fd)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static char *map_foster(size_t len, int flags, int fd)
{
	return foster_mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static __attribute__((noinline)) char *map_and_touch(map_fn *map, const struct work *work)
{
	size_t len = work->pages * page_size;
	char *p;

	if (work->anonymous)
		p = map(len, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	else
		p = map(len, MAP_SHARED, churn_fd);
	if (p == MAP_FAILED)
		bench_fail("mmap");
	for (size_t i = 0; i < work->pages; i++)
		((volatile char *)p)[i * page_size] = 1;
	return p;
}

/* --------------------------------------------------------------------- one contender */

/* The living regions all show one page, so that memory is not what is measured. */
static void setup(const struct work *work, map_fn *map)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	churn_fd = bench_memfd(work->pages * page_size);
	live_fd = bench_memfd(page_size);
	bench_expose(live);
	for (unsigned int i = 0; i < work->live; i++) {
		live[i] = map(page_size, MAP_SHARED, live_fd);
		if (live[i] == MAP_FAILED)
			bench_fail("mmap of a living region");
		bench_use((uint64_t)*live[i]);
	}
}

static void setup_foster(const void *arg)
{
	if (foster_init(NULL) < 0)
		bench_fail("foster_init");
	setup(arg, map_foster);
}

static void setup_bare(const void *arg)
{
	setup(arg, map_bare);
}

static void setup_handle(const void *arg)
{
	GC_INIT();
	setup(arg, map_bare);
}

static void drop_all(const struct work *work)
{
	for (unsigned int i = 0; i < work->batch; i++)
		map_and_touch(map_foster, work);
}

static void round_drop(const void *arg, struct bench_sample *out)
{
	const struct work *work = arg;
	struct foster_stats before = { .size = sizeof(before) };
	struct foster_stats after = { .size = sizeof(after) };
	double wall = bench_now(), cpu = bench_cpu();

	foster_stats(&before);
	drop_all(work);
	out->v[WALL] = (bench_now() - wall) / work->batch;
	out->v[CPU] = (bench_cpu() - cpu) / work->batch;
	foster_stats(&after);
	out->v[THROTTLED] = (double)(after.throttled - before.throttled) / work->batch;
	out->v[ASKED] = (double)(after.asked - before.asked) / work->batch;
}

static void round_close(const void *arg, struct bench_sample *out)
{
	const struct work *work = arg;
	double wall = bench_now(), cpu = bench_cpu();

	for (unsigned int i = 0; i < work->batch; i++)
		if (foster_close(map_and_touch(map_foster, work)) < 0)
			bench_fail("foster_close");
	out->v[WALL] = (bench_now() - wall) / work->batch;
	out->v[CPU] = (bench_cpu() - cpu) / work->batch;
}

static void round_bare(const void *arg, struct bench_sample *out)
{
	const struct work *work = arg;
	double wall = bench_now(), cpu = bench_cpu();

	for (unsigned int i = 0; i < work->batch; i++)
		munmap(map_and_touch(map_bare, work), work->pages * page_size);
	out->v[WALL] = (bench_now() - wall) / work->batch;
	out->v[CPU] = (bench_cpu() - cpu) / work->batch;
}

/*
 * What one would write by hand: a small object of the collector that owns the mapping,
 * with a finalizer; a collection for each 1024 of them.  It holds the mapping only while
 * the object is reachable: pointers into the mapping count for nothing.
 */
struct handle {
	char *addr;
	size_t len;
};

static void handle_finalize(void *obj, void *data)
{
	struct handle *handle = obj;

	(void)data;
	munmap(handle->addr, handle->len);
}

static __attribute__((noinline)) void handle_new(const struct work *work)
{
	struct handle *handle = GC_MALLOC(sizeof(*handle));

	if (!handle)
		bench_fail("GC_MALLOC");
	handle->addr = map_and_touch(map_bare, work);
	handle->len = work->pages * page_size;
	GC_REGISTER_FINALIZER_NO_ORDER(handle, handle_finalize, NULL, NULL, NULL);
}

static void round_handle(const void *arg, struct bench_sample *out)
{
	const struct work *work = arg;
	double wall = bench_now(), cpu = bench_cpu();

	for (unsigned int i = 0; i < work->batch; i++) {
		handle_new(work);
		if (i % 1024 == 1023)
			GC_gcollect();
	}
	out->v[WALL] = (bench_now() - wall) / work->batch;
	out->v[CPU] = (bench_cpu() - cpu) / work->batch;
}

/* ------------------------------------------------------------------------- the table */

static const struct bench_contender contenders[] = {
	{ setup_foster, round_drop },
	{ setup_bare, round_bare },
	{ setup_foster, round_close },
	{ setup_handle, round_handle },
};

static const struct work works[] = {
	{ "1 page of a memfd", 1, false, 0, 8192 },
	{ "1 page of a memfd, 100 others live", 1, false, 100, 8192 },
	{ "1 page of a memfd, 1,000 others live", 1, false, 1000, 8192 },
	{ "1 page of a memfd, 10,000 others live", 1, false, 10000, 8192 },
	{ "1 page of a memfd, 30,000 others live", 1, false, 30000, 8192 },
	{ "1 page, anonymous", 1, true, 0, 8192 },
	{ "16 pages of a memfd", 16, false, 0, 4096 },
	{ "16 pages, anonymous", 16, true, 0, 4096 },
};
#define WORKS (sizeof(works) / sizeof(works[0]))

static void print_cpu(const struct bench_series series[WORKS][2])
{
	bench_section("the same: processor time of all threads", "munmap");
	for (size_t i = 0; i < WORKS; i++)
		bench_row(works[i].name, BENCH_TIME, CPU, &series[i][0], &series[i][1]);
}

static void print_habits(const struct bench_series series[WORKS][2])
{
	bench_section("the same: collections that foster asked for, per 1,000 regions",
		      NULL);
	for (size_t i = 0; i < WORKS; i++) {
		char note[64];

		snprintf(note, sizeof(note), "the maker waited %.2f times",
			 1000 * bench_median(&series[i][0], THROTTLED));
		bench_single(works[i].name, BENCH_COUNT,
			     1000 * bench_median(&series[i][0], ASKED),
			     series[i][0].rounds ? note : "");
	}
}

static void compare_with_close(void)
{
	struct bench_series series[2];
	const struct bench_contender pair[] = { contenders[2], contenders[1] };

	bench_section("map, touch, close: time of the caller", "munmap");
	bench_compete(pair, 2, (struct bench_plan){ 7, 2 }, &works[0], series);
	bench_row(works[0].name, BENCH_TIME, WALL, &series[0], &series[1]);
	bench_row("  processor time", BENCH_TIME, CPU, &series[0], &series[1]);
}

static void compare_with_handle(void)
{
	struct bench_series series[2];
	const struct bench_contender pair[] = { contenders[0], contenders[3] };

	bench_section("map, touch, drop: time of the caller", "finalizer");
	bench_compete(pair, 2, (struct bench_plan){ 7, 2 }, &works[0], series);
	bench_row(works[0].name, BENCH_TIME, WALL, &series[0], &series[1]);
	bench_row("  processor time", BENCH_TIME, CPU, &series[0], &series[1]);
}

int main(void)
{
	static struct bench_series series[WORKS][2];

	bench_section("map, touch, drop: time of the caller", "munmap");
	for (size_t i = 0; i < WORKS; i++) {
		bench_compete(contenders, 2, (struct bench_plan){ 7, 2 }, &works[i],
			      series[i]);
		bench_row(works[i].name, BENCH_TIME, WALL, &series[i][0], &series[i][1]);
	}
	bench_single("  30,000 live to 100 live", BENCH_COUNT,
		     bench_median(&series[4][0], WALL) /
			     bench_median(&series[1][0], WALL),
		     "times the time");
	print_cpu(series);
	print_habits(series);
	compare_with_close();
	compare_with_handle();
	return 0;
}
