/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that the collector knows and that foster has met.
 *
 * libgc stops a thread by a signal and waits for it.  A thread that blocks the signal, as
 * a host with signalfd does in all its threads, makes it give up after some 15 seconds
 * and abort the process.  So foster looks at the masks before it asks for a collection.
 * libgc does not tell its list of threads; those that have called foster are noted here,
 * and the one that started it.
 */
#ifndef FOSTER_GC_KNOWN_H
#define FOSTER_GC_KNOWN_H

#include <stdbool.h>

/* The calling thread, which the collector knows, is noted until it ends.  Best effort. */
void known_note(void);

/* It is no longer known to the collector. */
void known_forget(void);

/* Does one of them block a signal of the collector's? */
bool known_blocks(void);

/* In the child of fork: only the calling thread is left. */
void known_after_fork(void);

#endif
