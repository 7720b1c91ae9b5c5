// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/* A program that is told of its kernel, and has a section of a name of its own. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;

__u32 version;
__u64 runs SEC(".data.runs");

SEC("socket")
int look(struct __sk_buff *skb __attribute__((unused)))
{
	version = (__u32)LINUX_KERNEL_VERSION;
	runs++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
