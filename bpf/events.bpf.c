// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A socket filter that writes records into a ring buffer: so many in a run, numbered
 * from 0 on.  Some are reserved and then discarded.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "events.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_BYTES);
} events SEC(".maps");

/* .bss */
__u64 number;
__u64 dropped;

/* .data */
__u32 records = 1;
__u32 discarded = ~0u; /* each so many-th */

static __always_inline void emit_one(void)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	const __u64 mine = number;

	if (!event) {
		dropped++;
		return;
	}
	number = mine + 1;
	event->number = mine;
	event->twice = 2 * mine;
	event->tag = EVENT_TAG;
	event->zero = 0;
	if (discarded && mine % discarded == discarded - 1)
		bpf_ringbuf_discard(event, 0);
	else
		bpf_ringbuf_submit(event, 0);
}

SEC("socket")
int emit(struct __sk_buff *skb __attribute__((unused)))
{
	for (__u32 i = 0; i < EVENTS_BATCH && i < records; i++)
		emit_one();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
