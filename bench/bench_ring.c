// SPDX-License-Identifier: BSD-2-Clause
/*
 * Records of a ring buffer, read by foster_ringbuf_next() and foster_ringbuf_release(),
 * against libbpf's ring_buffer__poll() on what the same program wrote: bpf/events.bpf.c.
 */
#include "bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <foster/bpf.h>

#include "events.h"
#include "events.skel.h"

enum { TURNS, LIVE, ALONE, SINGLE };

#define BYTES (1u << 20)
#define RUNS 50 /* of the program, each of EVENTS_BATCH records */
#define LIVE_RUNS 200
#define BATCH 64

static struct events_bpf *skel;
static uint64_t sum;

/* ------------------------------------------------------------------------ the producer */

static void run(void)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet));

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.emit), &opts) < 0)
		bench_fail("bpf_prog_test_run_opts");
}

static _Atomic int ended;

/* What finds no room is lost, and does not count. */
static void *produce(void *arg)
{
	for (int i = 0; i < LIVE_RUNS; i++)
		run();
	atomic_store(&ended, 1);
	return arg;
}

static void load(void)
{
	libbpf_set_print(NULL);
	skel = events_bpf__open();
	if (!skel || bpf_map__set_max_entries(skel->maps.events, BYTES) < 0 ||
	    events_bpf__load(skel) < 0)
		bench_fail("the program");
	skel->data->records = EVENTS_BATCH;
}

/* ------------------------------------------------------------------------- the readers */

struct reader {
	uint64_t (*read)(int timeout); /* waits so long; how many records */
};

static const void *ring;
static int epoll;

static uint64_t read_foster(int timeout)
{
	struct foster_record records[BATCH];
	struct epoll_event ready;
	uint64_t count = 0;
	int n;

	if (epoll_wait(epoll, &ready, 1, timeout) < 1)
		return 0;
	while ((n = foster_ringbuf_read(ring, records, BATCH)) > 0) {
		for (int i = 0; i < n; i++)
			sum += ((const struct event *)records[i].data)->number;
		foster_ringbuf_release_all(records, n);
		count += (uint64_t)n;
	}
	return count;
}

/* One by one, as records are that are kept. */
static uint64_t read_single(int timeout)
{
	const struct event *event;
	struct epoll_event ready;
	uint64_t count = 0;

	if (epoll_wait(epoll, &ready, 1, timeout) < 1)
		return 0;
	while ((event = foster_ringbuf_next(ring, NULL))) {
		sum += event->number;
		foster_ringbuf_release(event);
		count++;
	}
	return count;
}

static void setup_foster(const void *arg)
{
	struct epoll_event event = { .events = EPOLLIN };

	(void)arg;
	load();
	bench_expose(&ring);
	ring = foster_bpf_map(bpf_map__fd(skel->maps.events));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!ring)
		bench_fail(foster_bpf_strerror());
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, bpf_map__fd(skel->maps.events), &event) < 0)
		bench_fail("epoll_ctl");
}

static struct ring_buffer *theirs;

static int add(void *arg, void *data, size_t bytes)
{
	const struct event *event = data;

	(void)arg;
	(void)bytes;
	sum += event->number;
	return 0;
}

static uint64_t read_libbpf(int timeout)
{
	const int count = ring_buffer__poll(theirs, timeout);

	return count > 0 ? (uint64_t)count : 0;
}

static void setup_libbpf(const void *arg)
{
	(void)arg;
	load();
	theirs = ring_buffer__new(bpf_map__fd(skel->maps.events), add, NULL, NULL);
	if (!theirs)
		bench_fail("ring_buffer__new");
}

/* ------------------------------------------------------------------------ measurements */

/*
 * Nanoseconds a record: of the program and the reader in turns, on one processor, and of
 * the reader alone.
 */
static void measure_turns(const struct reader *reader, double *both, double *alone)
{
	double spent = 0, start = bench_now();
	uint64_t count = 0;

	for (int i = 0; i < RUNS; i++) {
		double full;

		run();
		full = bench_now();
		count += reader->read(0);
		spent += bench_now() - full;
	}
	if (count != (uint64_t)RUNS * EVENTS_BATCH)
		bench_fail("a record was lost");
	*both = (bench_now() - start) / (double)count;
	*alone = spent / (double)count;
}

/* Nanoseconds from record to record, while the program runs on another processor. */
static double measure_live(const struct reader *reader)
{
	pthread_t producer;
	uint64_t count = 0;
	double start;

	atomic_store(&ended, 0);
	start = bench_now();
	if (pthread_create(&producer, NULL, produce, NULL))
		bench_fail("pthread_create");
	while (!atomic_load(&ended))
		count += reader->read(1);
	count += reader->read(0);
	pthread_join(producer, NULL);
	return (bench_now() - start) / (double)count;
}

static void measure(const struct reader *reader, double *v)
{
	measure_turns(reader, &v[TURNS], &v[ALONE]);
	v[LIVE] = measure_live(reader);
}

static void round_of(const void *arg, struct bench_sample *out)
{
	static const struct reader foster = { read_foster }, single = { read_single },
				   libbpf = { read_libbpf };

	(void)arg;
	measure(ring ? &foster : &libbpf, out->v);
	measure(ring ? &single : &libbpf, out->v + SINGLE);
	bench_use(sum);
}

static void print_table(const char *title, unsigned int first,
			const struct bench_series *s)
{
	bench_section(title, "libbpf");
	bench_row("written and read in turns", BENCH_TIME, first + TURNS, &s[0], &s[1]);
	bench_row("read while it is written", BENCH_TIME, first + LIVE, &s[0], &s[1]);
	bench_row("the reader's part alone", BENCH_TIME, first + ALONE, &s[0], &s[1]);
}

int main(void)
{
	static const struct bench_contender contenders[] = {
		{ setup_foster, round_of },
		{ setup_libbpf, round_of },
	};
	struct bench_series s[2];
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "bench", 0, 0, 4096, NULL);

	if (fd < 0) {
		printf("\nBPF is not permitted here: %s\n", strerror(-fd));
		return 0;
	}
	bench_compete(contenders, 2, (struct bench_plan){ 15, 1 }, NULL, s);
	print_table("a record of a ring buffer, 64 at once", 0, s);
	print_table("the same, one by one", SINGLE, s);
	return 0;
}
