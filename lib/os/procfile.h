/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file of /proc/self that is kept open, and read line by line from its start.  One
 * thread at a time; no lock, no allocation but from scratch; works from a companion
 * (os/companion.h).
 */
#ifndef FOSTER_OS_PROCFILE_H
#define FOSTER_OS_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/descriptor.h"
#include "os/scratch.h"

struct procfile {
	const char *path;
	struct descriptor file; /* none: not open */
};

#define PROCFILE(name) { .path = (name), .file = { .fd = -1 } }

/* Opens it now, while the process may; best effort. */
void procfile_open(struct procfile *f) _nonnull_all_;

/* Closes it, if the number is still ours. */
void procfile_close(struct procfile *f) _nonnull_all_;

/* Its descriptor; opened anew as procfile_begin() does.  Or a negative errno. */
int procfile_fd(struct procfile *f) _must_check_ _nonnull_all_;

struct procfile_lines {
	int fd;
	bool end;   /* nothing is left behind text */
	char *text; /* PROCFILE_SCRATCH bytes */
	size_t at;  /* of the next line in text */
	size_t filled;
	uint64_t offset; /* in the file, behind text */
};

#define PROCFILE_SCRATCH ((size_t)32 << 10)

/* So much of a line is shown at least; the rest of a longer one is left out. */
#define PROCFILE_LINE 512u

/*
 * Begins at the first line.  What was opened by a companion that has ended, or closed
 * behind our back, is opened anew.  -ENOMEM: scratch has no room; -EMFILE, -ENOENT,
 * -EACCES, ... from open(2); -ENODATA: the file is empty, something lies over it.
 */
int procfile_begin(struct procfile_lines *l, struct procfile *f, struct scratch *scratch)
	_must_check_ _nonnull_all_;

/*
 * The next line without its newline: 1, with its length in *len; valid until the next
 * call.  0: there is none.  A negative errno: the rest cannot be read.
 */
int procfile_next(struct procfile_lines *l, const char **line, size_t *len)
	_must_check_ _nonnull_all_;

#endif
