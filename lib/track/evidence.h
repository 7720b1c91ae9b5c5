/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Evidence: words that were found to point into suspects, and what they are worth.
 *
 *   a word found                   is worth
 *   while the program runs         nothing yet: it is looked at again at the moment
 *   in dead stack                  nothing
 *   in a region not in doubt       the suspect is kept
 *   in a suspect                   as much as that suspect: decided last, for all together
 *   in a marked object             the suspect is kept
 *   in an unmarked object          nothing, unless the collector marks the object for a finalizer
 *   in free memory of the collector    nothing
 *   in a header of the collector's     nothing
 *   anywhere else, or a register   the suspect is kept
 *
 * Where there is no room to note a word, its suspect is kept.
 */
#ifndef FOSTER_TRACK_EVIDENCE_H
#define FOSTER_TRACK_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "gc/gc.h"
#include "os/layout.h"
#include "os/scratch.h"
#include "track/suspects.h"

/* Where the word was that keeps a suspect. */
enum evidence_place {
	EVIDENCE_NONE = 0,
	EVIDENCE_REGISTER,
	EVIDENCE_MEMORY,    /* private: malloc, stacks, thread-local, static data */
	EVIDENCE_SHARED,    /* shared memory */
	EVIDENCE_COLLECTOR, /* an object of the collector */
	EVIDENCE_REGION,    /* another region, or the argument of its callback */
	EVIDENCE_FULL,	    /* no room was left to note all the words */
	EVIDENCE_SPARED,    /* no word: its owner withdrew the doubt */
};

/*
 * The region that the memory at an address belongs to, be it in its range or what foster
 * keeps for it in the clear (the argument of a callback): the address of its first byte; 0: none.  Any context.
 */
typedef uintptr_t evidence_owner_fn(uintptr_t at);

/*
 * The number of a suspect that is none: an object of the collector of ours, by its first byte, which
 * nobody points to but the header that the collector keeps of it.  It shows where headers are.
 */
#define EVIDENCE_HEADER UINT32_MAX

struct evidence_note {
	uintptr_t at;
	uint32_t index; /* of the suspect that it points into */
	uint32_t what;	/* UINT32_MAX: in an unmarked object; else in the suspect of that index */
};

struct evidence_dead {
	uintptr_t start;
	uintptr_t end;
};

struct evidence {
	const struct suspects *suspects;
	evidence_owner_fn *owner;
	uint8_t *kept;	 /* of each suspect: enum evidence_place */
	uintptr_t *place; /* of each suspect: for evidence_witness() */
	uint8_t *tally;	 /* of each suspect: notes, up to a limit */
	/* words met while the program ran */
	struct evidence_note *early;
	uint32_t early_count;
	/* words that are judged after the moment */
	struct evidence_note *late;
	uint32_t late_count;
	uint32_t room; /* of both */
	/* pages of headers that were found, for gc_headers_note() */
	uintptr_t *headers;
	uint32_t headers_count;
	/* of each suspect, for evidence_close(): the first word in it; those that are to do */
	uint32_t *first;
	uint32_t *todo;
	struct evidence_dead *dead;
	uint32_t dead_count;
	uint32_t dead_room;
	struct gc_foreign foreign; /* of the moment at which words are judged */
	/* of each suspect: it has not been read, and need not be while nothing speaks for it */
	bool *asleep;
	uint32_t woken; /* in todo: those that something speaks for, to be read */
	bool morning;	/* who is spoken for is woken; from evidence_read() on it is too late */
	bool overslept; /* one that was never read is kept */
};

/*
 * For count suspects, in memory that a snapshot shares; the suspects may be added later.
 * -ENOMEM: scratch has no room.
 */
int evidence_init(struct evidence *e, const struct suspects *suspects, evidence_owner_fn *owner,
		  struct scratch *shared) _must_check_ _nonnull_all_;

/* Bytes of scratch that evidence_init() takes for so many suspects. */
size_t evidence_bytes(uint32_t suspects);

/* While the program runs: at holds a word that points into suspect index. */
void evidence_early(struct evidence *e, uintptr_t at, uint32_t index) _nonnull_all_;

/* At the moment: nothing that lies in [start, end) counts. */
void evidence_dead(struct evidence *e, uintptr_t start, uintptr_t end) _nonnull_all_;

/*
 * At the moment: at, in the mapping around it, holds a word that points into suspect index.
 */
void evidence_judge(struct evidence *e, const struct layout_entry *entry, uintptr_t at,
		    uint32_t index) _nonnull_all_;

/* At the moment: a register does. */
void evidence_register(struct evidence *e, uint32_t index) _nonnull_all_;

/*
 * After the moment: the collector has marked what finalizers will see.  Context: as
 * gc_object_marked().
 */
void evidence_judge_late(struct evidence *e) _nonnull_all_;

/* The doubt is withdrawn: it stays, and keeps what it points to. */
void evidence_spare(struct evidence *e, uint32_t index) _nonnull_all_;

/* Last: what only suspects that go point to, goes. */
void evidence_close(struct evidence *e) _nonnull_all_;

/*
 * At the moment, before anything is judged: suspect index is not read yet.  A word for it, or a reason to
 * keep it, whatever that will be worth, wakes it.
 */
void evidence_sleep(struct evidence *e, uint32_t index) _nonnull_all_;

/* It is to be read, though nothing may speak for it. */
void evidence_rouse(struct evidence *e, uint32_t index) _nonnull_all_;

/* One that was woken, and is to be read now.  False: there is none. */
bool evidence_wake(struct evidence *e, uint32_t *index) _nonnull_all_ _must_check_;

/* Nothing more is read: who is asleep now must not be kept, or nothing is known. */
void evidence_read(struct evidence *e) _nonnull_all_;

/* What keeps suspect index; EVIDENCE_NONE: nothing does. */
enum evidence_place evidence_of(const struct evidence *e, uint32_t index) _nonnull_all_;

/* Where the word is that does, if that is private memory like any other; else 0. */
uintptr_t evidence_witness(const struct evidence *e, uint32_t index) _nonnull_all_;

#endif
