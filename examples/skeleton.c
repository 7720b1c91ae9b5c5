// SPDX-License-Identifier: BSD-2-Clause
/*
 * skeleton.c: a pointer into skel->bss that outlives the skeleton.
 *
 *	cc -O2 -o skeleton skeleton.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * bpftool makes counter.skel.h of bpf/counter.bpf.c.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include <foster/bpf.h>

#include "counter.h"
#include "counter.skel.h"

#define SKIPPED 77

static const __u64 *runs; /* all that the program keeps */

static void run(int program)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet));

	if (bpf_prog_test_run_opts(program, &opts) < 0)
		err(1, "bpf_prog_test_run_opts");
}

/* Returns the program, which here a descriptor keeps, and elsewhere a link or a pin. */
static int load(void)
{
	struct counter_bpf *skel = counter_bpf__open_and_load();
	int program;

	if (!skel)
		err(SKIPPED, "a BPF program");
	if (foster_bpf_skeleton(skel->skeleton) < 0) /* the one line */
		errx(1, "%s", foster_bpf_strerror());
	runs = &skel->bss->runs;
	program = dup(bpf_program__fd(skel->progs.count));
	counter_bpf__destroy(skel);
	return program;
}

int main(void)
{
	int program = load();

	run(program);
	run(program);
	printf("after __destroy(): %llu runs\n", FOSTER_READ(*runs));
	return 0; /* nothing to unmap */
}
