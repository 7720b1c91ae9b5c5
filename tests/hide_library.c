/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that is loaded while the program runs: places to hide in. */

#define PLACE __attribute__((visibility("default"), aligned(8)))

PLACE volatile char hide_library_area[64];
static __thread volatile char in_thread[64] __attribute__((aligned(8)));

PLACE volatile void *hide_library_thread_area(void);
volatile void *hide_library_thread_area(void)
{
	return in_thread;
}
