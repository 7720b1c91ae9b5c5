// SPDX-License-Identifier: BSD-2-Clause
/*
 * What adoption in place costs: of a large range, against munmap(2); of many small blocks
 * of malloc, against malloc, free, and against a finalizer of the collector; and what a
 * round costs when many small regions are in doubt, against a round with one.
 */
#include "bench.h"

#include <gc/gc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/foster.h>

static void start_foster(void)
{
	struct foster_options opts = FOSTER_OPTIONS_INIT;

	opts.idle_collect_ms = FOSTER_NEVER;
	if (foster_init(&opts) < 0)
		bench_fail("foster_init");
}

/* ------------------------------------------------------------------ one large range */

#define LARGE	    ((size_t)4 << 30)
#define LARGE_TIMES 60
#define TRIES	    4 /* an old copy of the pointer may be seen */
#define TOUCHED	    ((size_t)2 << 20) /* a page in each */

/* The same of munmap() stand as many places behind. */
enum { CLOSE, CLOSE_MEAN, RELEASE, BARE, ADOPT_ALONE = 2 * BARE, BEYOND };

static char *map_large(void)
{
	char *p = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		bench_fail("mmap");
	for (size_t at = 0; at < LARGE; at += TOUCHED)
		*(volatile char *)(p + at) = 1;
	return p;
}

static void setup_large(const void *arg)
{
	(void)arg;
	start_foster();
}

static double adopt_and_close(void)
{
	char *p = map_large();
	double start = bench_now();

	if (!foster_adopt(p, LARGE, NULL, NULL) || foster_close(p) < 0)
		bench_fail("foster_adopt, foster_close");
	return bench_now() - start;
}

/* The time of the adoption. */
static __attribute__((noinline)) double adopt_and_drop(void)
{
	char *p = map_large();
	double start = bench_now();

	if (!foster_adopt(p, LARGE, NULL, NULL))
		bench_fail("foster_adopt");
	return bench_now() - start;
}

