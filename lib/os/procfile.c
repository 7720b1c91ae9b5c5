/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "os/raw.h"

#define NONE (-1)

/* Out of the way: a descriptor that a host has just closed must stay closed. */
#define FD_LOWEST 512

static void close_number(int fd)
{
	(void)raw(SYS_close, (uintptr_t)fd);
}

static int out_of_the_way(int fd)
{
	long high = raw(SYS_fcntl, (uintptr_t)fd, F_DUPFD_CLOEXEC, FD_LOWEST);

	if (high < 0)
		return fd;
	close_number(fd);
	return (int)high;
}

static int stat_of(int fd, struct stat *st)
{
	return (int)raw(SYS_fstat, (uintptr_t)fd, (uintptr_t)st);
}

/* 0, or a negative errno. */
static int open_anew(struct procfile *f)
{
	long r = raw(SYS_openat, (uintptr_t)AT_FDCWD, (uintptr_t)f->path,
		     O_RDONLY | O_CLOEXEC);
	struct stat st;
	int fd;

	if (r < 0)
		return (int)r;
	fd = out_of_the_way((int)r);
	r = stat_of(fd, &st);
	if (r) {
		close_number(fd);
		return (int)r;
	}
	f->device = st.st_dev;
	f->inode = st.st_ino;
	f->fd = fd;
	return 0;
}

static bool is_ours(const struct procfile *f)
{
	struct stat st;

	return f->fd != NONE && stat_of(f->fd, &st) == 0 && st.st_dev == f->device &&
	       st.st_ino == f->inode;
}

void procfile_open(struct procfile *f)
{
	if (f->fd == NONE)
		(void)open_anew(f);
}

void procfile_close(struct procfile *f)
{
	if (is_ours(f))
		close_number(f->fd);
	f->fd = NONE;
}

int procfile_fd(struct procfile *f)
{
	int r = 0;

	if (!is_ours(f)) {
		f->fd = NONE; /* not closed: the number is another's */
		r = open_anew(f);
	}
	return r ? r : f->fd;
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
