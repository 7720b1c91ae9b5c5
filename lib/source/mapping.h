/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a region: what all sources of mappings have in common. */
#ifndef FOSTER_SOURCE_MAPPING_H
#define FOSTER_SOURCE_MAPPING_H

#include <foster/foster.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "os/vm.h"

struct mapping_request {
	struct vm_what what; /* off is a multiple of the page size */
	size_t delta;	     /* from the first page's start to the user's first byte */
	size_t len;	     /* bytes of the user, not 0; delta + len fits after rounding */
	unsigned int source; /* enum foster_source */
	int advice;	     /* of madvise(2), for its pages; 0: none */
	bool survives;	     /* the truncation of its file */
	foster_damage_fn *on_damage;
	void *damage_arg;
};

/*
 * A LIVE region.  0 and the user's base, or a negative errno of foster_mmap().
 * Context: any thread; may collect, may wait for the reaper, no lock.
 */
int mapping_new(const struct mapping_request *rq, void **ret) _must_check_ _nonnull_all_;

#endif
