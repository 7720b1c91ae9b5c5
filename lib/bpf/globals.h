/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The variables of programs that lie in an arena (__arena, .addr_space.1).
 *
 * Neither the map nor the kernel knows of them: libbpf copies them into the arena and
 * writes their addresses into the programs. (From 1.4 on they are at its beginning; from
 * 1.7 on in its last pages, where the kernel allows it.) So the programs that use the
 * map are asked: their BTF says what the variables are, their instructions where.
 */
#ifndef FOSTER_BPF_GLOBALS_H
#define FOSTER_BPF_GLOBALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

#define GLOBALS_SECTION ".addr_space.1"

/* What the programs say together. */
struct globals {
	uint32_t btf_id;
	uint64_t first; /* offsets in the arena of what they refer to */
	uint64_t last;
};

/*
 * An arena of a map, in memory. Returns 0; or with a reason -ENODATA (no program refers to
 * anything in it, or it has no BTF), -ENOTUNIQ (programs of different BTF do), -EPERM (it
 * takes CAP_SYS_ADMIN), -ENOMEM.
 */
int globals_find(uint32_t map_id, const char *map_name, const void *arena, size_t len,
		 struct globals *ret) _must_check_ _nonnull_all_;

/*
 * Where in the arena a section of so many bytes is. Returns 0; or with a reason -ENODATA:
 * it fits neither place, or both.
 */
int globals_place(const struct globals *globals, const char *map_name, size_t len,
		  uint32_t bytes, uint64_t *offset) _must_check_ _nonnull_all_;

#endif
