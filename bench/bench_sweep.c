// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the sweep costs: for how long it stops all threads, how long a round takes in all,
 * and what it does to threads that write meanwhile.
 *
 * The memory is malloc's, all of it written, unless a row says otherwise.  A round takes
 * one dropped region and ends with its release (not with the end of the tracking, which
 * comes after the answer); it is set against one linear read of the same memory, and its
 * pause against that of a collection with no region in doubt.
 */
#include "bench.h"

#include <errno.h>
#include <gc/gc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <foster/foster.h>

#define GIB	     ((size_t)1 << 30)
#define CHUNK	     ((size_t)64 << 20)
#define CHUNKS	     (GIB / CHUNK)
#define THREADS	     8
#define LIVE	     1000
#define TRIES	     4

enum { PAUSE, ADDED, WHOLE, SWEPT, MARKING };

static char *chunk[CHUNKS];
static size_t page_size;
static int region_fd;

/* ------------------------------------------------------------------ the collector's pauses */

static GC_on_collection_event_proc chained;
static double stopped_at, marked_at, marking, shortest, longest;

/* Of the time from the end of marking until all run again.  Called with the lock held. */
static void note_stop(double stopped)
{
	if (shortest <= 0 || stopped < shortest)
		shortest = stopped;
	if (stopped > longest)
		longest = stopped;
}

static void on_event(GC_EventType event)
{
	if (event == GC_EVENT_PRE_STOP_WORLD)
		stopped_at = bench_now();
	if (event == GC_EVENT_MARK_END)
		marked_at = bench_now();
	if (chained)
		chained(event);
	if (event != GC_EVENT_POST_START_WORLD)
		return;
	note_stop(bench_now() - marked_at);
	marking = marked_at - stopped_at;
}

static void watch_collections(void)
{
	chained = GC_get_on_collection_event();
	GC_set_on_collection_event(on_event);
}

/* ------------------------------------------------------------------ memory */

static void fill_memory(void)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	region_fd = bench_memfd(page_size);
	bench_expose(chunk);
	for (size_t i = 0; i < CHUNKS; i++) {
		chunk[i] = malloc(CHUNK);
		if (!chunk[i])
			bench_fail("malloc");
		memset(chunk[i], 'm', CHUNK);
	}
}

/* A written page each, kept apart by their protection. */
static void make_mappings(unsigned int wanted)
{
	unsigned int there = bench_mappings();
	size_t pages = wanted > there ? wanted - there : 0;
	char *p;

	if (!pages)
		return;
	p = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		bench_fail("mmap");
	memset(p, 'p', pages * page_size);
	for (size_t i = 0; i < pages; i += 2)
		if (mprotect(p + i * page_size, page_size, PROT_READ) < 0)
			bench_fail("mprotect");
}

static void read_all(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < CHUNKS; i++) {
		const uint64_t *word = (const uint64_t *)chunk[i];

		for (size_t w = 0; w < CHUNK / sizeof(*word); w++)
			sum += word[w];
	}
	bench_use(sum);
}

/* ------------------------------------------------------------------ one round */

static void start_foster(unsigned int way)
{
	struct foster_options opts = FOSTER_OPTIONS_INIT;

	opts.sweep = way;
	opts.idle_collect_ms = FOSTER_NEVER;
	if (foster_init(&opts) < 0)
		bench_fail("foster_init");
}

static __attribute__((noinline)) void make_and_drop(void)
{
	char *p = foster_mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      region_fd, 0);

	if (p == MAP_FAILED)
		bench_fail("foster_mmap");
	*(volatile char *)p = 1;
}

/* Until there was a round: the collector may see an old copy of the pointer first. */
static double collect_until_swept(struct foster_stats *before, struct foster_stats *after)
{
	double start;

	for (int i = 0; i < TRIES; i++) {
		shortest = longest = 0;
		foster_stats(before);
		start = bench_now();
		if (foster_collect(-1) < 0)
			bench_fail("foster_collect");
		start = bench_now() - start;
		foster_stats(after);
		if (after->rounds != before->rounds)
			return start;
	}
	errno = ETIMEDOUT;
	bench_fail("no round");
}

