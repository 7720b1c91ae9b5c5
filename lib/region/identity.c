/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/identity.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "os/maps.h"
#include "region/region.h"
#include "region/registry.h"

static uint32_t join(unsigned int major_part, unsigned int minor_part)
{
	return major_part << 20 | minor_part;
}

static uint32_t device_of(const struct maps_entry *entry)
{
	return join((unsigned int)(entry->device >> 32), (unsigned int)entry->device);
}

struct identity identity_in(const struct maps_entry *entry, uintptr_t start)
{
	return (struct identity){
		.known = true,
		.device = device_of(entry),
		.inode = entry->inode,
		.offset = entry->offset + (start - entry->start),
	};
}

struct identity identity_of_file(uint64_t device, uint64_t inode, uint64_t offset)
{
	return (struct identity){
		.known = true,
		.device = join(major(device), minor(device)),
		.inode = inode,
		.offset = offset,
	};
}

struct identity identity_of(uintptr_t start)
{
	struct maps_entry entry;

	if (maps_at(start, &entry))
		return (struct identity){ 0 };
	return identity_in(&entry, start);
}

/*
 * Does the mapping at addr belong to r: the file's, or memory that foster laid there
 * since?
 */
static bool is_of(const struct region *r, uintptr_t addr, const struct maps_entry *entry)
{
	const struct identity *id = &r->identity;

	if (!entry->inode)
		return !id->inode || registry_find(addr).revoked ||
		       atomic_load(&r->damage) != INTACT;
	return entry->inode == id->inode && device_of(entry) == id->device &&
	       entry->offset + (addr - entry->start) ==
		       id->offset + (addr - region_pages(r).start);
}

bool identity_holds(const struct region *r)
{
	struct region_pages pages = region_pages(r);
	struct maps_entry entry;
	int err;

	if (!r->identity.known)
		return true;
	for (uintptr_t addr = pages.start; addr < pages.end; addr = entry.end) {
		err = maps_at(addr, &entry);
		if (err == -ENOSYS)
			return true;
		if (err || !is_of(r, addr, &entry))
			return false;
	}
	return true;
}
