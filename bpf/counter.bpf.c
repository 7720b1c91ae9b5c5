// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A socket filter that counts the packets it sees, all in its global variables.  Whoever
 * maps the memory behind them sees it count and may change the figures under it.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "counter.h"

/* .bss */
__u64 runs;
struct counter_slot slots[COUNTER_SLOTS];
struct counter_last last;

/* .data */
__u32 pick = COUNTER_PICK;

/* .rodata */
const volatile __u32 counter_step = 1;
const volatile __u32 counter_tag = 0x746e6f63;

/* A packet counts 1 in "runs" and "counter_step" in the slot "pick", and is dropped. */
SEC("socket")
int count(struct __sk_buff *skb)
{
	__u32 slot = pick & (COUNTER_SLOTS - 1);

	__sync_fetch_and_add(&runs, 1);
	__sync_fetch_and_add(&slots[slot].hits, counter_step);
	slots[slot].bytes = skb->len;
	slots[slot].tag = counter_tag;
	last.run = runs;
	last.bytes = skb->len;
	last.slot = slot;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
