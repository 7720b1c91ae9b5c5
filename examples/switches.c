// SPDX-License-Identifier: BSD-2-Clause
/*
 * switches.c load|show FOLDER: a tracepoint counts the switches of tasks.  One process
 * loads it and exits, any other reads its counters by typed pointers.
 *
 *	cc -O2 -o switches switches.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * FOLDER is in a BPF file system; rm -r ends the counting.  switches.skel.h is made of
 * bpf/switches.bpf.c by `bpftool gen skeleton`.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <foster/bpf.h>

#include "switches.h"
#include "switches.skel.h"

#define SKIPPED 77
#define SWITCHES FOSTER_STRUCT(struct switches_of, count, last_ns)

static const char *in(const char *folder, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* The pinned link keeps the program, and the program its counters. */
static int load(const char *folder)
{
	struct switches_bpf *skel = switches_bpf__open_and_load();

	if (!skel || switches_bpf__attach(skel) < 0)
		err(SKIPPED, "a BPF program at a tracepoint");
	if ((mkdir(folder, 0700) < 0 && access(folder, W_OK) < 0) ||
	    bpf_link__pin(skel->links.count_switches, in(folder, "link")) < 0 ||
	    bpf_map__pin(skel->maps.bss, in(folder, "bss")) < 0)
		err(1, "%s", folder);
	return 0;
}

static int show(const char *folder)
{
	struct foster_datasec *ds = foster_datasec(bpf_obj_get(in(folder, "bss")));
	const __u64 *total = FOSTER_VAR(ds, const __u64, total);
	const struct switches_of *switches;
	size_t count;
	__u64 before;

	switches = FOSTER_ARRAY(ds, const SWITCHES, switches, &count);
	if (!total || !switches)
		errx(1, "%s: %s", folder, foster_bpf_strerror());
	before = FOSTER_READ(*total);
	usleep(200000);
	printf("%llu switches of tasks in 0.2 s\n", FOSTER_READ(*total) - before);
	for (size_t i = 0; i < count; i++)
		if (FOSTER_READ(switches[i].count))
			printf("processor %zu: %llu\n", i,
			       FOSTER_READ(switches[i].count));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "load") == 0)
		return load(argv[2]);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return show(argv[2]);
	errx(SKIPPED, "usage: switches load|show FOLDER");
}
