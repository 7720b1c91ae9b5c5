/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is mapped in the process, and what each mapping is to somebody who looks for
 * pointers in it.
 *
 * The kernel's short list (/proc/self/maps) is quick and tells nearly all; the long one
 * (os/smaps.h) tells the rest and is slow: it is read before, while threads run, and
 * remembered.  One thread at a time.  No lock, no malloc; works from a companion
 * (os/companion.h).
 */
#ifndef FOSTER_OS_LAYOUT_H
#define FOSTER_OS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "os/scratch.h"

enum layout_kind {
	LAYOUT_PRIVATE, /* private, of no file: a page that is not there holds nothing */
	LAYOUT_FILE,	/* private, of a file: only pages that were written count */
	LAYOUT_SHARED,	/* shared, perhaps written through: absent pages count too */
	LAYOUT_CONST,	/* shared, by a descriptor that cannot write: nothing ever was */
	LAYOUT_NEVER,	/* must not be read: an arena, a device, the kernel's own pages */
	LAYOUT_UNKNOWN, /* cannot be told now: layout_learn() and try again */
};

struct layout_entry {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset;
	uint64_t device;
	uint64_t inode;
	uint8_t kind;  /* enum layout_kind */
	uint8_t prot;  /* PROT_* */
	bool readable; /* LAYOUT_UNKNOWN, but can be read as LAYOUT_SHARED without harm */
	/*
	 * A BPF map.  All look alike, so one that takes the place of another after
	 * layout_learn() is taken for it: pages that are not there must not be touched,
	 * and need not be (an array has all).
	 */
	bool bpf;
	bool arena; /* a BPF arena, or a BPF map not known to be none: no snapshot */
	/* the rest as far as it was known at the last reading of the long list */
	bool huge; /* MAP_HUGETLB memory */
	bool uffd; /* somebody's userfaultfd is on it: it cannot be tracked */
	/*
	 * Private: a snapshot may lack it, or have zeros there (MADV_DONTFORK,
	 * MADV_WIPEONFORK); or it was not there at the last reading.  See
	 * layout_is_copied().
	 */
	bool odd_in_snapshot;
};

struct layout {
	struct layout_entry *entry; /* sorted, disjoint, in scratch */
	size_t count;
	size_t unknown; /* how many are LAYOUT_UNKNOWN */
	bool open;	/* layout_learn() would read the long list */
	bool around;	/* what lies in the gaps was left out */
};

/* Opens descriptors now, while the process may (a setuid later makes /proc refuse). */
void layout_open(void);
void layout_after_fork(void);

/* What layout_read() takes from scratch for so many mappings; what learning takes. */
#define LAYOUT_SCRATCH(mappings) \
	(((size_t)32 << 10) + ((mappings) + 64) * sizeof(struct layout_entry))
#define LAYOUT_LEARN_SCRATCH ((size_t)64 << 10)

/*
 * Finds out, from the kernel's long list, what the short one does not tell of mappings
 * that were not met before: may shared memory that is read-only now have been written,
 * is it a device's, is it under somebody's userfaultfd; and of each BPF map, met before
 * or not, is it an arena.  Remembers it.  Does nothing, fast, where nothing is
 * ambiguous.  While threads run.  Scratch, and also (NULL: none), are no question.
 *
 * A userfaultfd that comes to a mapping that was met before goes unnoticed, and to read
 * there may wait for it: after a round that met its deadline use layout_learn_all().
 *
 * 0, or a negative errno that may pass: -ENOMEM, -EMFILE, ...  Where the long list is
 * missing or refused, 0 too: from then on layout_read() takes what is ambiguous for
 * what does no harm.  Read-only shared memory is LAYOUT_SHARED, objects of the kernel
 * that are neither files nor BPF maps are LAYOUT_NEVER; BPF maps are LAYOUT_UNKNOWN for
 * ever, since either answer could be wrong.
 */
int layout_learn(struct scratch *scratch, const struct scratch *also)
	_must_check_ _nonnull_(1);

/* The same, after a layout_read() that said "open"; then read it again. */
int layout_learn_rest(struct scratch *scratch) _must_check_ _nonnull_all_;

/*
 * The same of every mapping, whatever is known: before a snapshot.  Here a list that is
 * missing or refused is an error: no snapshot can be trusted.
 */
int layout_learn_all(struct scratch *scratch) _must_check_ _nonnull_all_;

/*
 * The list as it is at this moment.  Works with every thread stopped: no allocation but
 * from scratch, no lock.  While threads run, a mapping that is there throughout is in
 * it.  Scratch, and also (NULL: none), are left out, though they may have merged with
 * neighbours.  -ENOMEM: scratch has no room; -ESTALE: the list is not of this process
 * (it lacks scratch).
 */
int layout_read(struct layout *l, struct scratch *scratch, const struct scratch *also)
	_must_check_ _nonnull_(1, 2);

/* A stretch of addresses. */
struct layout_gap {
	uintptr_t start;
	uintptr_t end;
};

/*
 * Does the caller know what is mapped at start: ordinary memory of a file, that no userfaultfd is on;
 * and was it never to be written through this mapping?  Asked of shared mappings only.  Any context,
 * no lock.
 */
enum layout_vouched { LAYOUT_NOT_VOUCHED, LAYOUT_VOUCHED, LAYOUT_VOUCHED_CONST };
typedef enum layout_vouched layout_vouch_fn(uintptr_t start);

/*
 * The same without what lies in the gaps, sorted and disjoint, and without asking about it: where they
 * have most of the mappings, in a fraction of the time.  Without gaps, or where the kernel does not
 * answer questions about one mapping (before Linux 6.11), the whole list (and l->around is false).  For what vouch (NULL: for
 * nothing) knows, the long list need not be read.
 */
int layout_read_around(struct layout *l, struct scratch *scratch, const struct scratch *also,
		       const struct layout_gap *gap, size_t gaps, layout_vouch_fn *vouch)
	_must_check_ _nonnull_(1, 2);

/* The entry around addr; NULL: none. */
const struct layout_entry *layout_at(const struct layout *l, uintptr_t addr)
	_nonnull_all_;

/*
 * In a snapshot: does it have all private memory of l that is not odd_in_snapshot?
 * What was advised otherwise between layout_learn_all() and the snapshot shows here.
 * 0; -ESTALE: it does not, and nothing may be decided; another negative errno: it
 * cannot be told.
 */
int layout_is_copied(const struct layout *l, struct scratch *scratch)
	_must_check_ _nonnull_all_;

#endif
