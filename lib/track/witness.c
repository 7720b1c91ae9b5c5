/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/witness.h"

#include <errno.h>
#include <stddef.h>

#include "base/check.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/companion.h"
#include "os/pages.h"
#include "os/stacks.h"
#include "os/thread.h"
#include "os/vm.h"
#include "track/look.h"

#define WORD sizeof(uintptr_t)
#define LOOK_NS (1000 * NS_PER_MS) /* for all of them */
#define WINDOW_PAGES 64u	   /* that the kernel is asked about at once */
#define WINDOWS 1024u		   /* remembered, by hashing */
#define ASKED_ALWAYS 64u /* of the windows; beyond that, one for so many questions ... */
#define ASKED_FOR 16u	 /* ... since it costs as much as these do in a sweep */
#define BACK_FOR 64u	 /* questions that are worth the way back */
#define STEP_MOST 4096	 /* bytes between words whose targets were made one after the other */

/* What is known of some pages in a row, one bit each. */
struct window {
	uintptr_t first;   /* their first page; 0: nothing is known */
	uint64_t there;	   /* private memory that is there */
	uint64_t examined; /* ... and the next two are known */
	uint64_t ordinary; /* a word may count */
	uint64_t mixed;	   /* but some words of the page are regions', or arguments of their callbacks */
};

/* A word that points to what a number names; at 0: none. */
struct find {
	uintptr_t at;
	uint32_t number;
};

/* What the distance of words goes with. */
enum habit { BY_ORDER, BY_NUMBER, HABITS };

struct looking {
	const struct witness_owner *owner;
	const struct scratch *own;
	const struct scratch *shared;
	struct window *window;
	uint32_t number; /* of the question */
	bool backwards;	 /* what has no answer is asked about once more, from the other side */
	uint32_t questions;
	uint32_t unanswered;
	uint32_t asked; /* the kernel, about windows */
	uintptr_t offset; /* bits of an address within its page */
	uintptr_t page;	  /* that is being loaded from */
	uintptr_t clean; /* the last page where all words count */
	/* The last that was found, and the one before. */
	struct find last;
	struct find before;
	int64_t step[HABITS]; /* bytes */
};

/* ------------------------------------------------------------------ pages */

static struct window *window_of(const struct looking *l, uintptr_t addr)
{
	uintptr_t index = addr / (WINDOW_PAGES * vm_page_size());

	return &l->window[(index * 0x9e3779b97f4a7c15u >> 40) % WINDOWS];
}

static uint64_t bit_of(const struct window *w, uintptr_t addr)
{
	uintptr_t page = (addr - w->first) / vm_page_size();

	fo_assert(addr >= w->first && page < WINDOW_PAGES);
	return (uint64_t)1 << page;
}

static int on_held(const struct pages_run *run, void *arg)
{
	struct window *w = arg;

	if (run->anonymous && !run->swapped)
		for (uintptr_t page = run->start; page < run->end; page += vm_page_size())
			w->there |= bit_of(w, page);
	return 0;
}

/* False: too many were asked about, for so few questions. */
static bool ask_window(struct looking *l, struct window *w, uintptr_t first)
{
	if (l->asked > ASKED_ALWAYS + l->questions / ASKED_FOR)
		return false;
	l->asked++;
	*w = (struct window){ .first = first };
	/* Nothing of a device or a file, where a load might do more than load. */
	if (pages_held(first, first + WINDOW_PAGES * vm_page_size(), on_held, w,
		       PAGES_FILES | PAGES_SCANNED))
		w->there = 0;
	return true;
}

static bool is_in_scratch(const struct scratch *s, uintptr_t addr)
{
	return addr - s->base < s->size;
}

static void examine(const struct looking *l, struct window *w, uintptr_t page, uint64_t bit)
{
	w->examined |= bit;
	if (gc_owns(page) || gc_has_headers(page) ||
	    stacks_were(page, page + vm_page_size()) || is_in_scratch(l->own, page) ||
	    is_in_scratch(l->shared, page))
		return;
	w->ordinary |= bit;
	if (l->owner->owns_page(page))
		w->mixed |= bit;
}

/* The same of a page that is not the last one. */
static bool is_in_ordinary(struct looking *l, uintptr_t at)
{
	size_t page = vm_page_size(), bytes = WINDOW_PAGES * page;
	uintptr_t first = at - at % bytes;
	struct window *w = window_of(l, at);
	uint64_t bit;

	if (!first)
		return false;
	if (w->first != first && !ask_window(l, w, first))
		return false;
	bit = bit_of(w, at);
	if (!(w->there & bit))
		return false;
	if (!(w->examined & bit))
		examine(l, w, at - at % page, bit);
	if (!(w->ordinary & bit))
		return false;
	if (w->mixed & bit)
		return !l->owner->owner(at);
	l->clean = at - at % page;
	return true;
}

