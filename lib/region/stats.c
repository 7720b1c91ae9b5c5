/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/stats.h"

#include "base/attributes.h"
#include "base/result.h"

struct stats stats;

/* The public struct has no member that the list does not make. */
#define COUNT(name, what) +1
_Static_assert(sizeof(struct foster_stats) ==
		       sizeof(size_t) + (FOSTER_STATS_FIELDS(COUNT)) * sizeof(uint64_t),
	       "foster_stats is its size and its counters");
#undef COUNT

FOSTER_EXPORT int foster_stats(struct foster_stats *out)
{
	struct foster_stats now = { .size = sizeof(now) };

#define READ(name, what) now.name = stats_get(name);
	FOSTER_STATS_FIELDS(READ)
#undef READ
	return result(sized_out(out, &now, sizeof(now), offsetof(struct foster_stats, bytes)));
}
