/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmarks share: contenders, clocks, medians and the table.
 *
 * A benchmark compares contenders that do the same work in different ways.  Each
 * contender lives in a process of its own, so that the regions, threads and collections
 * of one do not slow down the others; only one of them runs at a time, and their rounds
 * take turns, so that a noisy moment of the machine meets all of them.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_VALUES	     8
#define BENCH_ROUNDS_MAX     32
#define BENCH_CONTENDERS_MAX 4

/* The measurements of one round; what v[i] is, is up to the benchmark. */
struct bench_sample {
	double v[BENCH_VALUES];
};

/*
 * setup() runs once, round() once for each round; both in the contender's process, on its
 * main thread, with the same @arg.  On failure they call bench_fail().
 */
struct bench_contender {
	void (*setup)(const void *arg);
	void (*round)(const void *arg, struct bench_sample *out);
};

/* All rounds of one contender; no rounds when it failed. */
struct bench_series {
	unsigned int rounds;
	struct bench_sample round[BENCH_ROUNDS_MAX];
};

struct bench_plan {
	unsigned int rounds; /* that count */
	unsigned int warm;   /* before them, that do not */
};

/* Runs the contenders and fills out[i] for the i-th of them. */
void bench_compete(const struct bench_contender *contenders, unsigned int count,
		   struct bench_plan plan, const void *arg, struct bench_series *out);

/* Says what failed, with errno, and ends this contender. */
void bench_fail(const char *what) __attribute__((noreturn));

/* A descriptor of memory of @bytes, all zero; never closed. */
int bench_memfd(size_t bytes);

/* How many mappings this process has. */
unsigned int bench_mappings(void);

/* Nanoseconds: of the clock, and of processor time of all threads of this process. */
double bench_now(void);
double bench_cpu(void);

/* Keeps the compiler from dropping the work that makes @value. */
static inline void bench_use(uint64_t value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

/* Makes the compiler write what is stored in @array, though nothing of ours reads it. */
static inline void bench_expose(const void *array)
{
	__asm__ volatile("" : : "r"(array) : "memory");
}

enum bench_unit {
	BENCH_TIME, /* value is in ns */
	BENCH_BYTES,
	BENCH_COUNT,
};

/* The first line of the table: the kernel and the processors. */
void bench_machine(void);

double bench_median(const struct bench_series *series, unsigned int value);

/* Begins a part of the table; @instead names the second column, NULL where there is none. */
void bench_section(const char *title, const char *instead);

/*
 * A row: both medians, the median of the ratios of the rounds that ran next to each
 * other, and their quartiles.
 */
void bench_row(const char *what, enum bench_unit unit, unsigned int value,
	       const struct bench_series *ours, const struct bench_series *theirs);

/* A row of one figure; @note stands behind it and may be "". */
void bench_single(const char *what, enum bench_unit unit, double ours, const char *note);

#endif /* BENCH_H */
