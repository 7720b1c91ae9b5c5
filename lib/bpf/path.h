/* SPDX-License-Identifier: BSD-2-Clause */
/* A member of a struct found by its path: "hits", "last.run", "slots[3].hits". */
#ifndef FOSTER_BPF_PATH_H
#define FOSTER_BPF_PATH_H

#include "bpf/nearest.h"
#include "bpf/types.h"

/* Where a path leads. */
struct place {
	uint32_t id;   /* of the type there */
	uint64_t bit;  /* from the start of the struct */
	uint32_t bits; /* the width of a bit-field; 0: none */
};

/*
 * Members of unnamed structs and unions are found as C finds them.  Where a name on
 * the path is none, near has the nearest.
 * Returns 0, -ENOENT (no such member), -ERANGE (an index behind the end of an array),
 * -EINVAL (a path that is none) or -EBADMSG.
 */
int path_find(struct types *types, uint32_t id, const char *path, struct place *place,
	      struct nearest *near) _must_check_ _nonnull_all_;

#endif