static void sweep_once(struct bench_sample *out)
{
	struct foster_stats before = { .size = sizeof(before) };
	struct foster_stats after = { .size = sizeof(after) };
	double whole, rounds;

	make_and_drop();
	whole = collect_until_swept(&before, &after);
	rounds = (double)(after.rounds - before.rounds);
	out->v[PAUSE] = (double)(after.paused_us - before.paused_us) * 1e3 / rounds;
	out->v[SWEPT] = (double)(after.swept_bytes - before.swept_bytes) / rounds;
	out->v[WHOLE] = whole / rounds;
	out->v[MARKING] = marking;
	out->v[ADDED] = longest - shortest;
}

static void setup_sweep(const void *arg, unsigned int way)
{
	start_foster(way);
	watch_collections();
	fill_memory();
	make_mappings(*(const unsigned int *)arg);
}

static void setup_tracked(const void *arg)
{
	setup_sweep(arg, FOSTER_SWEEP_TRACKED);
}

static void setup_snapshot(const void *arg)
{
	setup_sweep(arg, FOSTER_SWEEP_SNAPSHOT);
}

static void setup_pause(const void *arg)
{
	setup_sweep(arg, FOSTER_SWEEP_PAUSE);
}

static void round_sweep(const void *arg, struct bench_sample *out)
{
	(void)arg;
	sweep_once(out);
}

static void setup_bare(const void *arg)
{
	fill_memory();
	make_mappings(*(const unsigned int *)arg);
}

/* PAUSE is that of fork(2): the child has a copy of all page tables. */
static void round_bare(const void *arg, struct bench_sample *out)
{
	double start = bench_now();
	pid_t pid;

	(void)arg;
	read_all();
	out->v[WHOLE] = bench_now() - start;
	start = bench_now();
	pid = fork();
	if (pid == 0)
		_exit(0);
	out->v[PAUSE] = bench_now() - start;
	if (waitpid(pid, NULL, 0) != pid)
		bench_fail("fork");
}

enum { TRACKED, SNAPSHOT, IN_PAUSE, BARE, WAYS };

static const char *const way_name[] = {
	[TRACKED] = "tracked",
	[SNAPSHOT] = "snapshot",
	[IN_PAUSE] = "all of it in the pause",
};

static const struct bench_contender ways[WAYS] = {
	[TRACKED] = { setup_tracked, round_sweep },
	[SNAPSHOT] = { setup_snapshot, round_sweep },
	[IN_PAUSE] = { setup_pause, round_sweep },
	[BARE] = { setup_bare, round_bare },
};

static void print_ways(const char *what, enum bench_unit unit, unsigned int value,
		       const struct bench_series s[WAYS])
{
	bench_section(what, NULL);
	for (int i = 0; i < BARE; i++)
		bench_single(way_name[i], unit, bench_median(&s[i], value), "");
}

static void measure_pauses(unsigned int mappings)
{
	struct bench_series s[WAYS];
	char text[80];

	bench_compete(ways, WAYS, (struct bench_plan){ 5, 1 }, &mappings, s);
	snprintf(text, sizeof(text),
		 "1 GiB of malloc memory, %u mappings: all threads stopped", mappings);
	bench_section(text, NULL);
	snprintf(text, sizeof(text), "goal: %.2f ms", 1 + 0.0008 * mappings);
	bench_single(way_name[TRACKED], BENCH_TIME, bench_median(&s[TRACKED], PAUSE), text);
	bench_single(way_name[SNAPSHOT], BENCH_TIME, bench_median(&s[SNAPSHOT], PAUSE),
		     "goal: 15 ms");
	bench_single(way_name[IN_PAUSE], BENCH_TIME, bench_median(&s[IN_PAUSE], PAUSE), "");
	bench_single("  fork(2) of the same", BENCH_TIME, bench_median(&s[BARE], PAUSE),
		     "");
	print_ways("the same, added to the collection, by the collector's events",
		   BENCH_TIME, ADDED, s);
	print_ways("the same, bytes read by a round", BENCH_BYTES, SWEPT, s);
	bench_section("the same, nobody writes: a round in all (goal: 1.50)", "one read");
	for (int i = 0; i < BARE; i++)
		bench_row(way_name[i], BENCH_TIME, WHOLE, &s[i], &s[BARE]);
}

