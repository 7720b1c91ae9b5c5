/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SIGSEGV and SIGBUS: the only file that installs signal handlers.
 *
 * Ours comes first and hands on what is not ours to the handler that was there before,
 * with the arguments and the mask that it would have had.
 */
#ifndef FOSTER_OS_FAULT_H
#define FOSTER_OS_FAULT_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"

/*
 * Looks at a fault.  True: the interrupted code may go on (its context may have been
 * changed). Context: a signal handler, any lock held.  Async-signal-safe calls only.
 */
typedef bool fault_fn(int signal, const siginfo_t *info, void *context);

/*
 * Installs fn as the first to look; again, when somebody has put a handler in front
 * since.  Any number of calls, always with the same fn.  0 or a negative errno. Context:
 * serialised by the caller; not in a signal handler.
 */
int fault_install(fault_fn *fn) _must_check_ _nonnull_all_;

/* For fn: gives the signal its default action, so that going on ends the process. */
void fault_deadly(int signal);

#endif
