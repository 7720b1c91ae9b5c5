/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is to be read, and how: each mapping by its kind, only pages that hold something, nothing
 * that must not be touched.  Runs in a companion or a snapshot.
 */
#ifndef FOSTER_TRACK_READER_H
#define FOSTER_TRACK_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/hidden.h"
#include "os/layout.h"
#include "os/pages.h"
#include "os/resident.h"
#include "os/scratch.h"
#include "track/evidence.h"
#include "track/suspects.h"

struct reader {
	const struct suspects *suspects;
	struct evidence *evidence;
	char *buffer; /* for memory that only the kernel can read */
	bool early;   /* the program runs: words are noted, not judged */
	bool copy;    /* this is a snapshot: the memory is ours to change */
	bool fault_in; /* swapped pages are read too */
	bool partly;   /* runs are not all that holds something, but what was written */
	/* of the pause */
	struct resident resident; /* pages of shared memory */
	hidden_addr mapped_to;	  /* from the entry up to here all is mapped; 0: not known */
	/* of the moment */
	const struct layout_entry *entry; /* in which a run lies */
	/* a region may begin where these are */
	hidden_addr run_end; /* of the last run */
	hidden_addr read_to; /* the same, where it was read with ordinary loads, all of it */
	uint64_t bytes;			  /* that were read */
	bool blind; /* what is not readable could not be read otherwise: nothing can be decided */
	bool swapped;			  /* a page was left out since it was on a disk */
};

#define READER_BUFFER ((size_t)64 << 10)

/* -ENOMEM: scratch has no room. */
int reader_init(struct reader *r, const struct suspects *suspects, struct evidence *evidence,
		struct scratch *scratch) _must_check_ _nonnull_all_;

/*
 * Reads what [start, end) of the mapping holds, by the mapping's kind.  0, or a negative errno:
 * the kernel did not tell what is there, and nothing can be decided.
 */
int reader_read(struct reader *r, const struct layout_entry *entry, uintptr_t start, uintptr_t end)
	_must_check_ _nonnull_all_;

/* pages_fn, of a run in r->entry: reads it if it counts.  arg: the reader. */
int reader_read_held(const struct pages_run *run, void *arg) _must_check_ _nonnull_all_;

/* Reads one run of pages of the mapping, whatever they are. */
void reader_read_run(struct reader *r, const struct layout_entry *entry, uintptr_t start,
		     uintptr_t end) _nonnull_all_;

/*
 * The same of pages that are there, of which the kernel was not asked how they are mapped.  The entry:
 * in memory that is no evidence.
 */
void reader_read_there(struct reader *r, const struct layout_entry *entry) _nonnull_all_;

/* Reads a set of registers. */
void reader_read_registers(struct reader *r, const void *registers, size_t bytes) _nonnull_all_;

/* Judges the words that were noted early, if they are still there. */
void reader_read_again(struct reader *r, const struct layout *layout) _nonnull_all_;

#endif
