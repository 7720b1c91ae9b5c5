/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A copy-on-write copy of the process at one instant, read at leisure while the process
 * goes on.
 *
 * It is a process made by clone() without CLONE_VM, a child of the companion's.  Private
 * memory stays in it as it was.  Shared memory does not; memory advised MADV_DONTFORK is
 * absent, MADV_WIPEONFORK reads as zeros; a BPF arena must not be mapped
 * (CVE-2026-45837); a host's userfaultfd that asked for fork events must not be there
 * (its reader may be stopped).
 */
#ifndef FOSTER_OS_SNAPSHOT_H
#define FOSTER_OS_SNAPSHOT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/attributes.h"

struct snapshot {
	pid_t pid;
};

/*
 * In a companion: makes the copy, which runs fn(arg) and exits.  fn sees the memory of
 * this instant, may write to its copy, and answers through memory that is shared
 * (MAP_SHARED).  It runs under the same rules as a companion; companion_guarded() works
 * in it.  It has no open descriptors (none of the host's is kept open by it; before Linux
 * 5.9 it shares them).  0, -ENOMEM, -EAGAIN.
 */
int snapshot_take(struct snapshot *s, void (*fn)(void *), void *arg)
	_must_check_ _nonnull_(1, 2);

/*
 * Waits for it, in the process that took it.  0: fn returned; -ETIMEDOUT: it was killed
 * at the deadline (clock_ns()); -ECHILD: it died otherwise.
 */
int snapshot_wait(struct snapshot *s, uint64_t deadline) _must_check_ _nonnull_all_;

#endif
