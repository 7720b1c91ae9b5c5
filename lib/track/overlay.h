/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The overlay: ranges for mappings, made of the collector's own objects.
 *
 *     object (pointer-free, of a kind of ours, whole blocks of the collector)
 *     |<-- page -->|<----------- the range: span bytes ----------->|<-- page -->|
 *     +------------+-----------------------------------------------+------------+
 *     |  ordinary  |  ordinary memory at first; a mapping is laid  |  ordinary  |
 *     |            |  over it, and forbidden memory afterwards     |            |
 *     +------------+-----------------------------------------------+------------+
 *                  ^ base                                          ^ the pointer just past
 *                                                                    the end lies here
 *
 * The collector sees pointers into the range as pointers into the object, at no cost of
 * ours, and asks the sign (gc/gc.h) when it sees none.  It writes the first and last
 * words of an object when it makes it, and its debugging mode reads them, so those pages
 * stay ordinary; the last one also makes the pointer just past the end count.  Between
 * these two moments the collector touches nothing of a pointer-free object.
 *
 * The object is never freed explicitly: once its range is ordinary memory again and the
 * sign no longer keeps it, the next collection reclaims it.
 */
#ifndef FOSTER_TRACK_OVERLAY_H
#define FOSTER_TRACK_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/*
 * From here on an overlay costs more than it gives: 0.5 s and a GiB of metadata at worst.
 */
#define OVERLAY_LIMIT ((size_t)1 << 30)

/* 0, or -ENOTSUP where span bytes cannot be overlaid on this system. */
int overlay_fits(size_t span) _must_check_;

/*
 * A new range of span bytes (whole pages) of ordinary memory.  Its base; 0 without
 * memory.  The caller's stack must hold a pointer into it until the sign keeps it.
 * Context: as gc_object_new(): a thread that the collector knows, no lock of ours.
 */
uintptr_t overlay_new(size_t span) _must_check_;

/* The base of the range of an object, as the sign names it.  Any context. */
uintptr_t overlay_base(uintptr_t object);

/* The other way. */
uintptr_t overlay_object(uintptr_t base);

/* The end of the object under a range. */
uintptr_t overlay_object_end(uintptr_t base, size_t span);

#endif
