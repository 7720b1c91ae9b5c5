/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying from memory that may be gone. */
#include "os/copy.h"

#include <errno.h>
#include <foster/foster.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "gc/gc.h"
#include "guard/fault.h"

/*
 * The handler is there and, as far as a glance tells, in front: only the collector's own,
 * which takes every fault in its heap for its own, must not be before it.
 */
static int ready(void)
{
	static _Atomic bool installed;
	int err;

	if (likely(atomic_load_explicit(&installed, memory_order_acquire)) && !gc_owns_faults())
		return 0;
	err = guard_install();
	if (!err)
		atomic_store_explicit(&installed, true, memory_order_release);
	return err;
}

/* Bytes copied, or a negative errno. */
static ssize_t copy(void *dst, const void *src, size_t n)
{
	size_t left;
	int err;

	if (n > PTRDIFF_MAX)
		return -EINVAL;
	if (!n)
		return 0;
	err = ready();
	if (err)
		return err;
	left = copy_guarded(dst, src, n);
	if (left)
		guard_forget_address();
	return (ssize_t)(n - left);
}

FOSTER_EXPORT int foster_copy(void *dst, const void *src, size_t n)
{
	ssize_t done = copy(dst, src, n);

	if (done < 0)
		return result((int)done);
	return result((size_t)done == n ? 0 : -EFAULT);
}

FOSTER_EXPORT ssize_t foster_copy_partial(void *dst, const void *src, size_t n)
{
	ssize_t done = copy(dst, src, n);

	return done < 0 ? result((int)done) : done;
}
