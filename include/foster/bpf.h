/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster for BPF: the memory of BPF maps as regions of foster.
 *
 * The conventions of foster/foster.h hold here too.
 */
#ifndef FOSTER_BPF_H
#define FOSTER_BPF_H

#include <foster/foster.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * foster_bpf_map - the memory of a BPF map, tracked
 * @map_fd: descriptor of an array map made with BPF_F_MMAPABLE; the maps behind .bss, .data and
 *	.rodata of a BPF program are of this kind.  May be closed afterwards.  Not kept.
 *
 * Maps all values: entry i begins i times the value size, rounded up to 8 bytes, after the
 * address.  Readable and writable; read-only where the map is frozen or BPF_F_RDONLY_PROG (the
 * prot of foster_info() tells).  A writable mapping blocks BPF_MAP_FREEZE (EBUSY) until it is
 * released or closed.  The region keeps the kernel's map alive, not the descriptor.
 *
 * Each call makes a region of its own.
 *
 * Returns: the address of entry 0, page aligned; NULL on error.
 * Errors (errno):
 *   EBADF    @map_fd is not an open descriptor
 *   EINVAL   @map_fd is not a BPF map
 *   ENOTSUP  a map of another type, or an array without BPF_F_MMAPABLE (the reason is in
 *            foster_bpf_strerror()); values of 1 GiB or more in all
 *   EPERM    no permission to look at the map, or for the mapping
 *   EACCES   the descriptor was opened for reading only or for writing only; the kernel maps
 *            neither
 *   those of foster_mmap()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_bpf_map(int map_fd);

/**
 * foster_bpf_strerror - why the last call of this library failed on this thread
 *
 * Returns: a sentence without a full stop, or "" where nothing failed yet.  It stays valid until
 *   the thread's next call of foster_bpf_*, or its end.
 * Errors: never fails.
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC const char *foster_bpf_strerror(void);

#ifdef __cplusplus
}
#endif

#endif /* FOSTER_BPF_H */
