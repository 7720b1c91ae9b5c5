/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard/survive.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/sync.h"
#include "os/vm.h"
#include "region/damage.h"
#include "region/region.h"
#include "region/registry.h"

static bool still_accessible(const struct region *r, uintptr_t page)
{
	return life_state(life_get(&r->life)) == LIFE_LIVE && !registry_find(page).revoked;
}

static bool lay_zeros(const struct region *r, uintptr_t page)
{
	const struct vm_what zeros = {
		.prot = atomic_load_explicit(&r->prot, memory_order_relaxed),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS,
		.fd = -1,
	};

	return vm_lay(page, vm_page_size(), &zeros) == 0;
}

/*
 * The hold keeps the range ours.  Whoever revokes the page meanwhile says so before it
 * forbids the memory; so either we see it after laying, or the forbidding comes after it.
 */
static bool repair(struct region *r, uintptr_t page)
{
	if (!still_accessible(r, page) || !lay_zeros(r, page))
		return false;
	FOSTER_SYNC("zeros-laid");
	if (!still_accessible(r, page) && vm_forbid_part(page, vm_page_size()))
		return false;
	region_damage(r);
	damage_announce();
	return true;
}

bool survive_fault(uintptr_t addr)
{
	uintptr_t page = addr - addr % vm_page_size();
	struct region *r = region_hold_page(page);
	bool done;

	if (!r)
		return false;
	done = atomic_load_explicit(&r->survives, memory_order_relaxed) && repair(r, page);
	region_drop(r);
	return done;
}
