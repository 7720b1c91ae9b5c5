/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of signal handlers, as the kernel lays them on a stack.  A handler may run on an alternate
 * stack that is a part of the stack that it interrupts (a local array): then frames that are alive lie
 * below the stack pointer.
 */
#ifndef FOSTER_OS_HANDLERS_H
#define FOSTER_OS_HANDLERS_H

#include <stdint.h>

/*
 * Learns where handlers return to, by which their frames are recognised: as many places as there are
 * among the handlers installed now.  A thread, while the program runs.
 */
void handlers_learn(void);

/*
 * The lowest stack pointer, from low on, that a handler's frame in [sp, end) says it interrupted; sp:
 * none.  Where frames are not known on this processor, low.  [sp, end) is readable.  Any context.
 */
uintptr_t handlers_interrupted(uintptr_t low, uintptr_t sp, uintptr_t end);

#endif
