/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "os/inode.h"

/*
 * Without MAP_NORESERVE: inaccessible private memory is not charged anyway, and with it
 * the range would not merge with its neighbours in the collector's heap when it is made
 * ordinary again.
 */
#define FORBIDDEN_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS)

#define MAPPINGS_DEFAULT 65530 /* vm.max_map_count, kernel default since 2.6 */

size_t vm_page_size(void)
{
	static _Atomic size_t known;
	size_t size = atomic_load_explicit(&known, memory_order_relaxed);

	if (unlikely(!size)) {
		size = (size_t)sysconf(_SC_PAGESIZE);
		atomic_store_explicit(&known, size, memory_order_relaxed);
	}
	return size;
}

size_t vm_round_up(size_t len)
{
	size_t mask = vm_page_size() - 1;

	return len > SIZE_MAX - mask ? 0 : (len + mask) & ~mask;
}

size_t vm_max_mappings(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	size_t n = 0;

	if (!f)
		return MAPPINGS_DEFAULT;
	if (fscanf(f, "%zu", &n) != 1 || n == 0)
		n = MAPPINGS_DEFAULT;
	fclose(f);
	return n;
}

static int lay_at(uintptr_t addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *got = mmap((void *)addr, len, prot, flags, fd, off);

	return got == MAP_FAILED ? -errno : 0;
}

/*
 * Does a refused MAP_FIXED leave the old mapping in place?  Tried with a driver's
 * refusal: a memfd sealed against future writes refuses a shared writable mapping after
 * the kernel has cleared the way for it.
 */
