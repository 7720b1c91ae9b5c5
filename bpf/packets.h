/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/*
 * What packets.bpf.c and those who read its counters both know. __u64 is known before.
 */
#ifndef FOSTER_PACKETS_H
#define FOSTER_PACKETS_H

#define PACKETS_PROTOCOLS 256

struct packets_seen {
	__u64 packets;
	__u64 bytes;
};

#endif
