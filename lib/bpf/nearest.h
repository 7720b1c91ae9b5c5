/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of many names is nearest to one that is not among them: the fewest letters added,
 * left out, changed or swapped.
 */
#ifndef FOSTER_BPF_NEAREST_H
#define FOSTER_BPF_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* Longer names are not compared. */
#define NEAREST_LETTERS 63

struct nearest {
	const char *asked;
	size_t len;
	const char *best; /* NULL: none is near */
	uint32_t limit;	  /* the best must be nearer than this */
	uint32_t work;	  /* steps left for all names together */
};

/*
 * The first len letters of what was asked for; it and all names stay while nearest is
 * used.
 */
void nearest_begin(struct nearest *nearest, const char *asked, size_t len) _nonnull_all_;

void nearest_offer(struct nearest *nearest, const char *name) _nonnull_all_;

#endif
