// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A program whose variables lie in its arena: each run makes a list of the books of an
 * array. For a clang that knows arenas, and libbpf from 1.4 on.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "casts.h"
#include "shelf.h"

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SHELF_PAGES);
} arena SEC(".maps");

/* .addr_space.1 */
struct book __arena books[SHELF_BOOKS];
struct book __arena *__arena first;
struct tally __arena tally = { .last = -1 };

SEC("syscall")
int fill(void *context __attribute__((unused)))
{
	struct book __arena *previous = 0;

	for (__u32 i = 0; i < SHELF_BOOKS; i++) {
		struct book __arena *book = &books[i];

		book->next = previous;
		book->number = i;
		previous = book;
	}
	first = previous;
	tally.runs++;
	tally.books += SHELF_BOOKS;
	tally.last = SHELF_BOOKS - 1;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
