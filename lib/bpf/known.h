/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of the maps whose memory foster tracks, found by a pointer into the
 * memory.
 *
 * Entries are kept under the number of the region, which is never used again. Nobody
 * tells when a region goes: entries of regions that are gone are dropped when the table
 * is about to grow. An address rests hidden here, so that the table keeps no region.
 */
#ifndef FOSTER_BPF_KNOWN_H
#define FOSTER_BPF_KNOWN_H

#include <stdint.h>

#include "base/attributes.h"
#include "bpf/types.h"

struct bpf_map_info;
struct known;

/* A copy of an entry, and the region as foster_info() described it just now. */
struct known_map {
	uint64_t region;
	void *base;
	int prot;
	uint32_t map_id;
	uint32_t map_type;
	uint32_t value_size;
	uint32_t stride; /* from a value to the next; 0: not an array */
	uint64_t count;
	uint32_t btf_id;
	uint32_t value_type;
	char name[16];
};

/*
 * An entry for memory that is about to be mapped.  NULL without memory.  It goes with
 * known_free() or known_add().
 */
struct known *known_new(const struct bpf_map_info *info) _must_check_ _nonnull_all_;
void known_free(struct known *known);

/* The memory is there: takes the entry. */
void known_add(struct known *known, const void *base) _nonnull_all_;

/*
 * The map that p points into. Returns 0; or with a reason -ENOENT (no memory of a map) or
 * -ESTALE (it was closed).
 */
int known_find(const void *p, struct known_map *map) _must_check_ _nonnull_(2);

/*
 * The types of its BTF, read from the kernel the first time; they stay while the region
 * does, so while the caller has a pointer into it. Returns 0, or with a reason an errno
 * of kernel_btf() or types_open().
 */
int known_types(const struct known_map *map, struct types *types)
	_must_check_ _nonnull_all_;

#endif
