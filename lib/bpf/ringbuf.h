/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ring buffer maps as regions.  A map has one reader in a process, so it is mapped once:
 * who asks again gets the same memory, while it is there.
 */
#ifndef FOSTER_BPF_RINGBUF_H
#define FOSTER_BPF_RINGBUF_H

#include "base/attributes.h"

struct bpf_map_info;

/*
 * Maps a map of BPF_MAP_TYPE_RINGBUF, or finds where it is mapped already.  Returns 0; or
 * with a reason -ENOTSUP, -ENOMEM, -EACCES or an errno of foster_mmap().
 */
int ringbuf_memory(int fd, const struct bpf_map_info *info, void **ret)
	_must_check_ _nonnull_(2, 3);

#endif
