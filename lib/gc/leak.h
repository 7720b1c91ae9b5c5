/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libgc's leak-finding mode, turned on behind our back.
 *
 * In it libgc asks no disclaim procedure, reports unreachable objects as leaks, and frees
 * them: with a mapping of ours inside.  foster refuses to start in it and to map in it;
 * where the host turns it on later, all our objects are marked at the end of each
 * marking, and nothing of foster's is released while it lasts.
 */
#ifndef FOSTER_GC_LEAK_H
#define FOSTER_GC_LEAK_H

#include "gc/gc.h"

/* Who knows our objects; before the hook is set. */
void leak_start(gc_each_fn *each) _nonnull_all_;

/* The world is stopped. */
void leak_marking_ends(void);

#endif
