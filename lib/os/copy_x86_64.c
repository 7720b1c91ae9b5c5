/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/copy.h"

#include <stdint.h>
#include <ucontext.h>

/*
 * rep movsb: source, destination and what is left are in registers at any moment, so that
 * a fault in the middle leaves the exact count in rcx.
 */
size_t foster_copy_bytes(void *dst, const void *src, size_t n);
extern const char foster_copy_at[], foster_copy_after[];

__asm__(".text\n"
	".hidden foster_copy_bytes, foster_copy_at, foster_copy_after\n"
	".globl foster_copy_bytes, foster_copy_at, foster_copy_after\n"
	".type foster_copy_bytes, @function\n"
	".p2align 4\n"
	"foster_copy_bytes:\n"
	"	mov %rdx, %rcx\n"
	"foster_copy_at:\n"
	"	rep movsb\n"
	"foster_copy_after:\n"
	"	mov %rcx, %rax\n"
	"	ret\n"
	".size foster_copy_bytes, . - foster_copy_bytes\n");

size_t copy_guarded(void *dst, const void *src, size_t n)
{
	return foster_copy_bytes(dst, src, n);
}

bool copy_recover(void *context)
{
	greg_t *pc = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	if (*pc != (greg_t)(uintptr_t)foster_copy_at)
		return false;
	*pc = (greg_t)(uintptr_t)foster_copy_after;
	return true;
}
