/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says of a BPF map, and how much memory of it can be mapped. */
#ifndef FOSTER_BPF_MAP_H
#define FOSTER_BPF_MAP_H

#include <stddef.h>

#include "base/attributes.h"

struct bpf_map_info;

/*
 * Proves that fd is a BPF map and asks the kernel about it.  The question alone proves
 * nothing: the kernel answers it for programs, links and BTF too, with other structs.
 * Returns 0, or with a reason -EBADF, -EINVAL (open, but no map) or the kernel's errno.
 */
int map_describe(int fd, struct bpf_map_info *info) _must_check_ _nonnull_(2);

/*
 * Bytes of the values of an array map: each begins at a multiple of 8.
 * Returns 0, or with a reason -ENOTSUP (more than there are addresses).
 */
int map_length(const struct bpf_map_info *info, size_t *len) _must_check_ _nonnull_all_;

/* Can the values be mapped at all?  Returns 0, or with a reason -ENOTSUP. */
int map_check(const struct bpf_map_info *info) _must_check_ _nonnull_all_;

/*
 * Maps the values of a map that map_check() passed: writable if the kernel lets us.
 * Returns 0; or with a reason -ENOTSUP, -ENOMEM or an errno of foster_mmap().
 */
int map_memory(int fd, const struct bpf_map_info *info, void **ret)
	_must_check_ _nonnull_(2, 3);

/* The name of a map's type: "array", "percpu_hash"; "?" for one that is too new. */
const char *map_type_name(unsigned int type);

#endif
