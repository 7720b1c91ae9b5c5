/* SPDX-License-Identifier: BSD-2-Clause */
/* Pins of users. */
#include <foster/foster.h>

#include "base/result.h"
#include "region/region.h"

FOSTER_EXPORT int foster_pin(const void *p)
{
	return result(region_pin(p));
}

FOSTER_EXPORT int foster_unpin(const void *p)
{
	return result(region_unpin(p));
}
