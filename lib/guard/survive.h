/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions that survive the truncation of their file.
 *
 * A load behind the new end is SIGBUS.  The handler lays a page of zeros over the page
 * and marks the region damaged; the reaper tells the user.  (The idea is as old as mmap:
 * databases do it for their logs.)
 */
#ifndef FOSTER_GUARD_SURVIVE_H
#define FOSTER_GUARD_SURVIVE_H

#include <stdbool.h>
#include <stdint.h>

/* For the handler: repairs the page of addr.  False: not ours to repair. */
bool survive_fault(uintptr_t addr);

#endif