static bool try_refused_fixed(void)
{
	size_t page = vm_page_size();
	bool keeps = false;
	unsigned char resident;
	void *probe;
	int fd;

	fd = memfd_create("foster-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return false;
	probe = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe != MAP_FAILED && ftruncate(fd, (off_t)page) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 &&
	    mmap(probe, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		keeps = mincore(probe, page, &resident) == 0;
	/*
	 * In the other case the page is a hole by now, perhaps somebody else's: not
	 * unmapped.
	 */
	if (keeps)
		munmap(probe, page);
	close(fd);
	return keeps;
}

static bool refused_fixed_keeps(void)
{
	enum { UNKNOWN, KEEPS, LOSES };
	static _Atomic int known = UNKNOWN;
	int k = atomic_load_explicit(&known, memory_order_relaxed);

	if (unlikely(k == UNKNOWN)) {
		k = try_refused_fixed() ? KEEPS : LOSES;
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return k == KEEPS;
}

/*
 * The range may be a hole now.  Take it back where it is one.  Where it is not, it may be
 * as it was or somebody else's; nobody can tell, so it is given up.
 */
static int take_back(uintptr_t addr, size_t len, int cause)
{
	if (lay_at(addr, len, PROT_NONE, FORBIDDEN_FLAGS | MAP_FIXED_NOREPLACE, -1, 0) == 0)
		return cause;
	return -ENOTRECOVERABLE;
}

static int lay_by_moving(uintptr_t addr, size_t len, const struct vm_what *what)
{
	void *first = mmap(NULL, len, what->prot, what->flags, what->fd, what->off);
	int r;

	if (first == MAP_FAILED)
		return -errno;
	if (mremap(first, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)addr) != MAP_FAILED)
		return 0;
	r = -errno;
	munmap(first, len);
	return take_back(addr, len, r);
}

int vm_lay(uintptr_t addr, size_t len, const struct vm_what *what)
{
	fo_assert(addr % vm_page_size() == 0 && len % vm_page_size() == 0 && len);
	fo_assert(!(what->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)));
	if (!refused_fixed_keeps())
		return lay_by_moving(addr, len, what);
	return lay_at(addr, len, what->prot, what->flags | MAP_FIXED, what->fd, what->off);
}

/* Each second page readable, so that no two are one mapping. */
#define SPARE_PAGES 32

/* Complemented: an address is no evidence.  ~0: none. */
static _Atomic uintptr_t spare = ~(uintptr_t)0;

static bool make_spare(uintptr_t at)
{
	uintptr_t page = vm_page_size();

	for (unsigned int i = 0; i < SPARE_PAGES; i += 2)
		if (mprotect((void *)(at + i * page), page, PROT_READ))
			return false;
	return true;
}

bool vm_spare_mappings(void)
{
	size_t len = SPARE_PAGES * vm_page_size();
	uintptr_t none = ~(uintptr_t)0;
	void *at;

	if (atomic_load_explicit(&spare, memory_order_relaxed) != none)
		return true;
	at = mmap(NULL, len, PROT_NONE, FORBIDDEN_FLAGS, -1, 0);
	if (at == MAP_FAILED)
		return false;
	if (make_spare((uintptr_t)at) &&
	    atomic_compare_exchange_strong(&spare, &none, ~(uintptr_t)at))
		return true;
	munmap(at, len);
	return atomic_load(&spare) != ~(uintptr_t)0;
}

static bool spend_spare(void)
{
	uintptr_t at = ~atomic_exchange(&spare, ~(uintptr_t)0);

	if (at)
		munmap((void *)at, SPARE_PAGES * vm_page_size());
	return at != 0;
}

int vm_forbid_part(uintptr_t addr, size_t len)
{
	fo_assert(addr % vm_page_size() == 0 && len % vm_page_size() == 0 && len);
	return lay_at(addr, len, PROT_NONE, FORBIDDEN_FLAGS | MAP_FIXED, -1, 0);
}

int vm_forbid(uintptr_t addr, size_t len)
{
	int r = vm_forbid_part(addr, len);

	if (r == -ENOMEM && spend_spare())
		r = vm_forbid_part(addr, len);
	return r;
}

int vm_make_readable(uintptr_t addr, size_t len)
{
	return mprotect((void *)addr, len, PROT_READ) == 0 ? 0 : -errno;
}

static int unmap_once(uintptr_t addr, size_t len)
{
	return munmap((void *)addr, len) == 0 ? 0 : -errno;
}

int vm_unmap(uintptr_t addr, size_t len)
{
	int r;

	fo_assert(addr % vm_page_size() == 0 && len % vm_page_size() == 0 && len);
	r = unmap_once(addr, len);
	if (r == -ENOMEM && spend_spare())
		r = unmap_once(addr, len);
	return r;
}

int vm_make_ordinary(uintptr_t addr, size_t len)
{
	fo_assert(addr % vm_page_size() == 0 && len % vm_page_size() == 0 && len);
	return mprotect((void *)addr, len, PROT_READ | PROT_WRITE) == 0 ? 0 : -errno;
}

int vm_advise(uintptr_t addr, size_t len, int advice)
{
	return madvise((void *)addr, len, advice) == 0 ? 0 : -errno;
}

void vm_discard(uintptr_t addr, size_t len)
{
	(void)madvise((void *)addr, len, MADV_DONTNEED);
}

/*
 * Half of a pointer that is left over, and an integer that was written over its other half, make a
 * pointer into anything that lies within 4 GiB of the old one.  A range of 64 MiB among libraries and
 * stacks is met by one such word in 64, and one nearly as large as that would never go.  So ranges go
 * where no other pointers lead: one behind the other, and large ones into windows of 4 GiB of their own.
 */
#define WINDOW_SHIFT 32u
#define LARGE ((size_t)1 << 30)
#define WINDOWS_FIRST 0x2000u /* far below what the kernel chooses, far above the heap of brk() */
#define WINDOWS 0x1000u	      /* for large ones; as many for the others */
#define GOLDEN 2654435769u    /* 2^32 by the golden ratio: Knuth's multiplier for hashing */

/* Not near its beginning, where the lower halves are numbers that a program counts with. */
static uintptr_t first_in_window(uint32_t random)
{
	return (random * GOLDEN | 1u << 31) & ~(uint32_t)(vm_page_size() - 1);
}

/* A hint: where it is taken the kernel puts it elsewhere. */
static uintptr_t lonely_address(size_t room)
{
	static _Atomic uint32_t used;
	static _Atomic uintptr_t next;
	uint32_t windows = (uint32_t)(room >> WINDOW_SHIFT) + 1;
	/* As random as the addresses of this program are. */
	uint32_t random = (uint32_t)((uintptr_t)&used / vm_page_size());
	uintptr_t offset;

	if (windows >= WINDOWS)
		return 0;
	if (room >= LARGE) {
		random += atomic_fetch_add_explicit(&used, windows, memory_order_relaxed);
		return (uintptr_t)(WINDOWS_FIRST + random % WINDOWS) << WINDOW_SHIFT;
	}
	offset = ((uintptr_t)random << WINDOW_SHIFT) + first_in_window(random) +
		 atomic_fetch_add_explicit(&next, room, memory_order_relaxed);
	return ((uintptr_t)(WINDOWS_FIRST + WINDOWS) << WINDOW_SHIFT) +
	       offset % ((uintptr_t)WINDOWS << WINDOW_SHIFT);
}

/* 0, or the errno of mmap(2); -EEXIST: something is there. */
static int map_free(uintptr_t addr, size_t len, const struct vm_what *what)
{
	uintptr_t at = (uintptr_t)mmap((void *)addr, len, what->prot,
				       what->flags | MAP_FIXED_NOREPLACE, what->fd, what->off);

	if (at == (uintptr_t)MAP_FAILED)
		return -errno;
	if (at == addr)
		return 0;
	/* A kernel before 4.17 takes the address for a wish. */
	(void)munmap((void *)at, len);
	return -EEXIST;
}

/* Of what was reserved nothing is left; but what was refused may lie among somebody else's memory by now. */
static int unreserve(uintptr_t base, size_t room, uintptr_t at, size_t len, int refusal)
{
	if (refusal != -ENOTRECOVERABLE) {
		(void)munmap((void *)base, room);
		return refusal;
	}
	if (at > base)
		(void)munmap((void *)base, at - base);
	if (at + len < base + room)
		(void)munmap((void *)(at + len), base + room - (at + len));
	return -ENOMEM;
}

int vm_map_there(uintptr_t addr, size_t len, const struct vm_what *what)
{
	fo_assert(addr % vm_page_size() == 0 && len % vm_page_size() == 0 && len);
	return map_free(addr, len, what);
}

int vm_map_alone(size_t len, const struct vm_what *what, uintptr_t *addr)
{
	/* As a stack it is none of the forbidden memory beside it, from which it would have to be split. */
	const struct vm_what nothing = { PROT_NONE, FORBIDDEN_FLAGS | MAP_STACK, -1, 0 };
	const size_t room = len + vm_page_size();
	uintptr_t at = lonely_address(room);
	int err = at ? map_free(at, room, &nothing) : -ENOMEM;

	if (err)
		return err;
	err = vm_lay(at, len, what);
	if (err)
		return unreserve(at, room, at, len, err);
	*addr = at;
	return 0;
}

int vm_map_apart(size_t len, size_t align, const struct vm_what *what, uintptr_t *addr)
{
	size_t page = vm_page_size();
	size_t room = len + align + page;
	uintptr_t base, at, end;
	int err;

	if (room < len)
		return -ENOMEM;
	base = (uintptr_t)mmap((void *)lonely_address(room), room, PROT_NONE, FORBIDDEN_FLAGS, -1,
			       0);
	if (base == (uintptr_t)MAP_FAILED)
		return -errno;
	at = align ? base + (((uintptr_t)what->off - base) & (align - 1)) : base;
	end = at + len + page;
	err = vm_lay(at, len, what);
	if (err)
		return unreserve(base, room, at, len, err);
	/* What cannot be given back costs addresses only. */
	if (at > base)
		(void)munmap((void *)base, at - base);
	if (end < base + room)
		(void)munmap((void *)end, base + room - end);
	*addr = at;
	return 0;
}

#define BOUNDARY ((uintptr_t)4 << 30)
#define PLACES 8 /* that other threads may take before us */

static int map_between(size_t len, const struct vm_what *what, struct vm_place *place)
{
	const struct vm_what nothing = { PROT_NONE, FORBIDDEN_FLAGS, -1, 0 };
	const size_t page = vm_page_size();
	int err = map_free(place->addr, len, what);

	if (err)
		return err;
	place->before = map_free(place->addr - page, page, &nothing) ? 0 : page;
	place->behind = map_free(place->addr + len, page, &nothing) ? 0 : page;
	return 0;
}

/* An address where as much is free now. */
static int find_free(size_t len, uintptr_t *addr)
{
	const size_t page = vm_page_size(), room = 2 * len + 2 * page;
	uintptr_t base;

	if (room < len)
		return -ENOMEM;
	base = (uintptr_t)mmap(NULL, room, PROT_NONE, FORBIDDEN_FLAGS, -1, 0);
	if (base == (uintptr_t)MAP_FAILED)
		return -errno;
	(void)munmap((void *)base, room);
	*addr = base + page;
	if (*addr / BOUNDARY != (*addr + len - 1) / BOUNDARY)
		*addr = (*addr + len - 1) / BOUNDARY * BOUNDARY;
	return 0;
}

int vm_map_at(size_t len, const struct vm_what *what, struct vm_place *place)
{
	int err = -EEXIST;

	if (place->addr)
		return map_between(len, what, place);
	for (int i = 0; err == -EEXIST && i < PLACES; i++) {
		err = find_free(len, &place->addr);
		if (!err)
			err = map_between(len, what, place);
	}
	if (err)
		place->addr = 0;
	return err;
}

bool vm_is_mapped(uintptr_t start, uintptr_t end)
{
	unsigned char in[512];
	size_t page = vm_page_size();

	for (start -= start % page; start < end;) {
		size_t pages = (end - start + page - 1) / page;

		if (pages > sizeof(in))
			pages = sizeof(in);
		if (mincore((void *)start, pages * page, in))
			return false;
		start += pages * page;
	}
	return true;
}

static uint64_t next_figure(const char **text)
{
	uint64_t figure = 0;

	for (; **text >= '0' && **text <= '9'; ++*text)
		figure = figure * 10 + (uint64_t)(**text - '0');
	*text += **text == ' ';
	return figure;
}

uint64_t vm_resident_private(void)
{
	char text[64];
	uint64_t all, shared;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at = text;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return UINT64_MAX;
	text[n] = '\0';
	(void)next_figure(&at); /* addresses */
	all = next_figure(&at);
	shared = next_figure(&at);
	/* The kernel counts the two one after the other. */
	return all > shared ? (all - shared) * vm_page_size() : 0;
}

dev_t vm_memory_device(void)
{
	static _Atomic dev_t device;
	struct inode file;
	dev_t known = atomic_load_explicit(&device, memory_order_relaxed);
	int fd;

	if (known)
		return known;
	fd = memfd_create("foster-probe", MFD_CLOEXEC);
	if (fd < 0)
		return 0;
	if (!inode_ask(fd, &file))
		known = file.device;
	close(fd);
	atomic_store_explicit(&device, known, memory_order_relaxed);
	return known;
}
