/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "os/descriptor.h"
#include "os/raw.h"

/* The directory that is kept open.  Written by one thread or companion at a time. */
static struct descriptor kept = { .fd = -1 };
static pid_t kept_of;

/* Writes the digits and no end; returns where it would come. */
static char *put_number(char *to, pid_t number)
{
	char digits[16];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while (number /= 10);
	while (n)
		*to++ = digits[--n];
	return to;
}

static char *put_text(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static int open_at(int at, const char *path, int flags)
{
	return (int)raw(SYS_openat, (uintptr_t)at, (uintptr_t)path,
			(uintptr_t)(flags | O_RDONLY | O_CLOEXEC));
}

static int open_list(pid_t pid)
{
	char path[64];
	int fd;

	*put_text(put_number(put_text(path, "/proc/"), pid), "/task") = '\0';
	fd = open_at(AT_FDCWD, path, O_DIRECTORY);
	if (fd < 0)
		return fd;
	descriptor_close(&kept);
	kept_of = pid;
	return descriptor_keep(&kept, fd);
}

void tasks_open(void)
{
	if (kept.fd < 0)
		(void)!open_list(getpid());
}

void tasks_after_fork(void)
{
	descriptor_close(&kept);
}

#define BUFFER_BYTES (32u << 10) /* some 1000 threads at a time */

int tasks_use(struct tasks *t, pid_t pid, struct scratch *scratch)
{
	int err = 0;

	t->buffer = scratch_take(scratch, BUFFER_BYTES);
	if (!t->buffer)
		return -ENOMEM;
	if (kept_of != pid || !descriptor_is_ours(&kept))
		err = open_list(pid);
	t->fd = kept.fd;
	return err;
}

long tasks_count(const struct tasks *t)
{
	struct stat st;

	/* A link for each thread, and two as directories have. */
	if (fstat(t->fd, &st))
		return -EBADF;
	return (long)st.st_nlink - 2;
}

/* ---------------------------------------------------------------------------- listing */

/* As getdents64(2) gives it. */
struct entry {
	uint64_t inode;
	int64_t next;
	unsigned short bytes;
	unsigned char type;
	char name[];
};

/* 0 for "." and "..". */
static pid_t tid_of(const char *name)
{
	pid_t tid = 0;

	for (; *name >= '0' && *name <= '9'; name++)
		tid = tid * 10 + (*name - '0');
	return tid;
}

static int each_of(const char *at, long bytes, tasks_fn *fn, void *arg)
{
	const char *end = at + bytes;
	int r = 0;

	while (at < end && !r) {
		const struct entry *entry = (const void *)at;
		pid_t tid = tid_of(entry->name);

		fo_assert(entry->bytes);
		if (tid)
			r = fn(tid, arg);
		at += entry->bytes;
	}
	return r;
}

int tasks_each(const struct tasks *t, tasks_fn *fn, void *arg)
{
	long bytes = raw(SYS_lseek, (uintptr_t)t->fd, 0, SEEK_SET);
	int r = (int)bytes;

	while (!r) {
		bytes = raw(SYS_getdents64, (uintptr_t)t->fd, (uintptr_t)t->buffer,
			    BUFFER_BYTES);
		if (bytes <= 0)
			return (int)bytes;
		r = each_of(t->buffer, bytes, fn, arg);
	}
	return r;
}

/* ------------------------------------------------------------------------- one thread */

#define STAT_BYTES 512 /* what is looked for comes early */
/* Fields: state, parent, group, session, terminal, its group, flags. */
#define STATE_TO_FLAGS 6

/* Flags of a task in the kernel, and in its stat file; both as old as Linux 5.5. */
#define PF_EXITING 0x4ul
#define PF_IO_WORKER 0x10ul

/* Returns the state's letter, and *flags. */
static char parse_stat(const char *text, unsigned long *flags)
{
	const char *at = text;
	char state;

	/* The name is in brackets and may have brackets. */
	for (const char *p = text; *p; p++)
		if (*p == ')')
			at = p;
	at += at[0] && at[1] ? 2 : 0;
	state = *at;
	for (int field = 0; field < STATE_TO_FLAGS; field++) {
		while (*at && *at != ' ')
			at++;
		at += *at == ' ';
	}
	for (*flags = 0; *at >= '0' && *at <= '9'; at++)
		*flags = *flags * 10 + (unsigned long)(*at - '0');
	return state;
}

static long read_stat(const struct tasks *t, pid_t tid, char text[STAT_BYTES])
{
	char path[32];
	long n;
	int fd;

	*put_text(put_number(path, tid), "/stat") = '\0';
	fd = open_at(t->fd, path, 0);
	if (fd < 0)
		return fd;
	n = raw(SYS_read, (uintptr_t)fd, (uintptr_t)text, STAT_BYTES - 1);
	(void)raw(SYS_close, (uintptr_t)fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

int tasks_look(const struct tasks *t, pid_t tid)
{
	char text[STAT_BYTES];
	unsigned long flags;
	long n = read_stat(t, tid, text);
	char state;

	if (n == -ENOENT || n == -ESRCH)
		return TASK_OVER;
	if (n < 0)
		return (int)n;
	state = parse_stat(text, &flags);
	if (state == 'Z' || state == 'X' || (flags & PF_EXITING))
		return TASK_OVER;
	return flags & PF_IO_WORKER ? TASK_KERNEL : TASK_USER;
}

int tasks_glance(const struct tasks *t, pid_t tid)
{
	uintptr_t head = 0;
	size_t bytes;

	if (raw(SYS_get_robust_list, (uintptr_t)tid, (uintptr_t)&head,
		(uintptr_t)&bytes) == 0 &&
	    head)
		return TASK_USER;
	return tasks_look(t, tid);
}
