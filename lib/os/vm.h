/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space: the only file that calls mmap and its kin.
 *
 * Preconditions of all: addresses and lengths are multiples of the page size, length not
 * 0, unless the comment says otherwise.  Results are negative errnos.  No function takes
 * a lock or, but for vm_max_mappings(), allocates from malloc.
 */
#ifndef FOSTER_OS_VM_H
#define FOSTER_OS_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

/* What is to be mapped; the arguments of mmap(2) without an address. */
struct vm_what {
	int prot;
	int flags; /* MAP_* without MAP_FIXED */
	int fd;
	off_t off;
};

/* Bytes of a page.  Safe in a signal handler. */
size_t vm_page_size(void) _pure_;

/* Up to whole pages; 0 when that does not fit. */
size_t vm_round_up(size_t len) _pure_;

/* The system's limit on mappings of one process, or 65530 where it cannot be read. */
size_t vm_max_mappings(void);

/*
 * Lays a mapping over [addr, addr+len), which the caller owns.
 *
 * A kernel before 6.12 has already unmapped the old range when a driver or the accounting
 * of memory refuses the new mapping, and another thread's mmap may take the hole.  Where
 * that is so
 * (found by trying, at the first call) the mapping is made elsewhere and moved.
 *
 * Returns 0, the errno of mmap(2) with the range as it was or forbidden, or
 * -ENOTRECOVERABLE if the range may be lost to somebody else: it must not be touched any
 * more.
 */
int vm_lay(uintptr_t addr, size_t len, const struct vm_what *what) _must_check_ _nonnull_all_;

/*
 * Mappings held in reserve: at its limit of mappings the kernel refuses even those calls
 * that would lower their number, and nothing could be released any more.  vm_forbid()
 * spends them when it must.  Takes them back when they are gone; true: they are there.
 * Any thread.
 */
bool vm_spare_mappings(void);

/*
 * Lays inaccessible memory over the range: what was there is given back; a touch is
 * SIGSEGV.
 */
int vm_forbid(uintptr_t addr, size_t len) _must_check_;

/*
 * The same for a part of what is mapped there: it costs mappings, so the reserve is not
 * for it.
 */
int vm_forbid_part(uintptr_t addr, size_t len) _must_check_;

/*
 * Turns a forbidden range into ordinary zeroed private memory, as the collector's heap
 * has it. In two steps from whatever was there, since the second can fail (-ENOMEM)
 * without harm.
 */
int vm_make_ordinary(uintptr_t addr, size_t len) _must_check_;

/*
 * Maps len bytes anywhere, with a page of inaccessible memory behind, so that the end of the mapping is the
 * beginning of nothing: address and file offset are alike below align (a power of two, or 0).  0 and the
 * address, or the errno of mmap(2).
 */
int vm_map_apart(size_t len, size_t align, const struct vm_what *what, uintptr_t *addr)
	_must_check_ _nonnull_all_;

/*
 * The same, small, where nothing else is: in addresses that the kernel gives nobody who does not ask for
 * them, one mapping behind the other with such a page between.  -EEXIST and whatever mmap(2) says: not
 * there, vm_map_apart() may find a place.
 */
int vm_map_alone(size_t len, const struct vm_what *what, uintptr_t *addr) _must_check_ _nonnull_all_;

/* Maps len bytes at addr if nothing is there: 0, -EEXIST, or the errno of mmap(2). */
int vm_map_there(uintptr_t addr, size_t len, const struct vm_what *what) _must_check_ _nonnull_all_;

/*
 * Where a mapping is, and bytes of inaccessible memory before and behind it: a page each,
 * where there was room, so that its neighbours do not begin or end where it does.
 */
struct vm_place {
	uintptr_t addr;
	size_t before;
	size_t behind;
};

/*
 * Maps len bytes at place->addr, where nothing may be (-EEXIST); or, where that is 0,
 * anywhere, without crossing a boundary of 4 GiB (a BPF arena must not).  For mappings
 * that cannot be moved: the kernel is asked once, for the final place.  0 or the errno of
 * mmap(2).
 */
int vm_map_at(size_t len, const struct vm_what *what, struct vm_place *place)
	_must_check_ _nonnull_all_;

/* Is all of [start, end) mapped?  Any alignment. */
bool vm_is_mapped(uintptr_t start, uintptr_t end) _must_check_;

/* For a snapshot, whose memory is a copy: makes it readable. */
int vm_make_readable(uintptr_t addr, size_t len) _must_check_;

/* Takes the range out of the address space; spends the reserve as vm_forbid() does. */
int vm_unmap(uintptr_t addr, size_t len) _must_check_;

/*
 * Bytes of memory that are the process's alone: neither shared memory nor what files have.  UINT64_MAX
 * where the kernel does not tell.
 */
uint64_t vm_resident_private(void);

/*
 * The device of files that are memory and have no name: memfds, shared anonymous memory.  0: not to be
 * had.  Any thread.
 */
dev_t vm_memory_device(void) _must_check_;

/* Advice of madvise(2). */
int vm_advise(uintptr_t addr, size_t len, int advice) _must_check_;

/*
 * Gives back the memory behind a private anonymous range; it reads as zeros.  Best
 * effort.
 */
void vm_discard(uintptr_t addr, size_t len);

#endif
