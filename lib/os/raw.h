/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls that leave errno alone, for the companion (os/companion.h): it shares
 * errno with the thread that waits for it, whose wait may write it at any time.
 */
#ifndef FOSTER_OS_RAW_H
#define FOSTER_OS_RAW_H

#include <stdint.h>
#include <sys/syscall.h>

#ifdef __x86_64__
static inline long raw_call(long number, const uintptr_t arg[6])
{
	register uintptr_t fourth __asm__("r10") = arg[3];
	register uintptr_t fifth __asm__("r8") = arg[4];
	register uintptr_t sixth __asm__("r9") = arg[5];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(arg[0]), "S"(arg[1]), "d"(arg[2]),
			   "r"(fourth), "r"(fifth), "r"(sixth)
			 : "rcx", "r11", "memory");
	return result;
}
#else
#include <errno.h>
#include <unistd.h>

/*
 * Not quite: errno is written where the call fails.  What it says then is read at once.
 */
static inline long raw_call(long number, const uintptr_t arg[6])
{
	long result = syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);

	return result == -1 ? -errno : result;
}
#endif

/*
 * raw(SYS_read, fd, address, bytes): what the kernel returns, a negative errno if it
 * fails.
 */
#define raw(number, ...) raw_call((number), (const uintptr_t[6]){ __VA_ARGS__ })

#endif
