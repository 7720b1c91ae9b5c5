/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/*
 * What the program of counter.bpf.c and those who look at its memory both know.  A header
 * with __u32 and __u64 is included before.
 */
#ifndef FOSTER_COUNTER_H
#define FOSTER_COUNTER_H

/* A power of two; at 16 bytes each, 8 pages of 4 KiB. */
#define COUNTER_SLOTS 2048

/* The slot that the program counts in unless told otherwise: in the middle. */
#define COUNTER_PICK 1111

struct counter_slot {
	__u64 hits;
	__u32 bytes; /* of the last packet */
	__u32 tag;   /* of counter_tag; the program writes it each time */
};

struct counter_last {
	__u64 run; /* which run it was: 1, 2, ... */
	__u32 bytes;
	__u32 slot;
};

/* The program's .bss, for those who have no skeleton of it; a test compares the two. */
struct counter_globals {
	__u64 runs;
	struct counter_slot slots[COUNTER_SLOTS];
	struct counter_last last;
};

#endif
