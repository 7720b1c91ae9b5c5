/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/collect.h"

#include <errno.h>
#include <foster/foster.h>
#include <limits.h>

#include "base/result.h"
#include "gc/gc.h"
#include "os/stacks.h"
#include "os/thread.h"
#include "region/callback.h"
#include "region/core.h"
#include "region/reaper.h"
#include "region/stats.h"

int collect_until(uint64_t deadline)
{
	uint64_t before, released;
	int r;

	if (callback_inside() || reaper_is_me())
		return -EDEADLK;
	r = core_ready();
	if (r)
		return r;
	if (gc_disabled())
		return -EBUSY;
	stacks_note();
	before = stats_get(released);
	r = reaper_collect(deadline);
	released = stats_get(released) - before;
	if (r)
		return r;
	return released > INT_MAX ? INT_MAX : (int)released;
}

FOSTER_EXPORT int foster_collect(int timeout_ms)
{
	/* First: frames that lie where others were have holes that show what was there. */
	thread_wipe_stack();
	return result(collect_until(timeout_ms ? deadline_in(timeout_ms) : 0));
}
