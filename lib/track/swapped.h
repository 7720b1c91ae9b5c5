/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared memory on a disk: nothing is decided while there is some, and it is fetched for the
 * next round.
 */
#ifndef FOSTER_TRACK_SWAPPED_H
#define FOSTER_TRACK_SWAPPED_H

#include "track/sweep.h"

/*
 * In the pause, after all is read, where a page was missing: s->swapped and s->reader.swapped
 * tell whether that can have been one on a disk.  -EAGAIN: nobody knows.
 */
int swapped_look(struct sweep *s) _must_check_ _nonnull_all_;

/* After the pause. */
void swapped_fetch(struct sweep *s) _nonnull_all_;

#endif
