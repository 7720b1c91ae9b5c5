/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/registers.h"

#include <elf.h>

/*
 * A processor of which nothing is known here: the stack is read whole, and what the stop
 * interrupted stays interrupted.
 */
const unsigned int registers_vector_sets[] = { NT_PRFPREG, 0 };

uintptr_t registers_sp(const void *general _unused_, size_t bytes _unused_)
{
	return 0;
}

bool registers_interrupted(const void *general _unused_, size_t bytes _unused_)
{
	return false;
}

void registers_call_again(pid_t tid _unused_)
{
}

uintptr_t registers_control(_unused_ const void *general, _unused_ size_t bytes)
{
	return 0;
}
