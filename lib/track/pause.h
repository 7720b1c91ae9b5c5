/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pause: what a round does, in its companion, while every thread of the process stands still.  The
 * list of mappings is taken, stacks and registers are looked at, what was not read before is read,
 * and each word is judged.  No allocation but from scratch, no lock.
 */
#ifndef FOSTER_TRACK_PAUSE_H
#define FOSTER_TRACK_PAUSE_H

#include "base/attributes.h"
#include "track/sweep.h"

#define PAUSE_STOP_NS (200 * NS_PER_MS) /* until all threads must stand */
#define PAUSE_COPY_NS (60000 * NS_PER_MS) /* for the reading of a snapshot */

/* Stops, reads, judges, lets go; in a round by a snapshot: takes it.  0 or a negative errno. */
int pause_decide(struct sweep *s) _must_check_ _nonnull_all_;

/* Waits until the snapshot has been read.  0, or why it could not be. */
int pause_end_snapshot(struct sweep *s) _must_check_ _nonnull_all_;

/* The list of mappings, without the gaps; before the pause, too. */
int pause_list(struct sweep *s) _must_check_ _nonnull_all_;

#endif
