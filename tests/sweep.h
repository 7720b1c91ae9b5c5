/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each call of the kernel, the C library or the collector that foster makes fails in
 * turn, once, and then from there on.  The function under test succeeds, or fails with an
 * error that its comment names and leaves everything as it was; without failures it
 * succeeds next.
 *
 * Each try is a process of its own: it makes its regions, arms, calls, disarms, looks.
 */
#ifndef FOSTER_TESTS_SWEEP_H
#define FOSTER_TESTS_SWEEP_H

#include "support.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define CALLS_AT_MOST 200 /* that one function makes */
#define TRY_SECONDS 20
#define SWEEP_SECONDS 240
#define BIG ((size_t)4 << 20)
#define POOLED_MOST ((size_t)252 << 10) /* from the next page on regions are in place */
#define FILE_BYTES (BIG + 3 * 4096)
#define PATTERNED_PAGES 3
#define DROPPED 3 /* regions, for a collection to find */

#define must child_check

/* Those of foster_init() that a lack of something leads to, a stack's base included. */
#define LACKS ENOMEM, EAGAIN, ENOTSUP

/* Of these files of /proc foster keeps descriptors. */
#define KEPT_FILES 5
enum kept_file { KEPT_MAPS, KEPT_SMAPS, KEPT_PAGEMAP, KEPT_MEM, KEPT_TASK };

/* What stays as it was when a call fails. */
struct census {
	uint64_t regions, bytes, unseen, revoked, closed, disowned;
	size_t files;	 /* mappings of the files */
	size_t tracking; /* descriptors of a round that has not ended */
	size_t fds;	 /* but these and those that foster keeps: */
	size_t kept_fds[KEPT_FILES];
};

struct scene {
	const struct trial *trial;
	int memfd;
	void *volatile witness;
	struct mark witness_mark;
	void *volatile p; /* what the call made, or is about */
	struct mark mark;
	struct census before;
};

struct trial {
	int (*call)(struct scene *); /* 0 or more, or a negative errno */
	void (*prepare)(struct scene *);
	void (*undo)(struct scene *); /* after success, with checks */
	int errors[8];		      /* that the function is documented to return */
	bool first;		      /* it is foster's first use */
	bool plain;		      /* on a thread unknown to the collector */
	bool pooled;		      /* a range of the size is in the pool */
	bool many;		      /* so many were made before that they lie in slots */
	bool releases;		      /* it may release regions and fail all the same */
	bool later; /* what it made may go with the next collection only */
	size_t len;
	int flags;
	unsigned int sweep; /* FOSTER_SWEEP_* */
	struct foster_map_opts opts;
};

/* The files that trials map; there while a sweep runs. */
extern char file_path[PATH_MAX];
extern uint64_t file_inode, memfd_inode;

struct census census(void);
void count_fds(struct census *c);

/* Regions with no pointer, for a collection to find. */
void drop_some(struct scene *s);

/* All tries of a trial; a test. */
void sweep(const struct trial *t);

#define SURVIVES(name, ...)                                \
	TEST_WITHIN(name, SWEEP_SECONDS)                   \
	{                                                  \
		static const struct trial t = __VA_ARGS__; \
                                                           \
		sweep(&t);                                 \
	}

#endif
