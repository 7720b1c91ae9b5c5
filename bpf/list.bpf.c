// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A program that builds a linked list in an arena: each run takes a page and makes a new
 * one in it, with pointers as a process has them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "casts.h"
#include "list.h"

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LIST_PAGES);
} arena SEC(".maps");

void __arena *bpf_arena_alloc_pages(void *map, void __arena *addr, __u32 pages, int node,
				    __u64 flags) __ksym;

/* .bss */
struct list_node __arena *first; /* libbpf maps this, too: a pointer into the arena */
__u64 runs;

SEC("syscall")
int build(void *context __attribute__((unused)))
{
	struct list_node __arena *page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
	struct list_node __arena *previous = 0;

	if (!page)
		return 1;
	for (__u32 i = 0; i < LIST_LENGTH; i++) {
		struct list_node __arena *node = page + i, *user = node;

		TO_PROGRAM(node);
		node->next = previous;
		node->value = i;
		TO_PROCESS(user);
		previous = user;
	}
	first = previous;
	runs++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
