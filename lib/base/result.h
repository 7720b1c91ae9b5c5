/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The error convention of the public functions, at the one place where an internal
 * negative errno becomes a public one.  Inside, functions return negative errnos and
 * leave errno alone.
 */
#ifndef FOSTER_BASE_RESULT_H
#define FOSTER_BASE_RESULT_H

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

/* A count or 0 passes; a negative errno also goes to errno. */
static inline int result(int r)
{
	if (r < 0)
		errno = -r;
	return r;
}

/* NULL with errno set from a negative errno. */
static inline void *result_null(int r)
{
	errno = -r;
	return NULL;
}

/*
 * What a caller's sized struct (size first) holds is brought into ours: missing members
 * are zero.  min is the size of the struct's first version.  Returns -EINVAL if it is
 * smaller than that, -E2BIG if it sets members that we do not know.
 */
static inline int sized_in(void *ours, size_t ours_size, const void *theirs, size_t min)
{
	size_t theirs_size;
	const unsigned char *rest;

	memcpy(&theirs_size, theirs, sizeof(theirs_size));
	if (theirs_size < min)
		return -EINVAL;
	rest = (const unsigned char *)theirs + ours_size;
	for (size_t i = 0; theirs_size > ours_size && i < theirs_size - ours_size; i++)
		if (rest[i])
			return -E2BIG;
	memset(ours, 0, ours_size);
	memcpy(ours, theirs, theirs_size < ours_size ? theirs_size : ours_size);
	return 0;
}

/*
 * The way back: fills as much of the caller's struct as it has room for, and leaves its
 * size member alone; what is there beyond ours becomes zero.
 */
static inline int sized_out(void *theirs, const void *ours, size_t ours_size, size_t min)
{
	const size_t head = sizeof(size_t);
	size_t theirs_size;

	memcpy(&theirs_size, theirs, sizeof(theirs_size));
	if (theirs_size < min)
		return -EINVAL;
	if (theirs_size > ours_size)
		memset((char *)theirs + ours_size, 0, theirs_size - ours_size);
	memcpy((char *)theirs + head, (const char *)ours + head,
	       (theirs_size < ours_size ? theirs_size : ours_size) - head);
	return 0;
}

#endif
