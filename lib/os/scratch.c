/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/scratch.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/check.h"
#include "os/vm.h"

#define SCRATCH_ALIGN 64u

static int open_with(struct scratch *s, size_t bytes, int sharing)
{
	size_t size = vm_round_up(bytes);
	void *base;

	fo_assert(size);
	base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	*s = (struct scratch){ (uintptr_t)base, size, 0, sharing == MAP_SHARED };
	return 0;
}

int scratch_open(struct scratch *s, size_t bytes)
{
	return open_with(s, bytes, MAP_PRIVATE);
}

int scratch_open_shared(struct scratch *s, size_t bytes)
{
	return open_with(s, bytes, MAP_SHARED);
}

void *scratch_take(struct scratch *s, size_t bytes)
{
	size_t rounded = (bytes + SCRATCH_ALIGN - 1) & ~(size_t)(SCRATCH_ALIGN - 1);
	void *piece;

	if (rounded < bytes || rounded > s->size - s->used)
		return NULL;
	piece = (void *)(s->base + s->used);
	s->used += rounded;
	return piece;
}

size_t scratch_room(const struct scratch *s)
{
	return s->size - s->used;
}

int scratch_reset(struct scratch *s)
{
	/* Who was given a part of it may have protected a page, and been refused the way back. */
	if (mprotect((void *)s->base, s->size, PROT_READ | PROT_WRITE) ||
	    madvise((void *)s->base, s->size, s->shared ? MADV_REMOVE : MADV_DONTNEED))
		return -errno;
	s->used = 0;
	return 0;
}

void scratch_close(struct scratch *s)
{
	if (s->size)
		(void)munmap((void *)s->base, s->size);
	*s = (struct scratch){ 0 };
}
