/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/callback.h"

#include "base/check.h"
#include "region/lock.h"

static __thread unsigned int depth;

void callback_enter(void)
{
	fo_assert(!region_locked());
	depth++;
}

void callback_leave(void)
{
	fo_assert(depth && !region_locked());
	depth--;
}

bool callback_inside(void)
{
	return depth != 0;
}