static double unmap_large(void)
{
	char *p = map_large();
	double start = bench_now();

	if (munmap(p, LARGE) < 0)
		bench_fail("munmap");
	return bench_now() - start;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The mean too: so much memory makes foster collect, beside what is measured. */
static void sum_up(double *time, double *out)
{
	qsort(time, LARGE_TIMES, sizeof(*time), compare);
	out[CLOSE] = time[0];
	for (unsigned int i = 0; i < LARGE_TIMES; i++)
		out[CLOSE_MEAN] += time[i] / LARGE_TIMES;
}

/*
 * By turns in one process: when page tables go, all processors on which a thread of it ran are
 * interrupted, and a program with one thread has no other.
 */
static void close_by_turns(struct bench_sample *out)
{
	double unmap[LARGE_TIMES], close[LARGE_TIMES], beyond[LARGE_TIMES];

	for (unsigned int i = 0; i < LARGE_TIMES; i++) {
		unmap[i] = unmap_large();
		close[i] = adopt_and_close();
		beyond[i] = close[i] - unmap[i];
	}
	sum_up(close, out->v);
	sum_up(unmap, out->v + BARE);
	qsort(beyond, LARGE_TIMES, sizeof(*beyond), compare);
	out->v[BEYOND] = beyond[LARGE_TIMES / 2];
}

static void round_large(const void *arg, struct bench_sample *out)
{
	double start;

	(void)arg;
	close_by_turns(out);
	if (foster_collect(-1) < 0)
		bench_fail("foster_collect");
	out->v[ADOPT_ALONE] = adopt_and_drop();
	start = bench_now();
	for (int i = 0; i < TRIES && foster_collect(-1) == 0; i++)
		;
	out->v[RELEASE] = bench_now() - start;
	out->v[BARE + RELEASE] = unmap_large();
}

static void measure_large(void)
{
	static const struct bench_contender foster = { setup_large, round_large };
	struct bench_series s, bare;

	bench_compete(&foster, 1, (struct bench_plan){ 7, 1 }, NULL, &s);
	bare = s;
	for (unsigned int r = 0; r < bare.rounds; r++)
		memcpy(bare.round[r].v, s.round[r].v + BARE, BARE * sizeof(double));
	bench_section("4 GiB in place", "munmap");
	bench_row("adopt, close: the best of 60", BENCH_TIME, CLOSE, &s, &bare);
	bench_row("  the mean, with rounds that run beside it", BENCH_TIME, CLOSE_MEAN, &s,
		  &bare);
	bench_row("drop: the collection that releases it", BENCH_TIME, RELEASE, &s, &bare);
	bench_single("  adopt alone", BENCH_TIME, bench_median(&s, ADOPT_ALONE), "");
	bench_single("  adopt, close beyond munmap", BENCH_TIME, bench_median(&s, BEYOND),
		     "goal: 100 us");
}

/* ------------------------------------------------------------------ many small ones */

#define BLOCKS	    100000
#define BLOCK_BYTES 16

enum { ADOPT, ALL, KEPT_ROUND, KEPT_PAUSE };

static char *block[BLOCKS]; /* static data: what is in it is seen */

static void release_block(void *addr, size_t len, void *arg)
{
	(void)len;
	(void)arg;
	free(addr);
}

static void adopt_blocks(unsigned int count)
{
	for (unsigned int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(BLOCK_BYTES);
		if (!block[i])
			bench_fail("malloc");
	}
	for (unsigned int i = 0; i < count; i++)
		if (!foster_adopt(block[i], 1, release_block, NULL))
			bench_fail("foster_adopt");
}

/* Those that foster does not know are freed by hand. */
static void drop_blocks(unsigned int count)
{
	for (unsigned int i = count; i < BLOCKS; i++)
		free(block[i]);
	memset(block, 0, sizeof(block));
}

static void setup_blocks(const void *arg)
{
	(void)arg;
	bench_expose(block);
	start_foster();
}

/* Time of a round, and of its pause, while everything is held. */
static void measure_round(struct bench_sample *out)
{
	struct foster_stats before = { .size = sizeof(before) };
	struct foster_stats after = { .size = sizeof(after) };
	double start, rounds;

	foster_stats(&before);
	start = bench_now();
	if (foster_collect(-1) < 0)
		bench_fail("foster_collect");
	start = bench_now() - start;
	foster_stats(&after);
	rounds = (double)(after.rounds - before.rounds);
	if (rounds <= 0)
		return;
	out->v[KEPT_ROUND] = start / rounds;
	out->v[KEPT_PAUSE] = (double)(after.paused_us - before.paused_us) * 1e3 / rounds;
}

static void round_blocks(const void *arg, struct bench_sample *out)
{
	unsigned int count = *(const unsigned int *)arg;
	double start = bench_now(), paused;

	adopt_blocks(count);
	out->v[ADOPT] = (bench_now() - start) / BLOCKS;
	measure_round(out);
	paused = bench_now();
	drop_blocks(count);
	if (foster_collect(-1) < 0)
		bench_fail("foster_collect");
	out->v[ALL] = out->v[ADOPT] + (bench_now() - paused) / BLOCKS;
}

static void round_one(const void *arg, struct bench_sample *out)
{
	static const unsigned int one = 1;

	(void)arg;
	round_blocks(&one, out);
}

static void setup_bare(const void *arg)
{
	(void)arg;
}

static void round_malloc(const void *arg, struct bench_sample *out)
{
	double start = bench_now();

	(void)arg;
	bench_expose(block);
	for (unsigned int i = 0; i < BLOCKS; i++)
		block[i] = malloc(BLOCK_BYTES);
	out->v[ADOPT] = (bench_now() - start) / BLOCKS;
	drop_blocks(0);
	out->v[ALL] = (bench_now() - start) / BLOCKS;
}

static void setup_finalizer(const void *arg)
{
	(void)arg;
	bench_expose(block);
	GC_INIT();
}

static void finalize(void *object, void *data)
{
	(void)data;
	bench_use(*(char *)object);
}

static void round_finalizer(const void *arg, struct bench_sample *out)
{
	double start = bench_now();

	(void)arg;
	for (unsigned int i = 0; i < BLOCKS; i++) {
		block[i] = GC_MALLOC(BLOCK_BYTES - 1);
		if (!block[i])
			bench_fail("GC_MALLOC");
		GC_REGISTER_FINALIZER_NO_ORDER(block[i], finalize, NULL, NULL, NULL);
	}
	out->v[ADOPT] = (bench_now() - start) / BLOCKS;
	memset(block, 0, sizeof(block));
	GC_gcollect();
	GC_invoke_finalizers();
	out->v[ALL] = (bench_now() - start) / BLOCKS;
}

enum { MANY, ONE, MALLOC, FINALIZER, CONTENDERS };

static void measure_small(void)
{
	static const struct bench_contender contenders[CONTENDERS] = {
		[MANY] = { setup_blocks, round_blocks },
		[ONE] = { setup_blocks, round_one },
		[MALLOC] = { setup_bare, round_malloc },
		[FINALIZER] = { setup_finalizer, round_finalizer },
	};
	static const unsigned int count = BLOCKS;
	struct bench_series s[CONTENDERS];

	bench_compete(contenders, CONTENDERS, (struct bench_plan){ 5, 1 }, &count, s);
	bench_section("100,000 blocks of malloc, a byte of each a region", "malloc, free");
	bench_row("make (goal: 2 us for the adoption)", BENCH_TIME, ADOPT, &s[MANY],
		  &s[MALLOC]);
	bench_row("make, drop all, free all", BENCH_TIME, ALL, &s[MANY], &s[MALLOC]);
	bench_section("the same", "finalizer");
	bench_row("make", BENCH_TIME, ADOPT, &s[MANY], &s[FINALIZER]);
	bench_row("make, drop all, free all", BENCH_TIME, ALL, &s[MANY], &s[FINALIZER]);
	bench_section("a round when all are in doubt and held (goal: 2.00)", "one region");
	bench_row("a round in all", BENCH_TIME, KEPT_ROUND, &s[MANY], &s[ONE]);
	bench_row("all threads stopped for", BENCH_TIME, KEPT_PAUSE, &s[MANY], &s[ONE]);
}

int main(void)
{
	measure_large();
	measure_small();
	return 0;
}
