// SPDX-License-Identifier: BSD-2-Clause
/*
 * ring.c: the records of a BPF ring buffer in place; some are kept, and released later.
 *
 *	cc -O2 -o ring ring.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * bpftool makes events.skel.h of bpf/events.bpf.c.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <foster/bpf.h>

#include "events.h"
#include "events.skel.h"

#define SKIPPED 77
#define RECORDS 10
#define KEPT 3

static void write_records(const struct events_bpf *skel)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet));

	skel->data->records = RECORDS;
	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.emit), &opts) < 0)
		err(1, "bpf_prog_test_run_opts");
}

int main(void)
{
	struct events_bpf *skel = events_bpf__open_and_load();
	struct pollfd ready = { .events = POLLIN };
	const struct event *event, *kept[KEPT];
	const void *ring;
	int n = 0;

	if (!skel)
		err(SKIPPED, "a BPF program");
	ready.fd = dup(bpf_map__fd(skel->maps.events));
	ring = foster_bpf_map(ready.fd);
	if (!ring)
		errx(1, "%s", foster_bpf_strerror());
	write_records(skel);
	events_bpf__destroy(skel); /* the ring stays */
	poll(&ready, 1, -1);
	while ((event = foster_ringbuf_next(ring, NULL)))
		if (event->number % 4 == 0)
			kept[n++] = event;
		else
			foster_ringbuf_release(event);
	while (n--) {
		printf("record %llu, kept\n", kept[n]->number);
		foster_ringbuf_release(kept[n]);
	}
	return 0; /* nothing to unmap */
}
