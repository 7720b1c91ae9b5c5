/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's rhythm of collections, kept as if our objects were not there.
 *
 * libgc collects when as much has been allocated since the last collection as a share of
 * what it had to look at then.  It counts pointer-free bytes with a quarter (alloc.c,
 * min_bytes_allocd() of 8.2), so that S bytes of our objects let the host allocate S / 4
 * / divisor bytes more, half of it in incremental mode: 900 MiB of mapped files make a
 * small host's heap grow by 75 MiB.  So after each collection as much is counted as
 * allocated already, and an object of ours is not counted when it is made.
 *
 * The counter is moved by a function that libgc exports for its own companion libraries,
 * from 8.2.2 to the development branch of 2026, but does not declare; where it is
 * missing, nothing is done and foster(7) says what follows.
 */
#ifndef FOSTER_GC_RHYTHM_H
#define FOSTER_GC_RHYTHM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/* For the hook of events: the collector's lock is held, threads run. */
void rhythm_reclaim_starts(void);
void rhythm_reclaim_ends(void);

/* An object of ours has just been made.  Context: no lock. */
void rhythm_object_made(const void *object) _nonnull_all_;

/* One is about to be reclaimed.  Context: the collector's lock is held. */
void rhythm_object_gone(const void *object) _nonnull_all_;

/*
 * Has the host allocated so much from the collector that it has a rhythm?  A moment's look, which
 * another thread's collection may falsify.
 */
bool rhythm_is_kept(void) _must_check_;

#endif
