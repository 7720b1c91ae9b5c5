/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What foster does about SIGSEGV and SIGBUS.
 *
 * The handler is installed when something first needs it: a copy, a file that is to
 * survive its truncation, or a collector in incremental mode.  It answers for three kinds
 * of faults and hands on all others:
 *   - inside foster_copy(): the copy ends early;
 *   - SIGBUS in a page of a surviving region: a page of zeros is laid there;
 *   - any other in a range of ours while the collector has a handler of its own that would make
 *     revoked memory accessible again: the process dies of the signal, as it would have.
 */
#ifndef FOSTER_GUARD_FAULT_H
#define FOSTER_GUARD_FAULT_H

#include "base/attributes.h"

/*
 * Installs the handler, or puts it in front again.  Cheap when it is.  0 or a negative
 * errno.
 */
int guard_install(void) _must_check_;

/*
 * Makes the kernel forget the address of the calling thread's last fault.  It keeps it
 * (cr2) and stores it into each later signal frame, also that by which the collector
 * stops the thread: on the stack, where it looks like a pointer and keeps the region.  A
 * fault at another address, met by ourselves, takes its place.  Context: SIGSEGV is not
 * blocked.
 */
void guard_forget_address(void);

#endif
