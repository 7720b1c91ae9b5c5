/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Revocation: foster_close() and foster_munmap().
 */
#include <errno.h>
#include <foster/foster.h>

#include "base/result.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "guard/fault.h"
#include "os/stacks.h"
#include "os/vm.h"
#include "region/pace.h"
#include "region/region.h"

/*
 * Where the collector's own handler would make forbidden memory accessible, ours comes
 * first.
 */
static int guard_forbidden(void)
{
	return gc_owns_faults() ? guard_install() : 0;
}

/* Before anything is laid over the region's pages: are they the region's? */
static int check_pages(struct region *r)
{
	/* Memory that a callback gives back, or that shares a page with other memory, is not ours to take. */
	if (atomic_load(&r->has_release))
		return -ENOTSUP;
	if (life_state(life_get(&r->life)) != LIFE_LIVE || identity_holds(r))
		return guard_forbidden();
	region_abandon(r);
	return -ESTALE;
}

/* Of a slot the last page is forbidden already, and as a mapping of its own. */
static size_t bytes_to_forbid(const struct region *r)
{
	return region_span(r) - (region_is_in_slot(r) ? vm_page_size() : 0);
}

/* The caller holds r. */
static int close_region(struct region *r)
{
	int err = check_pages(r);

	if (!err)
		err = region_revoke(r);
	if (err)
		return err;
	/* Before it takes its time; a failure only delays a round. */
	pace_closed(region_span(r));
	FOSTER_SYNC("revoked");
	err = vm_forbid(region_base(r), bytes_to_forbid(r));
	if (err)
		region_unrevoke(r);
	return err;
}

FOSTER_EXPORT int foster_close(const void *p)
{
	struct region *r = region_hold(p);
	int err;

	if (!r)
		return result(-ENOENT);
	stacks_note(); /* the pointer is left there when the thread has ended */
	err = close_region(r);
	region_drop(r);
	return result(err);
}

/* The pages [start, end) of a held region. */
static int munmap_held(struct region *r, uintptr_t start, uintptr_t end)
{
	struct region_pages pages = region_pages(r);
	bool whole = false;
	int err;

	if (end > pages.end)
		return -ENOENT;
	if (start == pages.start && end == pages.end)
		return close_region(r);
	if (atomic_load(&r->whole))
		return -ENOTSUP;
	err = check_pages(r);
	if (!err)
		err = region_revoke_part(r, start, end, &whole);
	/* The last accessible page: all of the range is forbidden already. */
	return whole ? region_revoke(r) : err;
}

static int munmap_checked(uintptr_t start, size_t len)
{
	struct region *r;
	int err;

	if (start % vm_page_size() || !len)
		return -EINVAL;
	len = vm_round_up(len);
	if (!len || start + len < start)
		return -EOVERFLOW;
	r = region_hold_page(start);
	if (!r)
		return -ENOENT;
	stacks_note();
	err = munmap_held(r, start, start + len);
	region_drop(r);
	return err;
}

FOSTER_EXPORT int foster_munmap(void *addr, size_t len)
{
	return result(munmap_checked((uintptr_t)addr, len));
}
