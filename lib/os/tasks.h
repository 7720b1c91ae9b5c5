/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The threads of this process, as the kernel lists them (/proc/self/task).  From a
 * companion: no allocation, no lock, one descriptor that is kept.
 */
#ifndef FOSTER_OS_TASKS_H
#define FOSTER_OS_TASKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "os/scratch.h"

/* Opens the descriptor now, while the process may; best effort. */
void tasks_open(void);

/* In the child of fork: what was open lists the parent's. */
void tasks_after_fork(void);

struct tasks {
	int fd;
	void *buffer; /* from scratch */
};

/*
 * Makes ready to list the threads of process pid, which is this one.  0 or a negative
 * errno.
 */
int tasks_use(struct tasks *t, pid_t pid, struct scratch *scratch)
	_must_check_ _nonnull_all_;

/* How many there are now; or a negative errno. */
long tasks_count(const struct tasks *t) _must_check_ _nonnull_all_;

/*
 * Calls fn with the number of each thread.  Where a thread ends meanwhile the kernel may
 * leave out others: only if none ended since tasks_count() are all that were there then
 * among them.  0, what fn returned if that is not 0, or a negative errno.
 */
typedef int tasks_fn(pid_t tid, void *arg);
int tasks_each(const struct tasks *t, tasks_fn *fn, void *arg)
	_must_check_ _nonnull_(1, 2);

enum task_kind {
	TASK_USER,   /* runs code of the program */
	TASK_KERNEL, /* one that the kernel runs for the process: an io_uring worker */
	TASK_OVER,   /* gone, or on its way and past all code of the program */
};

/*
 * What a thread is, by reading its stat file: some ten microseconds.  Or a negative
 * errno.
 */
int tasks_look(const struct tasks *t, pid_t tid) _must_check_ _nonnull_all_;

/*
 * The same where that is quick to find out; if not, it looks.  A thread with a list of
 * robust mutexes, as the C library gives each of its own, is no thread of the kernel's.
 */
int tasks_glance(const struct tasks *t, pid_t tid) _must_check_ _nonnull_all_;

#endif
