// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0)
/*
 * A socket filter with a global variable of each kind that C has, for those who look at
 * them by name and type.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "kinds.h"

/* .bss */
__u64 runs;
__s64 balance;
__u32 width;
__s16 small;
__u8 octet;
char letter;
bool flag;
enum kinds_mode mode;
void *pointer;
union kinds_number number;
struct kinds_padded padded;
struct kinds_bits bits;
__u32 grid[3][4];
struct kinds_padded rows[KINDS_ROWS];
static __u64 hidden_runs;

/* .data, and a section of its own that is whole pages */
char greeting[] = "hello";
__u32 step = 1;
__u8 pages[KINDS_PAGES] SEC(".data.pages") __attribute__((aligned(4096)));

/* .rodata */
const volatile __u32 limit = 4711;

/* A static variable of a function is called after both. */
static void count_calls(void)
{
	static __u32 calls;

	__sync_fetch_and_add(&calls, 1);
}

static void touch_all(void)
{
	balance--;
	width++;
	small--;
	octet++;
	letter = 'k';
	flag = true;
	mode = KINDS_ON;
	pointer = (void *)8;
	number.whole = 0x1122334455667788;
	padded.last = runs;
	bits.low = 5;
	bits.high = -3;
	grid[2][3] = width;
	rows[KINDS_ROWS - 1].last = runs;
	pages[KINDS_PAGES - 1] = octet;
	greeting[0] = 'H';
}

SEC("socket")
int touch(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&runs, step);
	__sync_fetch_and_add(&hidden_runs, 1);
	count_calls();
	touch_all();
	return limit ? 0 : (int)skb->len;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
