/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a region.  region.c describes the states, and says which files change one.
 */
#ifndef FOSTER_REGION_REGION_H
#define FOSTER_REGION_REGION_H

#include <foster/foster.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/hidden.h"
#include "os/vm.h"
#include "region/identity.h"
#include "region/life.h"

/* What is behind its pages, and whether that is ordinary memory whoever reads it. */
enum region_backing {
	BACKING_OTHER,	   /* a device, an object of the kernel, a private mapping of a file */
	BACKING_ANONYMOUS, /* private, of no file */
	BACKING_FILE,	   /* shared, a regular file */
	BACKING_MEMORY,	   /* shared, of no file or of one that has no name */
};

enum region_seen {
	SEEN_NEVER,
	SEEN_WHOLE, /* all its pages were there, and nothing else */
	SEEN_ODD,
};

/* What the maker tells of a region. */
struct region_facts {
	size_t delta; /* from the range's base to the user's first byte */
	size_t len;   /* the user's bytes; delta + len is at most the span */
	unsigned int source;
	int prot;
	enum region_backing backing;
	struct identity identity;
	bool unseen; /* the collector does not know the thread that gets the pointer */
	bool survives; /* the truncation of its file (guard/survive.h) */
	bool whole; /* no part of it may be unmapped: an arena, which some kernels do not survive */
	foster_damage_fn *on_damage; /* may be NULL */
	void *damage_arg;
	foster_release_fn *release; /* in place only; NULL: munmap */
	void *release_arg;
};

/*
 * Members that are read without a lock are atomic (relaxed; the life word orders them):
 * written while the state is NEWBORN or under the lock, trusted only if the life word's
 * generation and state are the same after reading.
 *
 * Two lines of the cache.  The first is all that a round looks at for each of many regions.
 */
struct region {
	/* changes routinely */
	_Alignas(64) life_word life;
	_Atomic uint64_t spared_until; /* clock_ns(); written in rounds only */
	_Atomic uintptr_t witness; /* region/witnessed.h: a hidden_addr's complement; 0: none */
	/* of the range: fixed from LIFE_FREE to LIFE_FREE */
	_Atomic uintptr_t base; /* a hidden_addr's complement */
	/* of the region: fixed from LIFE_NEWBORN on */
	_Atomic size_t delta;
	_Atomic size_t len;
	/* changes routinely */
	_Atomic uint32_t next;	   /* in the doubt queue, or (under the lock) in the pool */
	_Atomic uint32_t touched;  /* the collector's cycle when a caller last had a pointer; grows */
	_Atomic uint32_t signs;	   /* in collections in a row; written by the sign only */
	_Atomic uint8_t seen; /* enum region_seen: a round's last look; written in rounds only */
	_Atomic uint8_t survived;  /* rounds that kept it, up to a limit; as spared_until */
	_Atomic bool closed;	   /* has been REVOKED as a whole; guarded by the region lock */
	_Atomic uint8_t in_place; /* enum region_place */

	_Atomic size_t span;	/* of the range: whole pages, but in place */
	_Atomic size_t revoked;	/* bytes of pages; guarded by the region lock */
	/* of the region */
	_Atomic uint64_t id;
	struct identity identity; /* read only by who holds the region or owns its RELEASING */
	_Atomic uint32_t sign_cycle; /* the last of the signs; written by the sign only */
	_Atomic uint8_t source;
	_Atomic uint8_t prot;
	_Atomic uint8_t backing; /* enum region_backing */
	_Atomic bool has_release;
	_Atomic bool unseen;
	_Atomic bool survives;
	_Atomic bool whole;
	/* changes once, from the fault handler */
	_Atomic uint8_t damage; /* enum region_damage */
};

_Static_assert(sizeof(struct region) == 128, "a round looks at one line of the cache");

/*
 * What the maker of a region gave to be called: words of the user's, which are evidence for what
 * they point into, and apart from all that is foster's own.
 */
struct region_calls {
	foster_release_fn *_Atomic release;
	void *_Atomic release_arg;
	foster_damage_fn *_Atomic on_damage;
	void *_Atomic damage_arg;
};

/* Where its range comes from; but for the first no object of the collector lies under it. */
enum region_place {
	REGION_OVERLAY,
	REGION_IN_PLACE,
	REGION_IN_SLOT, /* its last page is forbidden for good; without a region the others are free addresses */
};

/* A damaged region is reported once. */
enum region_damage { INTACT, DAMAGED, REPORTED };

/* The region of a number; the number of a region comes from whoever found it. */
struct region *region_at(uint32_t number) _nonnull_all_;
struct region_calls *region_calls_at(uint32_t number) _nonnull_all_;

/* Regions that lie one behind the other, by number. */
struct region_run {
	struct region *first; /* of the number from */
	uint32_t from;
	uint32_t count;
};

/* That in which a number is. */
struct region_run region_run_of(uint32_t number);

