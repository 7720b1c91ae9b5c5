// SPDX-License-Identifier: BSD-2-Clause
#define _GNU_SOURCE 1 /* memfd_create() */

#include "bench.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A contender's process, seen from the one that compares. */
struct runner {
	pid_t pid;
	int socket; /* one byte asks for a round, one sample answers */
};

void bench_fail(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	_exit(1);
}

int bench_memfd(size_t bytes)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		bench_fail("memfd_create");
	return fd;
}

unsigned int bench_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned int lines = 0;
	int c;

	if (!file)
		bench_fail("/proc/self/maps");
	while ((c = fgetc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

double bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double bench_cpu(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e9 +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e3;
}

/* ------------------------------------------------------------- contenders' processes */

static void runner_main(const struct bench_contender *contender, const void *arg,
			int socket)
{
	struct bench_sample sample;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	contender->setup(arg);
	memset(&sample, 0, sizeof(sample));
	if (write(socket, &sample, sizeof(sample)) != sizeof(sample))
		bench_fail("write");
	while (read(socket, &go, 1) == 1) {
		memset(&sample, 0, sizeof(sample));
		contender->round(arg, &sample);
		if (write(socket, &sample, sizeof(sample)) != sizeof(sample))
			bench_fail("write");
	}
	_exit(0);
}

static int runner_answer(struct runner *runner, struct bench_sample *out)
{
	return read(runner->socket, out, sizeof(*out)) == sizeof(*out) ? 0 : -1;
}

static int runner_start(struct runner *runner, const struct bench_contender *contender,
			const void *arg)
{
	struct bench_sample ready;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	fflush(NULL);
	runner->pid = fork();
	if (runner->pid == 0) {
		close(ends[0]);
		runner_main(contender, arg, ends[1]);
	}
	close(ends[1]);
	runner->socket = ends[0];
	return runner_answer(runner, &ready);
}

static int runner_round(struct runner *runner, struct bench_sample *out)
{
	if (send(runner->socket, "r", 1, MSG_NOSIGNAL) != 1)
		return -1;
	return runner_answer(runner, out);
}

/* Later runners inherit the sockets of earlier ones: to close ours does not end them. */
static void runner_stop(struct runner *runner)
{
	close(runner->socket);
	kill(runner->pid, SIGKILL);
	waitpid(runner->pid, NULL, 0);
}

static int run_rounds(struct runner *runners, unsigned int count, struct bench_plan plan,
		      struct bench_series *out)
{
	struct bench_sample sample;

	for (unsigned int r = 0; r < plan.warm + plan.rounds; r++) {
		for (unsigned int i = 0; i < count; i++) {
			if (runner_round(&runners[i], &sample) < 0)
				return -1;
			if (r >= plan.warm)
				out[i].round[r - plan.warm] = sample;
		}
	}
	return 0;
}

void bench_compete(const struct bench_contender *contenders, unsigned int count,
		   struct bench_plan plan, const void *arg, struct bench_series *out)
{
	struct runner runners[BENCH_CONTENDERS_MAX];
	unsigned int started = 0;
	int err = 0;

	if (count > BENCH_CONTENDERS_MAX || plan.rounds > BENCH_ROUNDS_MAX)
		abort();
	while (!err && started < count) {
		err = runner_start(&runners[started], &contenders[started], arg);
		started++;
	}
	if (!err)
		err = run_rounds(runners, count, plan, out);
	while (started > 0)
		runner_stop(&runners[--started]);
	for (unsigned int i = 0; i < count; i++)
		out[i].rounds = err ? 0 : plan.rounds;
}

/* --------------------------------------------------------------------------- figures */

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The value below which @part of the sorted ones lie; by proportion between two. */
static double quantile(const double *sorted, unsigned int count, double part)
{
	double place = part * (count - 1);
	unsigned int low = (unsigned int)place;
	unsigned int high = low + 1 < count ? low + 1 : low;

	return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

double bench_median(const struct bench_series *series, unsigned int value)
{
	double sorted[BENCH_ROUNDS_MAX];

	if (series->rounds == 0)
		return NAN;
	for (unsigned int r = 0; r < series->rounds; r++)
		sorted[r] = series->round[r].v[value];
	qsort(sorted, series->rounds, sizeof(sorted[0]), compare);
	return quantile(sorted, series->rounds, 0.5);
}

static void print_time(char *text, size_t size, double ns)
{
	if (fabs(ns) < 1e3)
		snprintf(text, size, "%.2f ns", ns);
	else if (fabs(ns) < 1e6)
		snprintf(text, size, "%.2f us", ns / 1e3);
	else
		snprintf(text, size, "%.2f ms", ns / 1e6);
}

static void print_bytes(char *text, size_t size, double bytes)
{
	if (fabs(bytes) < 10 * 1024)
		snprintf(text, size, "%.0f B", bytes);
	else if (fabs(bytes) < 10 * 1024 * 1024)
		snprintf(text, size, "%.1f KiB", bytes / 1024);
	else
		snprintf(text, size, "%.1f MiB", bytes / 1024 / 1024);
}

static void print_value(char *text, size_t size, enum bench_unit unit, double value)
{
	if (isnan(value))
		snprintf(text, size, "failed");
	else if (unit == BENCH_TIME)
		print_time(text, size, value);
	else if (unit == BENCH_BYTES)
		print_bytes(text, size, value);
	else
		snprintf(text, size, "%.2f", value);
}

void bench_machine(void)
{
	struct utsname name;

	uname(&name);
	printf("%s %s %s, %ld processors\n", name.sysname, name.release, name.machine,
	       sysconf(_SC_NPROCESSORS_ONLN));
}

void bench_section(const char *title, const char *instead)
{
	if (instead)
		printf("\n%-52s %11s %11s %6s  %s\n", title, "foster", instead, "ratio",
		       "quartiles");
	else
		printf("\n%s\n", title);
}

void bench_row(const char *what, enum bench_unit unit, unsigned int value,
	       const struct bench_series *ours, const struct bench_series *theirs)
{
	double ratios[BENCH_ROUNDS_MAX];
	char a[32], b[32];

	print_value(a, sizeof(a), unit, bench_median(ours, value));
	print_value(b, sizeof(b), unit, bench_median(theirs, value));
	printf("  %-50s %11s %11s", what, a, b);
	if (ours->rounds == 0 || bench_median(theirs, value) <= 0) {
		printf(" %6s\n", "-");
		return;
	}
	for (unsigned int r = 0; r < ours->rounds; r++)
		ratios[r] = ours->round[r].v[value] / theirs->round[r].v[value];
	qsort(ratios, ours->rounds, sizeof(ratios[0]), compare);
	printf(" %6.2f  %.2f-%.2f\n", quantile(ratios, ours->rounds, 0.5),
	       quantile(ratios, ours->rounds, 0.25),
	       quantile(ratios, ours->rounds, 0.75));
}

void bench_single(const char *what, enum bench_unit unit, double ours, const char *note)
{
	char text[32];

	print_value(text, sizeof(text), unit, ours);
	printf("  %-50s %11s%s%s\n", what, text, *note ? "  " : "", note);
}
