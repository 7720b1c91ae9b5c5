/* SPDX-License-Identifier: BSD-2-Clause */
/* Letting go of a region: the memory stays, and becomes the caller's. */
#include <errno.h>
#include <foster/foster.h>

#include "base/result.h"
#include "os/stacks.h"
#include "region/region.h"

FOSTER_EXPORT int foster_disown(const void *p)
{
	struct region *r = region_hold(p);
	int err;

	if (!r)
		return result(-ENOENT);
	stacks_note(); /* as foster_close() does */
	err = region_disown(r);
	region_drop(r);
	return result(err);
}
