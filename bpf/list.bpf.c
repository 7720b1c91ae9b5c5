// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A program that builds a linked list in an arena: each run takes a page and makes a new
 * one in it, with pointers as a process has them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "list.h"

/* Newer than the headers and the compiler that may be installed. */
#define MAP_TYPE_ARENA 33

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LIST_PAGES);
} arena SEC(".maps");

void *bpf_arena_alloc_pages(void *map, void *addr, __u32 pages, int node,
			    __u64 flags) __ksym;

/* .bss */
struct list_node *first; /* libbpf maps this, too: a pointer into the arena */
__u64 runs;

/*
 * The instruction that turns a pointer of the process into one of the program (0, 1) or
 * the other way (1, 0); of a register among r0 to r9.
 */
#define CAST(pointer, to, from)                     \
	asm volatile(".byte 0xBF\n"                 \
		     ".irp n,0,1,2,3,4,5,6,7,8,9\n" \
		     ".ifc %[reg],r\\n\n"           \
		     ".byte 0x\\n\\n\n"             \
		     ".endif\n"                     \
		     ".endr\n"                      \
		     ".short 1\n"                   \
		     ".long %[as]\n"                \
		     : [reg] "+r"(pointer)          \
		     : [as] "i"(((to) << 16) | (from)))

SEC("syscall")
int build(void *context __attribute__((unused)))
{
	char *page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
	struct list_node *previous = 0;

	if (!page)
		return 1;
	for (__u32 i = 0; i < LIST_LENGTH; i++) {
		struct list_node *node = (struct list_node *)page + i, *user = node;

		CAST(node, 0, 1);
		node->next = previous;
		node->value = i;
		CAST(user, 1, 0);
		previous = user;
	}
	first = previous;
	runs++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
