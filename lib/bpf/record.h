/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel writes before each record of a ring buffer. */
#ifndef FOSTER_BPF_RECORD_H
#define FOSTER_BPF_RECORD_H

#include <linux/bpf.h>
#include <stdatomic.h>
#include <stdint.h>

/* Only the first half is told to users. */
struct header {
	_Atomic uint32_t word; /* bytes, RECORD_BUSY, RECORD_DISCARDED */
	uint32_t kernels;
};

_Static_assert(sizeof(struct header) == BPF_RINGBUF_HDR_SZ, "as the kernel has it");

#define RECORD_BUSY ((uint32_t)BPF_RINGBUF_BUSY_BIT)
#define RECORD_DISCARDED ((uint32_t)BPF_RINGBUF_DISCARD_BIT)
#define RECORD_UNIT 8u /* records begin at multiples of it */

static inline uint32_t record_bytes(uint32_t word)
{
	return word & ~(RECORD_BUSY | RECORD_DISCARDED);
}

/* From a record to the next. */
static inline uint64_t record_step(uint32_t word)
{
	return ((uint64_t)record_bytes(word) + sizeof(struct header) + RECORD_UNIT - 1) /
	       RECORD_UNIT * RECORD_UNIT;
}

#endif
