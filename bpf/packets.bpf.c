// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A socket filter that counts the IPv4 packets it sees, by protocol, and lets none
 * through.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packets.h"

struct packets_seen seen[PACKETS_PROTOCOLS];
__u64 others;

/* lo is the first of every network namespace. */
const volatile __u32 interface = 1;

SEC("socket")
int count_packets(struct __sk_buff *skb)
{
	__u8 protocol;

	if (skb->ifindex != interface)
		return 0;
	if (skb->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol),
			       &protocol, 1)) {
		__sync_fetch_and_add(&others, 1);
		return 0;
	}
	__sync_fetch_and_add(&seen[protocol].packets, 1);
	__sync_fetch_and_add(&seen[protocol].bytes, skb->len);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
