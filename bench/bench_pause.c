// SPDX-License-Identifier: BSD-2-Clause
/*
 * How much longer collections get when regions live.
 *
 * Against the same number of mappings that the collector knows nothing of, and against
 * one small object with a finalizer for each, which is what one would write by hand.  The
 * array with the pointers, static data that every collection reads, is there in all of
 * them.
 */
#define GC_THREADS 1 /* for GC_allow_register_threads() */

#include "bench.h"

#include <gc/gc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/foster.h>

#define LIVE_MAX    30000
#define COLLECTIONS 5 /* in one round */

enum { STOPPED, WHOLE };

static void *live[LIVE_MAX];
static GC_on_collection_event_proc chained;
static double stopped_at, stopped;

/* Called with the allocator's lock held. */
static void on_event(GC_EventType event)
{
	if (event == GC_EVENT_PRE_STOP_WORLD)
		stopped_at = bench_now();
	if (chained)
		chained(event);
	if (event == GC_EVENT_POST_START_WORLD)
		stopped += bench_now() - stopped_at;
}

static void watch_collections(void)
{
	bench_expose(live);
	chained = GC_get_on_collection_event();
	GC_set_on_collection_event(on_event);
}

static void setup_foster(const void *arg)
{
	int fd = bench_memfd((size_t)sysconf(_SC_PAGESIZE));

	if (foster_init(NULL) < 0)
		bench_fail("foster_init");
	for (unsigned int i = 0; i < *(const unsigned int *)arg; i++) {
		live[i] = foster_mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (live[i] == MAP_FAILED)
			bench_fail("foster_mmap");
	}
	watch_collections();
}

static void *map_bare(int fd)
{
	void *p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		bench_fail("mmap");
	return p;
}

static void setup_bare(const void *arg)
{
	int fd = bench_memfd((size_t)sysconf(_SC_PAGESIZE));

	GC_INIT();
	GC_allow_register_threads();
	for (unsigned int i = 0; i < *(const unsigned int *)arg; i++)
		live[i] = map_bare(fd);
	watch_collections();
}

static void handle_finalize(void *obj, void *data)
{
	(void)data;
	munmap(*(void **)obj, 1);
}

static void setup_handle(const void *arg)
{
	int fd = bench_memfd((size_t)sysconf(_SC_PAGESIZE));

	GC_INIT();
	GC_allow_register_threads();
	for (unsigned int i = 0; i < *(const unsigned int *)arg; i++) {
		void **handle = GC_MALLOC(2 * sizeof(*handle));

		if (!handle)
			bench_fail("GC_MALLOC");
		handle[0] = map_bare(fd);
		GC_REGISTER_FINALIZER_NO_ORDER(handle, handle_finalize, NULL, NULL, NULL);
		live[i] = handle;
	}
	watch_collections();
}

static void round_collect(const void *arg, struct bench_sample *out)
{
	double start = bench_now();

	(void)arg;
	stopped = 0;
	for (int i = 0; i < COLLECTIONS; i++)
		GC_gcollect();
	out->v[WHOLE] = (bench_now() - start) / COLLECTIONS;
	out->v[STOPPED] = stopped / COLLECTIONS;
}

/* ------------------------------------------------------------------------- the table */

static const unsigned int counts[] = { 1, 1000, 10000, 30000 };
#define COUNTS (sizeof(counts) / sizeof(counts[0]))
enum { FOSTER, BARE, HANDLE, CONTENDERS };

static const struct bench_contender contenders[CONTENDERS] = {
	[FOSTER] = { setup_foster, round_collect },
	[BARE] = { setup_bare, round_collect },
	[HANDLE] = { setup_handle, round_collect },
};

static void print_against(const char *title, unsigned int value, unsigned int other,
			  const char *name,
			  const struct bench_series s[COUNTS][CONTENDERS])
{
	bench_section(title, name);
	for (size_t i = 0; i < COUNTS; i++) {
		char what[64];

		snprintf(what, sizeof(what), "%u live", counts[i]);
		bench_row(what, BENCH_TIME, value, &s[i][FOSTER], &s[i][other]);
	}
}

/* Time per region, from 1 to 30,000 of them. */
static double growth(unsigned int value, unsigned int which,
		     const struct bench_series s[COUNTS][CONTENDERS])
{
	return (bench_median(&s[COUNTS - 1][which], value) -
		bench_median(&s[0][which], value)) /
	       (counts[COUNTS - 1] - counts[0]);
}

static void print_growth(const struct bench_series s[COUNTS][CONTENDERS])
{
	bench_section("growth for each live region, from 1 to 30,000", NULL);
	bench_single("foster, world stopped", BENCH_TIME, growth(STOPPED, FOSTER, s), "");
	bench_single("foster, whole collection", BENCH_TIME, growth(WHOLE, FOSTER, s),
		     "");
	bench_single("finalizers by hand, world stopped", BENCH_TIME,
		     growth(STOPPED, HANDLE, s), "");
	bench_single("finalizers by hand, whole collection", BENCH_TIME,
		     growth(WHOLE, HANDLE, s), "");
	bench_single("mappings unknown to the collector, whole collection", BENCH_TIME,
		     growth(WHOLE, BARE, s), "");
}

int main(void)
{
	static struct bench_series s[COUNTS][CONTENDERS];

	for (size_t i = 0; i < COUNTS; i++)
		bench_compete(contenders, CONTENDERS, (struct bench_plan){ 9, 1 },
			      &counts[i], s[i]);
	print_against("one collection: the world is stopped for", STOPPED, BARE, "mmap",
		      s);
	print_against("one collection: the world is stopped for", STOPPED, HANDLE,
		      "finalizer", s);
	print_against("one collection: the whole of it", WHOLE, BARE, "mmap", s);
	print_against("one collection: the whole of it", WHOLE, HANDLE, "finalizer", s);
	print_growth(s);
	return 0;
}
