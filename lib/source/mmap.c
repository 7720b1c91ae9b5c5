/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_mmap(), and what it shares with the other libraries of foster. */
#include <errno.h>
#include <foster/foster.h>
#include <sys/mman.h>

#include "base/result.h"
#include "os/vm.h"
#include "region/region.h"
#include "source/mapping.h"
#include "source/private.h"

/* Flags that fix an address, or need one that no object of the collector has. */
#define UNSUPPORTED (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | MAP_HUGETLB | MAP_32BIT)

static int check_mmap(size_t len, int flags, off_t off)
{
	if (!len || off < 0 || (uint64_t)off % vm_page_size())
		return -EINVAL;
	if (flags & UNSUPPORTED)
		return -ENOTSUP;
	if (!vm_round_up(len) || (uint64_t)off + len < len || (uint64_t)off + len > INT64_MAX)
		return -EOVERFLOW;
	return 0;
}

static int map(size_t len, struct vm_what *what, unsigned int source, void **ret)
{
	struct mapping_request rq = { .source = source };
	int r = check_mmap(len, what->flags, what->off);

	if (r)
		return r;
	if (what->flags & MAP_ANONYMOUS) {
		what->fd = -1;
		what->off = 0;
	}
	rq.what = *what;
	rq.len = vm_round_up(len);
	return mapping_new(&rq, ret);
}

FOSTER_EXPORT void *foster_private_map(size_t len, int prot, int flags, int fd, off_t off,
				       unsigned int source)
{
	struct vm_what what = { prot, flags, fd, off };
	void *p = MAP_FAILED;
	int r = map(len, &what, source, &p);

	if (r)
		errno = -r;
	return p;
}

static int lay_held(struct region *r, uintptr_t start, size_t len, const struct vm_what *what)
{
	struct region_pages pages = region_pages(r);

	if (start < pages.start || start > pages.end || len > pages.end - start)
		return -EINVAL;
	return vm_lay(start, len, what);
}

FOSTER_EXPORT int foster_private_lay(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct vm_what what = { prot, flags, fd, off };
	struct region *r = region_hold(addr);
	int err;

	if (!r)
		return -ENOENT;
	err = lay_held(r, (uintptr_t)addr, len, &what);
	region_drop(r);
	return err;
}

FOSTER_EXPORT void *foster_mmap(_unused_ void *addr, size_t len, int prot, int flags, int fd,
				off_t off)
{
	return foster_private_map(len, prot, flags, fd, off,
				  flags & MAP_ANONYMOUS ? FOSTER_SOURCE_ANON : FOSTER_SOURCE_FILE);
}
