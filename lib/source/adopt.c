/* SPDX-License-Identifier: BSD-2-Clause */
/* Adoption: memory of any address and length, tracked where it is. */
#include <errno.h>
#include <foster/foster.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/result.h"
#include "gc/gc.h"
#include "os/inode.h"
#include "os/maps.h"
#include "os/stacks.h"
#include "os/vm.h"
#include "region/core.h"
#include "region/pace.h"
#include "region/place.h"
#include "region/reaper.h"
#include "region/region.h"
#include "source/private.h"

/* The collector's heap grows by no less: looking so often in a range finds it. */
#define HEAP_SECTION ((size_t)64 << 10)
/* Looks at a range; one that is longer cannot have been allocated from that heap in one piece. */
#define HEAP_LOOKS 1024u

static int check_arguments(uintptr_t start, size_t len, foster_release_fn *release)
{
	if (!start || !len)
		return -EINVAL;
	if (start + len < start)
		return -EOVERFLOW;
	/* munmap(2) takes whole pages. */
	if (!release && (start | len) % vm_page_size())
		return -EINVAL;
	return 0;
}

static bool in_collector_heap(uintptr_t start, uintptr_t end)
{
	size_t step = (end - start) / HEAP_LOOKS;
	int met = gc_owns_any(start, end);

	if (met >= 0)
		return met;
	if (step < HEAP_SECTION)
		step = HEAP_SECTION;
	for (uintptr_t at = start; at < end; at = end - at > step ? at + step : end)
		if (gc_owns(at))
			return true;
	return gc_owns(end - 1);
}

static bool is_main_stack(const struct maps_entry *entry)
{
	uintptr_t main = stacks_main();

	return main >= entry->start && main < entry->end;
}

/*
 * What the kernel has there.  Several mappings in a row are one region, of which nobody can say
 * later whether it is still the same.  -EFAULT: a part is not mapped; -EPERM: it is a stack.
 */
static int look_at(uintptr_t start, uintptr_t end, struct region_facts *facts)
{
	struct maps_entry entry = { 0 };
	int err = maps_at(start, &entry);

	if (err == -ENOSYS)
		return vm_is_mapped(start, end) ? 0 : -EFAULT;
	if (err)
		return -EFAULT;
	facts->prot = entry.prot;
	if (entry.end >= end)
		facts->identity = identity_in(&entry, start);
	while (!is_main_stack(&entry)) {
		if (entry.end >= end)
			return 0;
		if (maps_at(entry.end, &entry))
			return -EFAULT;
	}
	return -EPERM;
}

static int adopt(uintptr_t start, size_t len, struct region_facts *facts)
{
	uint32_t number;
	int err = check_arguments(start, len, facts->release);

	if (!err)
		err = core_ready();
	if (!err)
		err = look_at(start, start + len, facts);
	if (err)
		return err;
	stacks_note();
	if (stacks_overlap(start, start + len))
		return -EPERM;
	err = place_enter(start, len, REGION_IN_PLACE, &number);
	if (err)
		return err;
	/* After it was found to be no region: an overlay lies in the collector's heap. */
	if (in_collector_heap(start, start + len)) {
		place_leave(number);
		return -EPERM;
	}
	facts->len = len;
	region_born(number, facts);
	reaper_notice();
	if (pace_note(len))
		reaper_ring();
	return 0;
}

FOSTER_EXPORT int foster_private_adopt(void *addr, size_t len, foster_release_fn *release, void *arg,
			 unsigned int source)
{
	struct region_facts facts = {
		.source = source,
		.release = release,
		.release_arg = arg,
	};

	return adopt((uintptr_t)addr, len, &facts);
}

/* What we have mapped there ourselves. */
static int enter_mapped(const struct vm_place *place, struct region_facts *facts)
{
	uint32_t number;
	int err = place_enter(place->addr - place->before, place->before + facts->len + place->behind,
			      REGION_IN_PLACE, &number);

	if (err)
		return err == -EEXIST ? -ENOMEM : err;
	facts->delta = place->before;
	facts->identity = identity_of(place->addr);
	region_born(number, facts);
	reaper_notice();
	if (pace_note(facts->len))
		reaper_ring();
	return 0;
}

FOSTER_EXPORT int foster_private_map_at(void *addr, size_t len, int prot, int fd, unsigned int source,
					void **ret)
{
	const struct vm_what what = { .prot = prot, .flags = MAP_SHARED, .fd = fd };
	struct region_facts facts = { .len = len, .source = source, .prot = prot, .whole = true };
	struct vm_place place = { .addr = (uintptr_t)addr };
	int err = core_ready();

	if (!err)
		err = vm_map_at(len, &what, &place);
	if (err)
		return err;
	stacks_note();
	*ret = (void *)place.addr;
	err = enter_mapped(&place, &facts);
	if (err)
		(void)!vm_unmap(place.addr - place.before, place.before + len + place.behind);
	return err;
}

FOSTER_EXPORT void foster_private_forbid(void *addr, size_t len)
{
	(void)!vm_forbid((uintptr_t)addr, len);
}

FOSTER_EXPORT bool foster_private_is_of(const void *addr, size_t len, int fd)
{
	struct maps_entry entry;
	struct inode file;
	int err = maps_at((uintptr_t)addr, &entry);

	if (err == -ENOSYS)
		return vm_is_mapped((uintptr_t)addr, (uintptr_t)addr + len);
	return !err && inode_ask(fd, &file) == 0 && entry.start == (uintptr_t)addr &&
	       entry.end - entry.start == len && entry.inode == file.number &&
	       entry.device == ((uint64_t)major(file.device) << 32 | minor(file.device));
}

FOSTER_EXPORT void *foster_adopt(void *addr, size_t len, foster_release_fn *release, void *arg)
{
	int err = foster_private_adopt(addr, len, release, arg, FOSTER_SOURCE_ADOPTED);

	return err ? result_null(err) : addr;
}

FOSTER_EXPORT int foster_holders(_unused_ const void *p, _unused_ foster_holder_fn *fn,
				 _unused_ void *arg)
{
	return result(-ENOSYS);
}