/* ------------------------------------------------------------------ the collector's heap */

#define NODE_WORDS 16

/* A list: marking it is what a collection does. */
static void *heap;

static void setup_heap(const void *arg)
{
	size_t bytes = *(const size_t *)arg;

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	region_fd = bench_memfd(page_size);
	start_foster(FOSTER_SWEEP_DEFAULT);
	watch_collections();
	if (!GC_expand_hp(bytes + bytes / 4))
		bench_fail("GC_expand_hp");
	GC_disable();
	for (size_t i = 0; i < bytes / (NODE_WORDS * sizeof(void *)); i++) {
		void **node = GC_MALLOC(NODE_WORDS * sizeof(void *) - 1);

		if (!node)
			bench_fail("GC_MALLOC");
		*node = heap;
		heap = node;
	}
	GC_enable();
}

static void measure_heap(void)
{
	static const struct bench_contender contender = { setup_heap, round_sweep };
	struct bench_series s;
	size_t bytes = GIB;
	char note[64];

	bench_compete(&contender, 1, (struct bench_plan){ 3, 1 }, &bytes, &s);
	snprintf(note, sizeof(note), "%.1f %% of it (goal: 15 %%)",
		 100 * bench_median(&s, ADDED) / bench_median(&s, MARKING));
	bench_section("1 GiB of live objects of the collector", NULL);
	bench_single("marking, with all threads stopped", BENCH_TIME,
		     bench_median(&s, MARKING), "");
	bench_single("a round adds", BENCH_TIME, bench_median(&s, ADDED), note);
}

/* ------------------------------------------------------------------ nothing in doubt */

enum { IDLE_CPU, IDLE_ROUNDS, LIVE_ROUNDS, LIVE_COLLECT };

static void *live[LIVE];

static void setup_idle(const void *arg)
{
	(void)arg;
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	region_fd = bench_memfd(page_size);
	if (foster_init(NULL) < 0)
		bench_fail("foster_init");
	bench_expose(live);
	for (int i = 0; i < LIVE; i++) {
		live[i] = foster_mmap(NULL, page_size, PROT_READ, MAP_SHARED, region_fd, 0);
		if (live[i] == MAP_FAILED)
			bench_fail("foster_mmap");
	}
}

static double rounds_so_far(void)
{
	struct foster_stats stats = { .size = sizeof(stats) };

	foster_stats(&stats);
	return (double)stats.rounds;
}

static void round_idle(const void *arg, struct bench_sample *out)
{
	const struct timespec wait = { 3, 0 };
	double rounds = rounds_so_far(), cpu, start = bench_now();

	(void)arg;
	if (foster_collect(-1) < 0)
		bench_fail("foster_collect");
	out->v[LIVE_COLLECT] = bench_now() - start;
	out->v[LIVE_ROUNDS] = rounds_so_far() - rounds;
	rounds = rounds_so_far();
	cpu = bench_cpu();
	nanosleep(&wait, NULL);
	out->v[IDLE_CPU] = (bench_cpu() - cpu) / 3;
	out->v[IDLE_ROUNDS] = rounds_so_far() - rounds;
}

static void measure_idle(void)
{
	static const struct bench_contender contender = { setup_idle, round_idle };
	struct bench_series s;

	bench_compete(&contender, 1, (struct bench_plan){ 1, 0 }, NULL, &s);
	bench_section("1,000 live regions, none of them in doubt", NULL);
	bench_single("processor time of an idle second", BENCH_TIME,
		     bench_median(&s, IDLE_CPU), "collections included");
	bench_single("rounds in three idle seconds", BENCH_COUNT,
		     bench_median(&s, IDLE_ROUNDS), "goal: 0");
	bench_single("rounds of a foster_collect()", BENCH_COUNT,
		     bench_median(&s, LIVE_ROUNDS), "goal: 0");
	bench_single("  its time", BENCH_TIME, bench_median(&s, LIVE_COLLECT), "");
}

/* ------------------------------------------------------------------ threads that write */

enum { WRITTEN, SWEEPS };

#define WRITER_BYTES ((size_t)16 << 20)
#define WRITER_STEP  4096u /* words between looks at the clock's flag */
#define MEASURE_NS   5e8

