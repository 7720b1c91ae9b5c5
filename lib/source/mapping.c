/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/mapping.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "guard/fault.h"
#include "os/inode.h"
#include "os/stacks.h"
#include "region/core.h"
#include "region/pace.h"
#include "region/place.h"
#include "region/reaper.h"
#include "region/region.h"
#include "region/round.h"
#include "region/stats.h"
#include "track/overlay.h"

/*
 * From here on the kernel maps files and memory in pieces of this size, if address and
 * offset are alike below it.
 */
#define HUGE_BYTES ((size_t)2 << 20)
/*
 * From here on ranges come in eight sizes for each power of two, so that the pool can
 * match.
 */
#define CLASS_BYTES ((size_t)256 << 10)
#define CLASSES_PER_DOUBLING 8

/* What is to be made, worked out from a request. */
struct plan {
	const struct mapping_request *rq;
	size_t bytes; /* of the pages to be mapped */
	size_t span;  /* of the range that they lie in */
	bool aligned; /* there is room to make address and offset alike */
	bool known;   /* the collector knows this thread */
	bool in_place; /* the collector's heap is no place for it, or its blocks are too small */
	bool slotted;  /* and it is small */
};

static size_t round_to_class(size_t bytes)
{
	size_t step = vm_page_size();

	if (bytes >= CLASS_BYTES)
		step = ((size_t)1 << (63 - __builtin_clzll(bytes))) / CLASSES_PER_DOUBLING;
	return (bytes + step - 1) & ~(step - 1);
}

/* Without frills where they would make the range too large. */
static int make_plan(struct plan *plan, const struct mapping_request *rq)
{
	size_t bytes = vm_round_up(rq->delta + rq->len);
	bool huge = bytes >= HUGE_BYTES;
	size_t span;

	fo_assert(rq->len && rq->delta < vm_page_size());
	if (!bytes || rq->delta + rq->len < rq->len)
		return -EOVERFLOW;
	if (overlay_fits(bytes) || place_is_better(bytes)) {
		*plan = (struct plan){ rq, bytes, bytes, huge, false, true, bytes < PLACE_BYTES };
		return 0;
	}
	span = round_to_class(bytes + (huge ? HUGE_BYTES : 0));
	if (overlay_fits(span))
		span = bytes;
	*plan = (struct plan){ rq, bytes, span, huge && span > bytes, false, false, false };
	return 0;
}

/* Where in the range at base the pages go. */
static size_t shift_of(const struct plan *plan, uintptr_t base)
{
	return plan->aligned && !plan->in_place ? ((uintptr_t)plan->rq->what.off - base) % HUGE_BYTES : 0;
}

/* A NEWBORN region: from the pool, of this thread's making, or of the reaper's. */
static int newborn(const struct plan *plan, uint32_t *number)
{
	*number = region_reuse(plan->span);
	if (*number) {
		stats_add(reused, 1);
		return 0;
	}
	*number = plan->known ? region_create(plan->span) : reaper_make(plan->span);
	if (!*number)
		return -ENOMEM;
	/*
	 * What the mapping will not cover is forbidden, as it is in a range of the pool.
	 */
	if (plan->bytes == plan->span)
		return 0;
	return vm_forbid(region_base(region_at(*number)), plan->span);
}

/*
 * Small anonymous memory must not merge with the collector's heap around it: splitting it
 * off again doubles the cost of a release.  The kernel (from 6.7) takes a stack for
 * memory without huge pages, which makes the two different and means nothing below the
 * size of one.
 */
static struct vm_what unmerged(const struct plan *plan)
{
	struct vm_what what = plan->rq->what;

	if ((what.flags & MAP_ANONYMOUS) && plan->bytes < HUGE_BYTES)
		what.flags |= MAP_STACK;
	return what;
}

/* In a slot that another region had.  0, -EEXIST: there is none, or the errno of mmap(2). */
static int map_in_old_slot(const struct plan *plan, uint32_t *number)
{
	int err = -EEXIST;

	while (err == -EEXIST && (*number = region_reuse_slot(plan->bytes + vm_page_size()))) {
		FOSTER_SYNC("newborn");
		err = vm_map_there(region_base(region_at(*number)), plan->bytes, &plan->rq->what);
		/* Where something is by now, the slot is none any more. */
		if (err)
			region_stillborn(*number, err == -EEXIST);
	}
	stats_add(reused, !err);
	return err;
}

static enum region_place map_beside(const struct plan *plan, uintptr_t *start, int *err)
{
	*err = plan->slotted ? vm_map_alone(plan->bytes, &plan->rq->what, start) : -ENOSPC;
	if (!*err)
		return REGION_IN_SLOT;
	*err = vm_map_apart(plan->bytes, plan->aligned ? HUGE_BYTES : 0, &plan->rq->what, start);
	return REGION_IN_PLACE;
}

