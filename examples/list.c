// SPDX-License-Identifier: BSD-2-Clause
/*
 * list.c: a list that a BPF program has built in an arena, walked by plain pointers while
 * the object that the arena is of is closed.
 *
 *	cc -O2 -o list list.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * bpftool makes list.skel.h of bpf/list.bpf.c.
 */
#include <bpf/bpf.h>
#include <err.h>
#include <stdio.h>
#include <sys/mman.h>

#include <foster/bpf.h>

#include "list.h"
#include "list.skel.h"

#define SKIPPED 77
#define ROOM ((size_t)1 << 30)

/* A libbpf before 1.4 has to be told where an arena goes. */
static __u64 some_address(void)
{
	char *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(room, ROOM);
	return (uintptr_t)room + ROOM / 2;
}

static struct list_bpf *load(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct list_bpf *skel = list_bpf__open();

	if (!skel || bpf_map__set_map_extra(skel->maps.arena, some_address()) < 0 ||
	    list_bpf__load(skel) < 0)
		err(SKIPPED, "a BPF program with an arena");
	if (!foster_arena(skel->maps.arena))
		errx(1, "%s", foster_bpf_strerror());
	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.build), &opts) < 0)
		err(1, "bpf_prog_test_run_opts");
	return skel;
}

int main(void)
{
	struct list_bpf *skel = load();
	const struct list_node *node = skel->bss->first;
	unsigned int count = 0;

	foster_bpf_object_close(skel->obj);
	skel->obj = NULL;
	list_bpf__destroy(skel);
	for (; node; node = node->next)
		count++;
	printf("%u nodes, and the object is closed\n", count);
	return 0;
}
