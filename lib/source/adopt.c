/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracking in place: not built yet. */
#include <errno.h>
#include <foster/foster.h>

#include "base/attributes.h"
#include "base/result.h"

FOSTER_EXPORT void *foster_adopt(_unused_ void *addr, _unused_ size_t len,
				 _unused_ foster_release_fn *release, _unused_ void *arg)
{
	return result_null(-ENOSYS);
}

FOSTER_EXPORT int foster_holders(_unused_ const void *p, _unused_ foster_holder_fn *fn,
				 _unused_ void *arg)
{
	return result(-ENOSYS);
}
