// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a load through a tracked pointer costs, against one through a pointer of mmap(2).
 *
 * It is the same instruction.  This shows the bytes of it, then measures.  Beside it:
 * what pins cost, for those who need them, against counting references by hand.
 */
#include "bench.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/foster.h>

/* ------------------------------------------------------------------ the machine code */

/* Each in a section of its own: the linker gives its first and last byte. */
#define IN_SECTION(name) __attribute__((noinline, used, section(name)))

struct sample {
	uint64_t count, sum;
};

IN_SECTION("code_raw") uint64_t load_raw(const struct sample *s);
IN_SECTION("code_tracked") uint64_t load_tracked(const struct sample *s);
IN_SECTION("code_read") uint64_t load_read(const struct sample *s);
extern const unsigned char __start_code_raw[], __stop_code_raw[];
extern const unsigned char __start_code_tracked[], __stop_code_tracked[];
extern const unsigned char __start_code_read[], __stop_code_read[];

uint64_t load_raw(const struct sample *s)
{
	return s->sum;
}

/* The same words, for a pointer that foster_mmap() returned: there is nothing to add. */
uint64_t load_tracked(const struct sample *s)
{
	return s->sum;
}

uint64_t load_read(const struct sample *s)
{
	return FOSTER_READ(s->sum);
}

static void print_code(const char *what, const unsigned char *from,
		       const unsigned char *to)
{
	bool same = to - from == __stop_code_raw - __start_code_raw &&
		    memcmp(from, __start_code_raw, (size_t)(to - from)) == 0;

	printf("  %-30s", what);
	for (const unsigned char *p = from; p < to; p++)
		printf(" %02x", *p);
	if (from != __start_code_raw)
		printf(same ? "  the same" : "  different");
	printf("\n");
}

static void print_machine_code(void)
{
	printf("\nmachine code of: return s->sum\n");
	print_code("pointer of mmap", __start_code_raw, __stop_code_raw);
	print_code("pointer of foster_mmap", __start_code_tracked, __stop_code_tracked);
	print_code("the same with FOSTER_READ", __start_code_read, __stop_code_read);
}

/* ------------------------------------------------------------------------- the loads */

enum { PLAIN, CHAIN, READ, HELD };

#define WORDS 512
#define TIMES 4000

static uint64_t *words; /* one page; word i holds i + 1, the last 0: a chain to follow */

static __attribute__((noinline)) void loads_plain(const uint64_t *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < WORDS; i++)
		sum += p[i];
	bench_use(sum);
}

static __attribute__((noinline)) void loads_chained(const uint64_t *p)
{
	uint64_t at = 0;

	for (int i = 0; i < WORDS; i++)
		at = p[at];
	bench_use(at);
}

static __attribute__((noinline)) void loads_read(const uint64_t *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < WORDS; i++)
		sum += FOSTER_READ(p[i]);
	bench_use(sum);
}

static __attribute__((noinline)) void loads_volatile(const uint64_t *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < WORDS; i++)
		sum += *(const volatile uint64_t *)&p[i];
	bench_use(sum);
}

static __attribute__((noinline)) void loads_pinned(const uint64_t *p)
{
	for (int i = 0; i < WORDS; i++) {
		foster_pin(p);
		bench_use(FOSTER_READ(p[i]));
		foster_unpin(p);
	}
}

static __attribute__((noinline)) void loads_counted(const uint64_t *p)
{
	static atomic_uint references;

	for (int i = 0; i < WORDS; i++) {
		atomic_fetch_add(&references, 1);
		bench_use(FOSTER_READ(p[i]));
		atomic_fetch_sub(&references, 1);
	}
}

/* Nanoseconds per load. */
static double measure(void (*loads)(const uint64_t *p), int times)
{
	double start = bench_now();

	for (int t = 0; t < times; t++)
		loads(words);
	return (bench_now() - start) / times / WORDS;
}

/* -------------------------------------------------------------------- the contenders */

static void fill(void)
{
	if (words == MAP_FAILED)
		bench_fail("mmap");
	for (uint64_t i = 0; i < WORDS; i++)
		words[i] = (i + 1) % WORDS;
}

static void setup_foster(const void *arg)
{
	(void)arg;
	words = foster_mmap(NULL, WORDS * sizeof(*words), PROT_READ | PROT_WRITE,
			    MAP_SHARED, bench_memfd(WORDS * sizeof(*words)), 0);
	fill();
}

static void setup_bare(const void *arg)
{
	(void)arg;
	words = mmap(NULL, WORDS * sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bench_memfd(WORDS * sizeof(*words)), 0);
	fill();
}

static void round_foster(const void *arg, struct bench_sample *out)
{
	(void)arg;
	out->v[PLAIN] = measure(loads_plain, TIMES);
	out->v[CHAIN] = measure(loads_chained, TIMES);
	out->v[READ] = measure(loads_read, TIMES);
	out->v[HELD] = measure(loads_pinned, TIMES / 10);
}

static void round_bare(const void *arg, struct bench_sample *out)
{
	(void)arg;
	out->v[PLAIN] = measure(loads_plain, TIMES);
	out->v[CHAIN] = measure(loads_chained, TIMES);
	out->v[READ] = measure(loads_volatile, TIMES);
	out->v[HELD] = measure(loads_counted, TIMES / 10);
}

int main(void)
{
	static const struct bench_contender contenders[] = {
		{ setup_foster, round_foster },
		{ setup_bare, round_bare },
	};
	struct bench_series s[2];

	bench_machine();
	print_machine_code();
	bench_compete(contenders, 2, (struct bench_plan){ 15, 2 }, NULL, s);
	bench_section("one 8-byte load", "mmap");
	bench_row("each by itself (the compiler may take two at once)", BENCH_TIME, PLAIN,
		  &s[0], &s[1]);
	bench_row("each needs the one before", BENCH_TIME, CHAIN, &s[0], &s[1]);
	bench_row("FOSTER_READ against volatile", BENCH_TIME, READ, &s[0], &s[1]);
	bench_row("pin, load, unpin against atomic count up, down", BENCH_TIME, HELD,
		  &s[0], &s[1]);
	return 0;
}