/*
 * As region_at(), for who goes through many.  The run is the caller's, all zero at first.  Those next to it
 * are fetched: to fetch what is none is no harm.
 */
static inline struct region *region_in_turn(struct region_run *run, uint32_t number, int ahead)
{
	struct region *r;

	if (number - run->from >= run->count)
		*run = region_run_of(number);
	r = run->first + (number - run->from);
	__builtin_prefetch((const void *)((uintptr_t)r + (uintptr_t)ahead * sizeof(*r)));
	return r;
}

/* The number of the region in whose struct region_calls the byte at an address is; 0: none.  Any context. */
uint32_t region_calls_of(uintptr_t at);

/* Numbers given out so far are below this.  Needs no lock; grows. */
uint32_t region_numbers_end(void);

static inline uintptr_t region_base(const struct region *r)
{
	return reveal((hidden_addr){ atomic_load_explicit(&r->base, memory_order_relaxed) });
}

static inline bool region_is_in_slot(const struct region *r)
{
	return atomic_load_explicit(&r->in_place, memory_order_relaxed) == REGION_IN_SLOT;
}

static inline size_t region_span(const struct region *r)
{
	return atomic_load_explicit(&r->span, memory_order_relaxed);
}

/*
 * The pages of the range that the region has; those before and behind are forbidden.
 *
 *     base        start             user's bytes           end        base + span
 *     | forbidden | the first page: ...[delta, delta + len)... | forbidden |
 */
struct region_pages {
	uintptr_t start;
	uintptr_t end;
};
static inline struct region_pages region_pages(const struct region *r)
{
	uintptr_t page = vm_page_size();
	uintptr_t user = region_base(r) +
			 atomic_load_explicit(&r->delta, memory_order_relaxed);
	size_t len = atomic_load_explicit(&r->len, memory_order_relaxed);

	return (struct region_pages){ user - user % page, vm_round_up(user + len) };
}

static inline size_t region_bytes(const struct region *r)
{
	struct region_pages pages = region_pages(r);

	return pages.end - pages.start;
}

/* ---- birth: FREE or POOLED to NEWBORN to LIVE */

/*
 * A NEWBORN region of span bytes in a range of the pool; 0: none fits.  The other is for slots.
 * Context: any thread; takes the region lock.
 */
uint32_t region_reuse(size_t span) _must_check_;
uint32_t region_reuse_slot(size_t span) _must_check_;

/*
 * A NEWBORN region in a range that overlay_new() made, of ordinary memory.  0: no memory;
 * the range is the collector's again. Context: as overlay_new(); takes the region lock.
 */
uint32_t region_create(size_t span) _must_check_;

/*
 * A NEWBORN number for a range that stands nowhere yet; 0: no memory.  The region lock is held.
 */
uint32_t region_number(uintptr_t base, size_t span, enum region_place place) _must_check_;

/* The other way, for a range that stands nowhere any more.  The region lock is held. */
void region_free_number(uint32_t number);

/* Takes a region that ends out of the statistics. */
void region_count_end(const struct region *r, bool closed) _nonnull_all_;

/* RELEASING to what it was before, queued: the kernel would not give its memory back. */
void region_doubt_again(uint32_t number);

/*
 * NEWBORN to LIVE.  The caller has the address in a register or on its stack, and keeps
 * it.
 */
void region_born(uint32_t number, const struct region_facts *facts) _nonnull_all_;

/* Of the last that was born: ids go up. */
uint64_t region_last_id(void);

/* LIVE to DOUBTED: a region whose address nobody has been given. */
void region_doubt(uint32_t number);

/* NEWBORN to gone: the mapping was refused.  lost: the range is not ours any more. */
void region_stillborn(uint32_t number, bool lost);

/* ---- being looked at */

/*
 * The region that p is in, held: it stays what it is until region_drop(), and a doubt is
 * withdrawn.  NULL: none.  Lock-free, any context.
 */
struct region *region_hold(const void *p) _must_check_;

/* The same for an address in one of its pages, whether a byte of the user's or not. */
struct region *region_hold_page(uintptr_t addr) _must_check_;

/* The same by number. */
struct region *region_hold_number(uint32_t number) _must_check_;

/*
 * The same, for one whose address the caller does not know: waits while verdicts are passed.
 * Context: a thread, not in a signal handler, no lock.
 */
struct region *region_show(uint32_t number) _must_check_;

/* The reaper passes verdicts between these two: nothing is shown meanwhile. */
void region_judge(void);
void region_judged(void);
void region_judging_after_fork(void);

/*
 * At the end of the marking of a cycle, before the signs of that collection: will it, as far as can
 * be told?  Any context while the world stands still; no lock.
 */
bool region_may_go_yet(uint32_t number, uint32_t cycle) _must_check_;

/* Would region_condemn() end it, as things are? */
bool region_may_go(uint32_t number, uint32_t cycle) _must_check_;

