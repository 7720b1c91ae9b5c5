/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that fail on demand: see failing.h.  The list is that of --wrap in local.mk. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "failing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_mark.h>

static _Atomic bool armed;
static _Atomic bool all_later;
static _Atomic bool old_kernel;
static _Atomic int left; /* calls that still succeed */
static _Atomic unsigned int failed;
static const char *_Atomic first = "none";

void failing_arm(unsigned int succeed, enum failing_how how)
{
	atomic_store(&left, (int)succeed);
	atomic_store(&all_later, how == FAIL_ALL_LATER);
	atomic_store(&failed, 0);
	atomic_store(&first, "none");
	atomic_store(&armed, true);
}

unsigned int failing_disarm(void)
{
	atomic_store(&armed, false);
	return atomic_load(&failed);
}

const char *failing_first(void)
{
	return atomic_load(&first);
}

void failing_old_kernel(void)
{
	atomic_store(&old_kernel, true);
}

bool failing_turn(const char *name)
{
	int before;

	if (!atomic_load(&armed))
		return false;
	before = atomic_fetch_sub(&left, 1);
	if (before > 0 || (before < 0 && !atomic_load(&all_later)))
		return false;
	if (atomic_fetch_add(&failed, 1) == 0)
		atomic_store(&first, name);
	return true;
}

/* Defines __wrap_name(), which fails with errno and a value, or calls the function. */
#define WRAP(type, name, value, error, parameters, arguments) \
	type __real_##name parameters;                        \
	type __wrap_##name parameters;                        \
	type __wrap_##name parameters                         \
	{                                                     \
		if (!failing_turn(#name))                            \
			return __real_##name arguments;       \
		errno = (error);                              \
		return value;                                 \
	}

/* The same for functions that return their error and leave errno alone. */
#define WRAP_RETURNING(type, name, error, parameters, arguments)         \
	type __real_##name parameters;                                   \
	type __wrap_##name parameters;                                   \
	type __wrap_##name parameters                                    \
	{                                                                \
		return failing_turn(#name) ? (error) : __real_##name arguments; \
	}

WRAP(void *, mmap, MAP_FAILED, ENOMEM,
     (void *addr, size_t len, int prot, int flags, int fd, off_t off),
     (addr, len, prot, flags, fd, off))
WRAP(int, mprotect, -1, ENOMEM, (void *addr, size_t len, int prot), (addr, len, prot))
WRAP(int, madvise, -1, EAGAIN, (void *addr, size_t len, int advice), (addr, len, advice))
WRAP(int, fstat, -1, ENOMEM, (int fd, struct stat *st), (fd, st))
WRAP(int, statx, -1, ENOMEM,
     (int fd, const char *path, int flags, unsigned int mask, struct statx *told),
     (fd, path, flags, mask, told))
WRAP(int, ftruncate, -1, EINTR, (int fd, off_t size), (fd, size))
WRAP(void *, malloc, NULL, ENOMEM, (size_t bytes), (bytes))
WRAP(void *, calloc, NULL, ENOMEM, (size_t count, size_t bytes), (count, bytes))
WRAP(void *, realloc, NULL, ENOMEM, (void *p, size_t bytes), (p, bytes))
WRAP(FILE *, fopen, NULL, EMFILE, (const char *path, const char *mode), (path, mode))
WRAP(int, sigaction, -1, EINVAL,
     (int number, const struct sigaction *action, struct sigaction *old),
     (number, action, old))

WRAP_RETURNING(int, pthread_create, EAGAIN,
	       (pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *),
		void *arg),
	       (thread, attr, fn, arg))
WRAP_RETURNING(int, pthread_key_create, EAGAIN, (pthread_key_t * key, void (*fn)(void *)),
	       (key, fn))
WRAP_RETURNING(int, pthread_setspecific, ENOMEM, (pthread_key_t key, const void *value),
	       (key, value))
WRAP_RETURNING(int, pthread_atfork, ENOMEM,
	       (void (*prepare)(void), void (*parent)(void), void (*child)(void)),
	       (prepare, parent, child))

WRAP_RETURNING(void *, GC_generic_malloc, NULL, (size_t bytes, int kind), (bytes, kind))
WRAP_RETURNING(int, GC_get_stack_base, GC_UNIMPLEMENTED, (struct GC_stack_base * base),
	       (base))

/* A refused munmap() of all of a mapping does not happen; of a part of one, not here. */

/* With optional arguments. */

void *__real_mremap(void *addr, size_t from, size_t to, int flags, void *at);
void *__wrap_mremap(void *addr, size_t from, size_t to, int flags, ...);
void *__wrap_mremap(void *addr, size_t from, size_t to, int flags, ...)
{
	va_list args;
	void *at;

	va_start(args, flags);
	at = flags & MREMAP_FIXED ? va_arg(args, void *) : NULL;
	va_end(args);
	if (!failing_turn("mremap"))
		return __real_mremap(addr, from, to, flags, at);
	errno = ENOMEM;
	return MAP_FAILED;
}

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!failing_turn("open"))
		return __real_open(path, flags, mode);
	errno = EMFILE;
	return -1;
}

int __real_fcntl(int fd, int command, long arg);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	if (!failing_turn("fcntl"))
		return __real_fcntl(fd, command, arg);
	errno = EMFILE;
	return -1;
}

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (atomic_load(&old_kernel)) {
		errno = ENOTTY;
		return -1;
	}
	/* A host that closes all descriptors. */
	if (failing_turn("ioctl"))
		close(fd);
	return __real_ioctl(fd, request, arg);
}

/* Of a process, with its optional arguments. */
int __real_clone(int (*fn)(void *), void *stack, int flags, void *arg, void *a, void *b, void *c);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	va_list args;
	void *a, *b, *c;

	va_start(args, arg);
	a = va_arg(args, void *);
	b = va_arg(args, void *);
	c = va_arg(args, void *);
	va_end(args);
	if (!failing_turn("clone"))
		return __real_clone(fn, stack, flags, arg, a, b, c);
	errno = EAGAIN;
	return -1;
}

int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags)
{
	bool ours = !strncmp(name, "foster-", sizeof("foster-") - 1);

	if (!(ours && atomic_load(&old_kernel)) && !failing_turn("memfd_create"))
		return __real_memfd_create(name, flags);
	errno = EMFILE;
	return -1;
}
