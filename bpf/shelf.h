/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What bpf/shelf.bpf.c has in its arena. */
#ifndef FOSTER_BPF_PROG_SHELF_H
#define FOSTER_BPF_PROG_SHELF_H

#define SHELF_PAGES 16 /* of the arena */
#define SHELF_BOOKS 100

#ifndef __bpf__
#define __arena
#endif

struct book {
	struct book __arena *next;
	__u64 number;
};

struct tally {
	__u64 runs;
	__u32 books;
	__s32 last;
};

#endif
