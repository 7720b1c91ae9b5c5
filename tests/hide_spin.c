/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words in registers and below the stack pointer, where a compiler would not leave them:
 * see hide.h.
 */
#include "hide.h"

#if defined(__x86_64__)

/*
 * rdi: three complements, rsi: to be set to 1, rdx: to be waited for.  The words pass
 * through rax, which is cleared.
 */
__asm__(".pushsection .text\n"
	".macro	hide_function name\n"
	".globl	\\name\n"
	".hidden	\\name\n"
	".type	\\name, @function\n"
	"\\name:\n"
	".endm\n"

	".macro	hide_show index\n"
	"	movq	8*\\index(%rdi), %rax\n"
	"	notq	%rax\n"
	".endm\n"

	".macro	hide_spin\n"
	"	xorl	%eax, %eax\n"
	"	movl	$1, (%rsi)\n"
	"1:	pause\n"
	"	cmpl	$0, (%rdx)\n"
	"	je	1b\n"
	".endm\n"

	".macro	hide_load\n"
	"	pushq	%r12\n"
	"	pushq	%r13\n"
	"	pushq	%r14\n"
	"	hide_show 0\n"
	"	movq	%rax, %r12\n"
	"	hide_show 1\n"
	"	movq	%rax, %r13\n"
	"	hide_show 2\n"
	"	movq	%rax, %r14\n"
	".endm\n"

	".macro	hide_unload\n"
	"	xorl	%r12d, %r12d\n"
	"	xorl	%r13d, %r13d\n"
	"	xorl	%r14d, %r14d\n"
	"	popq	%r14\n"
	"	popq	%r13\n"
	"	popq	%r12\n"
	".endm\n"

	/* 64, 56 and 48 bytes below the stack pointer. */
	"hide_function hide_spin_red_zone\n"
	"	hide_show 0\n"
	"	movq	%rax, -64(%rsp)\n"
	"	hide_show 1\n"
	"	movq	%rax, -56(%rsp)\n"
	"	hide_show 2\n"
	"	movq	%rax, -48(%rsp)\n"
	"	hide_spin\n"
	"	movq	$0, -64(%rsp)\n"
	"	movq	$0, -56(%rsp)\n"
	"	movq	$0, -48(%rsp)\n"
	"	ret\n"

	"hide_function hide_spin_callee_saved\n"
	"	hide_load\n"
	"	hide_spin\n"
	"	hide_unload\n"
	"	ret\n"

	/* 4 bytes above the lowest. */
	".macro	hide_xmm index, register\n"
	"	hide_show \\index\n"
	"	movq	%rax, %xmm\\register\n"
	"	pslldq	$4, %xmm\\register\n"
	".endm\n"
	"hide_function hide_spin_xmm\n"
	"	hide_xmm 0, 6\n"
	"	hide_xmm 1, 7\n"
	"	hide_xmm 2, 8\n"
	"	hide_spin\n"
	"	pxor	%xmm6, %xmm6\n"
	"	pxor	%xmm7, %xmm7\n"
	"	pxor	%xmm8, %xmm8\n"
	"	ret\n"

	/* The upper half; the lower one has nothing. */
	".macro	hide_ymm index, register\n"
	"	hide_show \\index\n"
	"	vmovq	%rax, %xmm0\n"
	"	vpxor	%xmm\\register, %xmm\\register, %xmm\\register\n"
	"	vinserti128 $1, %xmm0, %ymm\\register, %ymm\\register\n"
	"	vpxor	%xmm0, %xmm0, %xmm0\n"
	".endm\n"
	"hide_function hide_spin_ymm\n"
	"	hide_ymm 0, 6\n"
	"	hide_ymm 1, 7\n"
	"	hide_ymm 2, 8\n"
	"	hide_spin\n"
	"	vzeroall\n"
	"	ret\n"

	/* The topmost quarter, of registers that only AVX-512 has. */
	".macro	hide_zmm index, register\n"
	"	hide_show \\index\n"
	"	vmovq	%rax, %xmm0\n"
	"	vpxorq	%zmm\\register, %zmm\\register, %zmm\\register\n"
	"	vinserti32x4 $3, %xmm0, %zmm\\register, %zmm\\register\n"
	"	vpxor	%xmm0, %xmm0, %xmm0\n"
	".endm\n"
	"hide_function hide_spin_zmm\n"
	"	hide_zmm 0, 20\n"
	"	hide_zmm 1, 21\n"
	"	hide_zmm 2, 22\n"
	"	hide_spin\n"
	"	vpxorq	%zmm20, %zmm20, %zmm20\n"
	"	vpxorq	%zmm21, %zmm21, %zmm21\n"
	"	vpxorq	%zmm22, %zmm22, %zmm22\n"
	"	vzeroall\n"
	"	ret\n"

	/* edx: a descriptor to read a byte from; -4 is -EINTR. */
	"hide_function hide_sleep_callee_saved\n"
	"	hide_load\n"
	"	movl	$1, (%rsi)\n"
	"	movl	%edx, %edi\n"
	"1:	leaq	-8(%rsp), %rsi\n"
	"	movl	$1, %edx\n"
	"	xorl	%eax, %eax\n"
	"	syscall\n"
	"	cmpq	$-4, %rax\n"
	"	je	1b\n"
	"	hide_unload\n"
	"	ret\n"

	"hide_function hide_start\n"
	"	xorl	%edi, %edi\n"
	"	lock incl hide_started(%rip)\n"
	"1:	pause\n"
	"	cmpl	$0, hide_start_go(%rip)\n"
	"	je	1b\n"
	"	xorl	%eax, %eax\n"
	"	ret\n"
	".popsection\n");

_Atomic int hide_start_go;
_Atomic int hide_started;

#else
extern int hide_nothing; /* ISO C wants a declaration in every file */
#endif
