/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_adopt(), and whole rounds, while each call fails in turn (sweep.h). */
#include "sweep.h"

#include "failing.h"

/* What the host has, in a scene's memory that is no evidence: its complement. */
static struct adopted {
	uintptr_t complement;
	size_t len;
	_Atomic int released;
} adopted;

static void release_adopted(void *addr, size_t len, void *arg)
{
	if (arg != &adopted || ~(uintptr_t)addr != adopted.complement || len != adopted.len)
		_exit(2);
	memset(addr, 0, len);
	atomic_fetch_add(&adopted.released, 1);
}

/* Of the host: not counted, and as it is before foster is armed. */
static NOINLINE void map_for_host(struct scene *s)
{
	char *p = mmap(NULL, (PATTERNED_PAGES + 2) * page_size(), PROT_NONE, ANON, -1, 0);

	must(p != MAP_FAILED);
	p += page_size();
	must(mprotect(p, PATTERNED_PAGES * page_size(), RW) == 0);
	pattern_fill(p, PATTERNED_PAGES * page_size());
	adopted.len = s->trial->flags ? (size_t)s->trial->flags : PATTERNED_PAGES * page_size();
	adopted.complement = ~((uintptr_t)p + (s->trial->flags ? 8 : 0));
}

static NOINLINE int call_adopt(struct scene *s)
{
	void *p = hidden_show((struct hidden){ adopted.complement });
	foster_release_fn *release = s->trial->flags ? release_adopted : NULL;

	if (!foster_adopt(p, adopted.len, release, release ? &adopted : NULL))
		return -errno;
	s->p = p;
	return 0;
}

static NOINLINE bool adopted_is_tracked(void)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(hidden_show((struct hidden){ adopted.complement }), &info) == 0;
}

static NOINLINE bool adopted_is_whole(void)
{
	const char *p = hidden_show((struct hidden){ adopted.complement });
	const size_t skipped = (uintptr_t)p % page_size();

	return pattern_holds(p, adopted.len / 8 * 8, skipped);
}

static bool adopted_is_gone(void *unused UNUSED)
{
	return !adopted_is_tracked();
}

/* It goes, once, and is not unmapped where a callback has it. */
static void undo_adopt(struct scene *s)
{
	struct maps_line line = { 0 }; /* nothing that was there before */

	must(adopted_is_tracked() && adopted_is_whole());
	must(stats_now().regions == s->before.regions + 1);
	must(stats_now().in_place == 1);
	collect_times(1);
	must(adopted_is_tracked() && adopted_is_whole());
	s->p = NULL;
	forget();
	must(collecting_until(adopted_is_gone, NULL, ROUNDS));
	must(atomic_load(&adopted.released) == (s->trial->flags != 0));
	must(maps_line_of((struct hidden){ adopted.complement }, &line) ==
	     (s->trial->flags != 0));
}

#define ADOPT(...)                                                                \
	{                                                                         \
		.call = call_adopt, .prepare = map_for_host, .undo = undo_adopt,  \
		.errors = { LACKS }, __VA_ARGS__                                  \
	}

SURVIVES(foster_adopt_of_pages_survives_each_failing_call, ADOPT(.len = 0))
SURVIVES(foster_adopt_of_bytes_survives_each_failing_call, ADOPT(.flags = 100))
SURVIVES(foster_adopt_as_the_first_call_survives_each_failing_call, ADOPT(.first = true))
SURVIVES(foster_adopt_on_an_unknown_thread_survives_each_failing_call,
	 ADOPT(.flags = 100, .plain = true))

/* One that goes, one that malloc's memory has the pointer to. */
static void *volatile *round_holder;
static struct mark round_held;

static NOINLINE void adopt_two(struct scene *s)
{
	void *p;

	round_holder = calloc(4, sizeof(*round_holder));
	must(round_holder);
	map_for_host(s);
	must(call_adopt(s) == 0);
	p = s->p;
	s->p = NULL;
	round_holder[2] = p;
	round_held = mark_of(p);
	drop_some(s);
}

/* Whatever failed: what is held was not released, and is whole. */
static int call_round(struct scene *s UNUSED)
{
	int r = foster_collect(10000);

	(void)failing_disarm();
	must(adopted_is_tracked() && adopted_is_whole());
	must(mark_is_tracked(&round_held));
	must(atomic_load(&adopted.released) == 0);
	return r;
}

/* Later rounds work: what was dropped goes, and what is held stays. */
static void undo_round(struct scene *s)
{
	const uint64_t regions = stats_now().regions;

	drop_some(s);
	collect_times(ROUNDS);
	/* A word that looks like a pointer may keep one of them. */
	must(stats_now().regions <= regions + 1);
	must(stats_now().regions <= s->before.regions - DROPPED + 1);
	must(adopted_is_tracked() && adopted_is_whole());
	must(foster_disown(round_holder[2]) == 0);
}

/* -EAGAIN: a round that could decide nothing. */
#define ROUND(...)                                                                 \
	{                                                                          \
		.call = call_round, .prepare = adopt_two, .undo = undo_round,      \
		.releases = true, .errors = { LACKS, EMFILE, EAGAIN }, __VA_ARGS__         \
	}

SURVIVES(a_round_in_the_pause_survives_each_failing_call,
	 ROUND(.flags = 100, .sweep = FOSTER_SWEEP_PAUSE))
SURVIVES(a_tracked_round_survives_each_failing_call,
	 ROUND(.flags = 100, .sweep = FOSTER_SWEEP_TRACKED))
SURVIVES(a_round_of_a_snapshot_survives_each_failing_call,
	 ROUND(.flags = 100, .sweep = FOSTER_SWEEP_SNAPSHOT))
SURVIVES(a_round_over_adopted_pages_survives_each_failing_call,
	 ROUND(.sweep = FOSTER_SWEEP_TRACKED))
