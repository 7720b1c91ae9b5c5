/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doubt queue: regions to which the collector saw no pointer, on their way to the
 * reaper.
 *
 * Any number of threads put, inside the collector and under any lock of the host; one
 * thread takes, all at once.  A stack linked by numbers: nothing is popped singly, so
 * there is no ABA, and putting neither waits nor allocates.
 */
#ifndef FOSTER_REGION_DOUBT_H
#define FOSTER_REGION_DOUBT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Lock-free.  The caller has set the region's queued bit, and it was not set before.
 * True: the queue was empty, so that the reaper should hear of it.
 */
bool doubt_put(uint32_t number);

/* Is there anything in it?  Any context. */
bool doubt_any(void);

/* All of them, linked by region->next; the first, or 0. */
uint32_t doubt_take_all(void);

#endif
