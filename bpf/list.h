/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/* What bpf/list.bpf.c builds in its arena. */
#ifndef FOSTER_BPF_PROG_LIST_H
#define FOSTER_BPF_PROG_LIST_H

#define LIST_PAGES 16	/* of the arena */
#define LIST_LENGTH 100 /* of a list; they fit a page */

#ifndef __bpf__
#define __arena
#endif

struct list_node {
	struct list_node __arena *next;
	__u64 value;
};

#endif
