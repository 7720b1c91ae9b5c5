/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas that libbpf maps for an object, and unmaps when the object is closed. When foster
 * is to close the object, they are adopted where they are, and the object is closed when
 * nobody points to any of them.
 *
 * libbpf itself does, from its struct bpf_map. The words there are adopted too: what lies
 * in a region counts as much as the region, and to these points nothing but foster's
 * account of the arena. So the two keep each other, and go together.
 *
 *	foster's account of the arena --> the words in struct bpf_map --> the arena
 *
 * Not before the object is foster's to close: whoever frees the struct would leave a
 * region in memory that somebody else gets.
 *
 * Programs keep pointers into arenas in their data sections, which libbpf has mapped as
 * well. These mappings are taken away at once: they are libbpf's, nobody may use them any
 * more.
 */
#ifndef FOSTER_BPF_OBJECT_H
#define FOSTER_BPF_OBJECT_H

#include "base/attributes.h"

struct bpf_map;

/* Where libbpf has mapped an arena; NULL: it has not. */
void *object_arena(const struct bpf_map *map) _must_check_ _nonnull_all_;

/*
 * Adopts it, if it is not adopted yet; libbpf's words keep it while the object is open.
 * Returns 0; or with a reason an errno of foster_adopt().
 */
int object_adopt(const struct bpf_map *map, void *arena) _must_check_ _nonnull_all_;

#endif
