// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* A tracepoint that counts how often each processor goes from one task to another. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "switches.h"

__u64 total;
struct switches_of switches[SWITCHES_PROCESSORS];

SEC("raw_tp/sched_switch")
int count_switches(void *ctx __attribute__((unused)))
{
	__u32 processor = bpf_get_smp_processor_id() & (SWITCHES_PROCESSORS - 1);

	__sync_fetch_and_add(&total, 1);
	switches[processor].count++;
	switches[processor].last_ns = bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
