/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/check.h"
#include "os/raw.h"

/* 0, or a negative errno. */
static int open_anew(struct procfile *f)
{
	long fd = raw(SYS_openat, (uintptr_t)AT_FDCWD, (uintptr_t)f->path,
		      O_RDONLY | O_CLOEXEC);

	return fd < 0 ? (int)fd : descriptor_keep(&f->file, (int)fd);
}

void procfile_open(struct procfile *f)
{
	if (f->file.fd < 0)
		(void)open_anew(f);
}

void procfile_close(struct procfile *f)
{
	descriptor_close(&f->file);
}

int procfile_fd(struct procfile *f)
{
	int r = 0;

	if (!descriptor_is_ours(&f->file)) {
		f->file.fd = -1; /* not closed: the number is another's */
		r = open_anew(f);
	}
	return r ? r : f->file.fd;
}

/* Appends to the text.  How many bytes, 0 at the end, or a negative errno. */
static long fill(struct procfile_lines *l)
{
	long r;

	do
		r = raw(SYS_pread64, (uintptr_t)l->fd, (uintptr_t)l->text + l->filled,
			PROCFILE_SCRATCH - l->filled, l->offset);
	while (r == -EINTR);
	if (r > 0) {
		l->filled += (size_t)r;
		l->offset += (size_t)r;
	}
	l->end = r == 0;
	return r;
}

/* -ESRCH: nothing is in it; whose file it is has ended. */
static int begin_once(struct procfile_lines *l, struct procfile *f)
{
	long r;

	l->fd = procfile_fd(f);
	if (l->fd < 0)
		return l->fd;
	r = fill(l);
	if (r > 0)
		return 0;
	return r ? (int)r : -ESRCH;
}

int procfile_begin(struct procfile_lines *l, struct procfile *f, struct scratch *scratch)
{
	int r;

	*l = (struct procfile_lines){ .text = scratch_take(scratch, PROCFILE_SCRATCH) };
	if (!l->text)
		return -ENOMEM;
	r = begin_once(l, f);
	if (r != -ESRCH)
		return r;
	procfile_close(f);
	r = begin_once(l, f);
	return r == -ESRCH ? -ENODATA : r;
}

/* Room for more of the line that begins at l->at. */
static void make_room(struct procfile_lines *l)
{
	size_t rest = l->filled - l->at;

	if (rest > PROCFILE_SCRATCH / 2)
		rest = PROCFILE_LINE; /* what follows, up to its newline, is left out */
	memmove(l->text, l->text + l->at, rest);
	l->at = 0;
	l->filled = rest;
}

int procfile_next(struct procfile_lines *l, const char **line, size_t *len)
{
	const char *newline;
	long r;

	fo_assert(l->at <= l->filled && l->filled <= PROCFILE_SCRATCH);
	for (;;) {
		newline = memchr(l->text + l->at, '\n', l->filled - l->at);
		if (newline) {
			*line = l->text + l->at;
			*len = (size_t)(newline - *line);
			l->at += *len + 1;
			return 1;
		}
		if (l->end)
			return 0;
		make_room(l);
		r = fill(l);
		if (r < 0)
			return (int)r;
	}
}