void region_drop(struct region *r) _nonnull_all_;

/*
 * The caller has a pointer and is about to let go of what kept the region without it (a
 * hold, a pin, its birth).  If marking is over in this cycle, the collector has not seen
 * the pointer, and the sign of this cycle must not count.  Any context.
 */
void region_touch(struct region *r) _nonnull_all_;

/*
 * What a call does to the life word of a region; 0, or a negative errno to leave it
 * alone.
 */
typedef int region_change_fn(struct region *r, uint64_t *life);

/*
 * Finds the region that p is in (page: of one of whose pages it is an address), ends a
 * doubt, and applies fn, all in one step, so that the region cannot become another in
 * between.  -ENOENT, or what fn says.  Lock-free, any context: it goes round again only
 * if somebody else got on.
 */
int region_change(const void *p, bool page, region_change_fn *fn, struct region **ret)
	_must_check_;

/* Pins of users in a life word of r, foster's own for an unseen maker left out. */
unsigned int region_user_pins(const struct region *r, uint64_t life) _nonnull_all_;

/* ---- the end; the caller holds the region, but for the first and the last two */

/* The collector's sign (gc_sign_fn): LIVE to DOUBTED, REVOKED to FADING, or nothing. */
bool region_sign(uintptr_t object);

/* For the collector (gc_each_fn): the objects that region_sign() would keep. */
void region_each_object(void (*fn)(uintptr_t object));

/* LIVE to REVOKED; -EALREADY.  The caller forbids the memory next. */
int region_revoke(struct region *r) _must_check_ _nonnull_all_;

/*
 * LIVE to DISOWNED: what is mapped there is not the region's any more
 * (region/identity.h).
 */
void region_abandon(struct region *r) _nonnull_all_;

/* Takes that back: the memory could not be forbidden. */
void region_unrevoke(struct region *r) _nonnull_all_;

/*
 * Revokes the pages [start, end) of a LIVE region: forbidden, and entered so.  *whole: no
 * other page is left, and the caller revokes the region.  -EALREADY: no page was left in
 * the range, or the region is not LIVE; -ENOMEM.  Takes the region lock.
 */
int region_revoke_part(struct region *r, uintptr_t start, uintptr_t end, bool *whole)
	_must_check_ _nonnull_all_;

/* LIVE to DISOWNED; -EALREADY where a page is revoked.  Takes the region lock. */
int region_disown(struct region *r) _must_check_ _nonnull_all_;

/*
 * A page of a held region has lost what the file had.  Any context, also a fault handler.
 */
void region_damage(struct region *r) _nonnull_all_;

/* True once for a held region that is damaged: the caller reports it. */
bool region_take_damage(struct region *r) _must_check_ _nonnull_all_;

/* DOUBTED or FADING to RELEASING: the sign alone decides.  False: it has been revived. */
bool region_settle(uint32_t number);

/*
 * For a round of the sweep (region/round.c), on the reaper.
 *   suspect   LIVE or REVOKED to DOUBTED or FADING; false: pinned or held
 *   condemn   DOUBTED or FADING to RELEASING: at the end of marking of that cycle nothing pointed to
 *             it.  False: it was revived, touched since, or the collector saw a pointer.
 *   acquit    DOUBTED or FADING to LIVE or REVOKED
 */
bool region_suspect(uint32_t number);
bool region_condemn(uint32_t number, uint32_t cycle);
void region_acquit(uint32_t number);

/*
 * Back-off.  A round kept the region: for some time, twice as long each time, it is not put in doubt
 * again.  spare_none: until it is taken back, none is spared.
 */
void region_spare(uint32_t number, uint64_t now);
bool region_is_spared(const struct region *r) _nonnull_all_;
bool region_is_spared_at(const struct region *r, uint64_t now) _nonnull_all_;
void region_spare_none(bool none);

/* It was taken from the doubt queue. */
void region_unqueue(uint32_t number);

/*
 * RELEASING to POOLED or FREE: memory and file are given back.  -ENOMEM: the kernel would
 * not, and the region is in doubt as before; ask again later. Context: no lock; needs no
 * collector.
 */
int region_release(uint32_t number) _must_check_;

/*
 * A range of the pool to FREE: the collector's again.  -ENOENT: none; -ENOMEM: POOLED as
 * before.
 */
int region_unpool(void) _must_check_;

/* The same of ranges that nobody needed since the last call: a share of them. */
void region_unpool_surplus(void);

/*
 * In the child of fork: calls of threads that are not there are ended for them.  What
 * they owned
 * (NEWBORN, RELEASING) goes, what they looked at is let go, what was in doubt is queued again.
 */
void region_inherit(uint32_t number);

/* A part of it: RELEASING to POOLED or FREE, whatever its owner has done already. */
void region_release_again(uint32_t number);

/* ---- for tests and fo_assert_full(): the invariants of region.c, of one region */

void region_check(uint32_t number);

#endif
