/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What bpf/events.bpf.c writes. */
#ifndef FOSTER_BPF_PROG_EVENTS_H
#define FOSTER_BPF_PROG_EVENTS_H

#define EVENTS_BYTES 4096 /* of the ring, unless the loader says otherwise */
#define EVENTS_BATCH 4096 /* records of one run, at most */

/* 40 bytes with the kernel's header: no power of two, so records wrap. */
struct event {
	__u64 number;
	__u64 twice;
	__u64 tag;
	__u64 zero;
};

#define EVENT_TAG 0x746e7665u

#endif
