/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas: memory that a BPF program and a process share at one address, for ever the one
 * of its first mapping.  They are tracked where they are.
 */
#ifndef FOSTER_BPF_ARENA_H
#define FOSTER_BPF_ARENA_H

#include <stddef.h>

#include "base/attributes.h"

struct bpf_map;
struct bpf_map_info;

/* Newer than the headers that may be installed. */
#define MAP_TYPE_ARENA 33

/* Bytes of the mapping. */
size_t arena_bytes(const struct bpf_map_info *info) _nonnull_all_;

/*
 * Maps an arena, or finds it where it is mapped in this process. addr: where it belongs,
 * if the caller knows; NULL: as the kernel says.  Returns 0; or with a reason
 * -EADDRNOTAVAIL (it belongs elsewhere, or nobody says where), -EADDRINUSE, -ENOMEM or an
 * errno of mmap(2) or foster_adopt().
 */
int arena_memory(int fd, const struct bpf_map_info *info, void *addr, void **ret)
	_must_check_ _nonnull_(2, 4);

/*
 * The same for a map of libbpf: what libbpf has mapped is adopted. Also -EBADF (it is not
 * in the kernel yet) and -ENOTSUP (no arena, or a libbpf that is not known).
 */
int arena_of_libbpf(const struct bpf_map *map, void **ret) _must_check_ _nonnull_all_;

/*
 * The memory that libbpf has mapped for an arena becomes known as that of the map, and
 * is adopted already.  Returns 0; or with a reason -ENOMEM.
 */
int arena_introduce(const struct bpf_map_info *info, void *p) _must_check_ _nonnull_all_;

#endif