/* Is what keeps the word at an address memory like any other? */
static bool is_ordinary(struct looking *l, uintptr_t at)
{
	if (at % sizeof(uint32_t) || (at & l->offset) > l->offset + 1 - WORD)
		return false;
	return (l->clean && at - l->clean <= l->offset) || is_in_ordinary(l, at);
}

/* ------------------------------------------------------------------ words */

/* Out of line, so that a fault finds all that was stored before. */
_reads_all_ static _noinline_ uintptr_t load(struct looking *l, uintptr_t at)
{
	const volatile uint32_t *half = (const volatile uint32_t *)at;

	l->page = at & ~l->offset;
	__asm__ volatile("" : : : "memory");
	return half[0] | (uintptr_t)half[1] << 32;
}

static bool points_to(struct looking *l, const struct witness *w, uintptr_t at)
{
	uintptr_t word;

	if (!is_ordinary(l, at))
		return false;
	word = load(l, at);
	return word >= w->start && word <= w->end;
}

static void learn(struct looking *l, const struct witness *w)
{
	l->before = l->last;
	l->last = (struct find){ w->at, w->number };
}

/*
 * How far two numbers are apart: as what they name was made, or else as they are, which is the other way
 * round where numbers were free before.
 */
static int64_t between(const struct looking *l, enum habit habit, uint32_t from, uint32_t to)
{
	if (habit == BY_NUMBER)
		return (int64_t)to - (int64_t)from;
	return (int64_t)(l->owner->order(to) - l->owner->order(from));
}

static void learn_step(struct looking *l, enum habit habit)
{
	int64_t bytes = (int64_t)(l->last.at - l->before.at);
	int64_t apart = between(l, habit, l->before.number, l->last.number);

	if (apart && bytes % apart == 0 && bytes / apart >= -STEP_MOST &&
	    bytes / apart <= STEP_MOST)
		l->step[habit] = bytes / apart;
}

/* Pointers to what was made one after the other often lie at the same distance. */
static bool guess(struct looking *l, struct witness *w)
{
	const uintptr_t was = w->at;

	if (!l->last.at)
		return false;
	for (enum habit habit = 0; habit < HABITS; habit++) {
		if (l->before.at)
			learn_step(l, habit);
		w->at = l->last.at +
			(uintptr_t)(l->step[habit] * between(l, habit, l->last.number, w->number));
		if (w->at && w->at != was && points_to(l, w, w->at))
			return true;
	}
	return false;
}

static void answer(struct looking *l, struct witness *w)
{
	l->questions++;
	if ((l->backwards || !w->at || !points_to(l, w, w->at)) && !guess(l, w)) {
		l->unanswered++;
		return;
	}
	learn(l, w);
	l->owner->holds(w);
}

static void answer_all(void *arg)
{
	struct looking *l = arg;
	struct witness w;

	while (l->owner->next(&l->number, l->backwards, &w))
		if (w.held)
			learn(l, &w);
		else
			answer(l, &w);
}

/* A page that faults is not looked at again, and goes without its word. */
static void look_along(struct looking *l)
{
	uintptr_t fault;

	while (!companion_guarded(answer_all, l, &fault)) {
		struct window *w = window_of(l, l->page);

		w->there &= ~bit_of(w, l->page);
		l->clean = 0;
	}
}

/* In the companion. */
static void look(void *arg)
{
	struct looking *l = arg;

	look_along(l);
	/* New ones may come before those beside which they are. */
	if (!l->last.at || l->unanswered < BACK_FOR)
		return;
	l->backwards = true;
	l->number = 0;
	look_along(l);
}

int witness_look(const struct witness_owner *owner, struct scratch *own,
		 const struct scratch *shared)
{
	struct looking *l = scratch_take(own, sizeof(*l));
	struct companion c;
	int err;

	if (!l)
		return -ENOMEM;
	*l = (struct looking){
		.owner = owner,
		.own = own,
		.shared = shared,
		.window = scratch_take(own, WINDOWS * sizeof(struct window)),
		.offset = vm_page_size() - 1,
		.step = { WORD, WORD },
	};
	if (!l->window)
		return -ENOMEM;
	FOSTER_SYNC("witnesses");
	err = companion_start(&c, own, look, l);
	return err ? err : companion_wait(&c, clock_ns() + LOOK_NS);
}
