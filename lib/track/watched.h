/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which mappings are watched for writes, and read while the program runs: private memory that can be
 * watched, where that is less work than to read it in the pause.
 */
#ifndef FOSTER_TRACK_WATCHED_H
#define FOSTER_TRACK_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/layout.h"
#include "os/scratch.h"
#include "os/tracking.h"
#include "track/reader.h"

struct watched {
	const struct layout_entry **entry;
	size_t count;
	/* while they are chosen */
	struct tracking *tracking;
	struct reader *reader;
	uint32_t *held;	/* bytes, of small mappings in a row */
	uint64_t left;	/* bytes in mappings that are left to the pause */
};

/*
 * Watches what of the list is worth it, and reads it, each page after it is watched.  What is not worth
 * it, or cannot be watched, is left to the pause.  -ENOMEM: scratch has no room.
 */
int watched_begin(struct watched *w, const struct layout *layout, struct tracking *tracking,
		  struct reader *reader, struct scratch *scratch) _must_check_ _nonnull_all_;

/* So small that it may not be worth a system call of its own. */
bool watched_is_small(const struct layout_entry *entry) _nonnull_all_;

#endif
