/* SPDX-License-Identifier: BSD-2-Clause */
/* What the BPF tests share: maps made or the test skipped, and what the kernel lists. */
#ifndef FOSTER_TESTS_SUPPORT_BPF_H
#define FOSTER_TESTS_SUPPORT_BPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <foster/bpf.h>
#include <linux/bpf.h>

#include "../support.h"

/* A test that cannot go on without BPF is skipped with the kernel's answer. */
void skip_without_bpf(int error, const char *what);

/* What a call of foster returned: NULL fails the test, with the reason. */
void assert_given(const void *p);

/* A skeleton, opened and loaded, without what libbpf would print: LOADED(counter_bpf). */
#define LOADED(skeleton)          \
	((libbpf_set_print(NULL), \
	  (struct skeleton *)loaded_or_skipped(skeleton##__open_and_load())))
void *loaded_or_skipped(void *skeleton);

/* Runs a program once on a packet of zeros.  Without asserting: threads run it, too. */
int run_on_packet(int program);

/* Runs a program of type syscall, which returns 0. */
void run_syscall(const struct bpf_program *program);

/* An array map of so many values; the flags are added to BPF_F_MMAPABLE. */
int array_map(__u32 value_size, __u32 entries, __u32 flags);

/* Newer than the headers that may be installed. */
#define MAP_TYPE_ARENA 33

/* An arena of so many pages; NULL: the kernel places it.  Skips where there are none. */
int arena_map(void *addr, __u32 pages);

/* In the middle of nothing: no neighbour begins or ends there. */
void *free_address(void);

/* A socket filter that does nothing. */
int small_program(void);

/* One value of a map through the kernel, not through memory. */
void kernel_puts(int map, __u32 key, const void *value);
void kernel_gets(int map, __u32 key, void *value);

/* The number under which the kernel lists a map; and whether it still does. */
__u32 map_id(int map);
bool kernel_lists_map(__u32 id);
bool kernel_forgot_map(void *id); /* for wait_until(); id: __u32 * */

/* The kernel forgets a map a moment after its last user. */
bool map_goes_soon(__u32 id);

/* The last pointer was dropped: the region is released, and then the kernel's map. */
#define assert_map_goes(id)                                              \
	do {                                                             \
		__u32 id_ = (id);                                        \
		forget(); /* what the caller's calls left */             \
		(void)collecting_until(kernel_forgot_map, &id_, ROUNDS); \
		assert_true(map_goes_soon(id_));                         \
	} while (0)

/* Mappings of BPF maps in this process. */
size_t mapped_maps(void);

/*
 * foster_bpf_map() must fail with the errno, with a reason that has the words, and map
 * nothing.
 */
void assert_refused(int error, int fd, const char *words);

#endif
