/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying from memory that may be gone: not built yet. */
#include <errno.h>
#include <foster/foster.h>

#include "base/attributes.h"
#include "base/result.h"

FOSTER_EXPORT int foster_copy(_unused_ void *dst, _unused_ const void *src, _unused_ size_t n)
{
	return result(-ENOSYS);
}
