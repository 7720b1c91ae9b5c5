/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/overlay.h"

#include <errno.h>

#include "base/check.h"
#include "gc/gc.h"
#include "os/vm.h"

int overlay_fits(size_t span)
{
	/* On larger pages an object need not begin at a page. */
	if (span >= OVERLAY_LIMIT || vm_page_size() > gc_block_size())
		return -ENOTSUP;
	return 0;
}

uintptr_t overlay_new(size_t span)
{
	size_t page = vm_page_size();
	uintptr_t object;

	fo_assert(span && span % page == 0 && overlay_fits(span) == 0);
	object = (uintptr_t)gc_object_new(span + 2 * page);
	if (!object)
		return 0;
	fo_assert(object % page == 0);
	/* The collector's few words made its ends resident; nobody reads them again. */
	vm_discard(object, span + 2 * page);
	return object + page;
}

uintptr_t overlay_base(uintptr_t object)
{
	fo_assert(object && object % vm_page_size() == 0);
	return object + vm_page_size();
}

uintptr_t overlay_object(uintptr_t base)
{
	fo_assert(base > vm_page_size() && base % vm_page_size() == 0);
	return base - vm_page_size();
}

uintptr_t overlay_object_end(uintptr_t base, size_t span)
{
	fo_assert(span && span % vm_page_size() == 0 && base + span > base);
	return base + span + vm_page_size();
}
