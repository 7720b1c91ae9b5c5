/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stopped thread's registers, as PTRACE_GETREGSET gives them, mean on this
 * processor.
 */
#ifndef FOSTER_OS_REGISTERS_H
#define FOSTER_OS_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

/* No processor's general registers (NT_PRSTATUS) need more. */
#define REGISTERS_GENERAL 512u

/* The sets that hold all vector registers, the best first, 0 at the end. */
extern const unsigned int registers_vector_sets[];

/* The stack pointer; 0: not known. */
uintptr_t registers_sp(const void *general, size_t bytes) _nonnull_all_;

/* The thread pointer: glibc's control block of the thread; 0: not known. */
uintptr_t registers_control(const void *general, size_t bytes) _nonnull_all_;

/*
 * Did the stop make a system call return EINTR that it would not have returned else?
 * Only of calls that have done nothing when they do so.
 */
bool registers_interrupted(const void *general, size_t bytes) _nonnull_all_;

/*
 * Then: the stopped thread is to make the call again, unless a handler of the host's runs
 * before: then the call ends with EINTR, as it would have without us.
 */
void registers_call_again(pid_t tid);

#endif
