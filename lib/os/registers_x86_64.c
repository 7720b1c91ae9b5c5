/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/registers.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "base/check.h"
#include "os/raw.h"

const unsigned int registers_vector_sets[] = { NT_X86_XSTATE, NT_PRFPREG, 0 };

static struct user_regs_struct regs_of(const void *general, size_t bytes)
{
	struct user_regs_struct regs;

	fo_assert(bytes == sizeof(regs));
	memcpy(&regs, general, sizeof(regs));
	return regs;
}

uintptr_t registers_sp(const void *general, size_t bytes)
{
	return regs_of(general, bytes).rsp;
}

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/*
 * Calls for which the kernel itself says EINTR, sleeping or not, where most say "begin
 * anew if there is no handler".  Not close(2), which has closed when it says so, and
 * nothing else that may have done half its work.
 */
/* clang-format off */
static const long anew[] = {
	SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2,
	SYS_semop, SYS_semtimedop, SYS_msgrcv, SYS_msgsnd,
	SYS_rt_sigtimedwait, SYS_futex,
	SYS_io_getevents, SYS_io_pgetevents, SYS_io_uring_enter,
	/* of a socket with a timeout of its own */
	SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg,
	SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
	SYS_accept, SYS_accept4, SYS_connect,
};
/* clang-format on */

static bool may_begin_anew(long number)
{
	for (size_t i = 0; i < sizeof(anew) / sizeof(*anew); i++)
		if (anew[i] == number)
			return true;
	return false;
}

/*
 * With a call's number in orig_rax the thread is on its way out of that call, and no
 * handler was set up since: that, and the return from a handler, leave another rax or
 * none of it (-1).
 */
bool registers_interrupted(const void *general, size_t bytes)
{
	const struct user_regs_struct regs = regs_of(general, bytes);

	return (long)regs.rax == -EINTR && may_begin_anew((long)regs.orig_rax);
}

/*
 * Not by setting the program counter back: a signal of the host's that arrives until then
 * would find a thread that is just about to make the call, and its handler would not end
 * it.  The thread stands where the kernel looks for signals, and asks for this value
 * after that.
 */
#define ERESTARTNOHAND 514L /* the kernel's, never seen by programs otherwise */

void registers_call_again(pid_t tid)
{
	(void)raw(SYS_ptrace, PTRACE_POKEUSER, (uintptr_t)tid,
		  offsetof(struct user, regs.rax), (uintptr_t)-ERESTARTNOHAND);
}

uintptr_t registers_control(const void *general, size_t bytes)
{
	const struct user_regs_struct *regs = general;

	return bytes >= sizeof(*regs) ? regs->fs_base : 0;
}
