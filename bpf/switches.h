/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/*
 * What switches.bpf.c and those who read its counters both know. __u64 is known before.
 */
#ifndef FOSTER_SWITCHES_H
#define FOSTER_SWITCHES_H

/* A power of two; processors beyond share. */
#define SWITCHES_PROCESSORS 256

struct switches_of {
	__u64 count;
	__u64 last_ns; /* CLOCK_MONOTONIC */
};

#endif