struct rounds_going {
	const char *name;
	unsigned int way;
	double every; /* ns; 0: one after the other */
};

static atomic_bool writing;
static atomic_ulong written;
static pthread_barrier_t begins, ends;

static void *writer(void *arg)
{
	uint64_t *memory = malloc(WRITER_BYTES);
	size_t words = WRITER_BYTES / sizeof(*memory), at = 0;

	(void)arg;
	if (!memory)
		bench_fail("malloc");
	memset(memory, 'w', WRITER_BYTES);
	for (;;) {
		unsigned long count = 0;

		pthread_barrier_wait(&begins);
		while (atomic_load_explicit(&writing, memory_order_relaxed)) {
			for (unsigned int i = 0; i < WRITER_STEP; i++) {
				at = (at + 61) % words;
				*(volatile uint64_t *)&memory[at] = i;
			}
			count += WRITER_STEP;
		}
		atomic_fetch_add(&written, count);
		pthread_barrier_wait(&ends);
	}
	return NULL;
}

static void setup_writers(const void *arg)
{
	const struct rounds_going *going = arg;
	pthread_t thread;

	start_foster(going->way);
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	region_fd = bench_memfd(page_size);
	pthread_barrier_init(&begins, NULL, THREADS + 1);
	pthread_barrier_init(&ends, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, writer, NULL))
			bench_fail("pthread_create");
}

static void nap_until(double at)
{
	double left = at - bench_now();
	struct timespec wait = { 0, (long)left };

	if (left > 0)
		nanosleep(&wait, NULL);
}

static void run_writers(const struct rounds_going *going, bool any,
			struct bench_sample *out)
{
	double start, end, sweeps = 0, next;

	atomic_store(&written, 0);
	atomic_store(&writing, true);
	pthread_barrier_wait(&begins);
	start = next = bench_now();
	end = start + MEASURE_NS;
	while (any && bench_now() < end) {
		struct bench_sample one;

		sweep_once(&one);
		sweeps++;
		next += going->every;
		nap_until(next < end ? next : end);
	}
	nap_until(end);
	atomic_store(&writing, false);
	pthread_barrier_wait(&ends);
	end = bench_now() - start;
	/* Time of a thousand stores: more is worse, as in all rows. */
	out->v[WRITTEN] = 1000 * end / (double)atomic_load(&written);
	out->v[SWEEPS] = sweeps * 1e9 / end;
}

static void round_with(const void *arg, struct bench_sample *out)
{
	run_writers(arg, true, out);
}

static void round_without(const void *arg, struct bench_sample *out)
{
	run_writers(arg, false, out);
}

static const struct rounds_going goings[] = {
	{ "tracked, 10 rounds a second", FOSTER_SWEEP_TRACKED, 1e8 },
	{ "tracked, one after the other", FOSTER_SWEEP_TRACKED, 0 },
	{ "snapshot, 10 rounds a second", FOSTER_SWEEP_SNAPSHOT, 1e8 },
	{ "all in the pause, 10 rounds a second", FOSTER_SWEEP_PAUSE, 1e8 },
};
#define GOINGS (sizeof(goings) / sizeof(goings[0]))

static void measure_writers(void)
{
	static const struct bench_contender contenders[] = {
		{ setup_writers, round_with },
		{ setup_writers, round_without },
	};
	static struct bench_series s[GOINGS][2];

	for (size_t i = 0; i < GOINGS; i++)
		bench_compete(contenders, 2, (struct bench_plan){ 3, 0 }, &goings[i], s[i]);
	bench_section("8 threads write 128 MiB: time of 1,000 stores", "no rounds");
	for (size_t i = 0; i < GOINGS; i++)
		bench_row(goings[i].name, BENCH_TIME, WRITTEN, &s[i][0], &s[i][1]);
	bench_section("the same: rounds in a second", NULL);
	for (size_t i = 0; i < GOINGS; i++)
		bench_single(goings[i].name, BENCH_COUNT, bench_median(&s[i][0], SWEEPS),
			     "");
}

int main(void)
{
	measure_pauses(100);
	measure_pauses(1000);
	measure_heap();
	measure_idle();
	measure_writers();
	return 0;
}
