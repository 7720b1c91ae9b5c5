/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/*
 * What kinds.bpf.c and those who look at its variables both know. __u32 is known before.
 */
#ifndef FOSTER_KINDS_H
#define FOSTER_KINDS_H

/* Two pages. */
#define KINDS_PAGES 8192

#define KINDS_ROWS 5

enum kinds_mode {
	KINDS_OFF,
	KINDS_ON,
};

union kinds_number {
	__u64 whole;
	__u8 parts[8];
};

/* With three holes. */
struct kinds_padded {
	__u8 first;
	__u32 second;
	__u8 third;
	__u64 last;
	__u8 end;
};

struct kinds_bits {
	__u32 low : 3;
	__s32 high : 5;
	__u32 whole;
};

#endif