/* Without the collector; an inaccessible page behind it is the region's, too. */
static int map_in_place(const struct plan *plan, uint32_t *number)
{
	const size_t span = plan->bytes + vm_page_size();
	enum region_place place;
	uintptr_t start;
	int err = plan->slotted ? map_in_old_slot(plan, number) : -EEXIST;

	if (err != -EEXIST)
		return err;
	place = map_beside(plan, &start, &err);
	if (err)
		return err;
	err = place_enter(start, span, place, number);
	if (err)
		(void)!vm_unmap(start, span);
	return err == -EEXIST ? -ENOMEM : err;
}

/* 0, or a negative errno with nothing left behind. */
static int map_once(const struct plan *plan, uint32_t *number)
{
	struct vm_what what = unmerged(plan);
	int err = newborn(plan, number);
	uintptr_t start;

	if (!*number)
		return err;
	FOSTER_SYNC("newborn");
	start = region_base(region_at(*number));
	start += shift_of(plan, start);
	if (!err)
		err = vm_lay(start, plan->bytes, &what);
	if (err)
		region_stillborn(*number, err == -ENOTRECOVERABLE);
	return err == -ENOTRECOVERABLE ? -ENOMEM : err;
}

/* Short of memory, addresses or mappings, what is unreachable may be in the way. */
static int map_twice(const struct plan *plan, uint32_t *number)
{
	int (*map)(const struct plan *, uint32_t *) = plan->in_place ? map_in_place : map_once;
	int err = map(plan, number);

	if (err != -ENOMEM)
		return err;
	stats_add(retried, 1);
	reaper_relieve();
	return map(plan, number);
}

static void keep_pace(size_t bytes)
{
	reaper_notice();
	if (pace_note(bytes))
		reaper_pace();
}

/*
 * What cannot be advised as asked is no region: nobody is given its address, and the
 * reaper releases it.  Not here and now, for that could fail.
 */
static int advise(const struct mapping_request *rq, uint32_t number,
		  struct region_facts *facts)
{
	uintptr_t user = region_base(region_at(number)) + facts->delta;
	int err = 0;

	if (rq->advice)
		err = vm_advise(user - rq->delta, vm_round_up(rq->delta + rq->len), rq->advice);
	if (!err)
		return 0;
	facts->unseen = false;
	region_born(number, facts);
	region_doubt(number);
	return err;
}

/*
 * What is behind the mapping, and who it is if the descriptor tells: of the kernel's memory files the
 * list of mappings shows what stat(2) does; other file systems have device numbers of their own there.
 */
static enum region_backing backing_of(const struct vm_what *what, struct identity *identity)
{
	struct inode file;

	if (what->flags & MAP_ANONYMOUS) {
		if (what->flags & MAP_SHARED)
			return BACKING_MEMORY; /* a file of its own, even if the user named none */
		*identity = IDENTITY_ANONYMOUS;
		return BACKING_ANONYMOUS;
	}
	if (!(what->flags & MAP_SHARED) || inode_ask(what->fd, &file) || !S_ISREG(file.mode))
		return BACKING_OTHER;
	if (file.device != vm_memory_device())
		return BACKING_FILE;
	*identity = identity_of_file(file.device, file.number, (uint64_t)what->off);
	return BACKING_MEMORY;
}

int mapping_new(const struct mapping_request *rq, void **ret)
{
	struct region_facts facts = {
		.len = rq->len,
		.source = rq->source,
		.prot = rq->what.prot,
		.survives = rq->survives,
		.on_damage = rq->on_damage,
		.damage_arg = rq->damage_arg,
	};
	struct plan plan;
	uint32_t number;
	uintptr_t base, user;
	int err = make_plan(&plan, rq);

	if (!err)
		err = core_ready();
	if (!err && gc_finds_leaks())
		err = -ENOTSUP;
	if (!err && (rq->survives || gc_owns_faults()))
		err = guard_install();
	if (err)
		return err;
	stacks_note();
	plan.known = gc_thread_known();
	err = map_twice(&plan, &number);
	if (err)
		return err;
	base = region_base(region_at(number));
	/* The sweep sees every thread. */
	facts.unseen = !plan.known && round_trusts_sign();
	facts.delta = shift_of(&plan, base) + rq->delta;
	user = base + facts.delta;
	facts.backing = backing_of(&rq->what, &facts.identity);
	if (!facts.identity.known)
		facts.identity = identity_of(base + shift_of(&plan, base));
	err = advise(rq, number, &facts);
	if (err)
		return err;
	*ret = (void *)user;
	region_born(number, &facts);
	keep_pace(plan.bytes);
	/* Up to here this frame holds the address where the collector looks. */
	__asm__ volatile("" : : "r"(user) : "memory");
	return 0;
}
