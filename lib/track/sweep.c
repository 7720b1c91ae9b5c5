/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/sweep.h"

#include <errno.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mutant.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/handlers.h"
#include "os/layout.h"
#include "os/peek.h"
#include "os/stacks.h"
#include "os/stop.h"
#include "os/thread.h"
#include "os/vm.h"
#include "track/pause.h"
#include "track/sleepers.h"
#include "track/swapped.h"

#define OWN_LEAST ((size_t)8 << 20) /* touched only as far as it is used */
#define OWN_MOST ((size_t)128 << 20)
#define SHARED_LEAST ((size_t)1 << 20)
#define KEEP_MOST ((size_t)32 << 20) /* kept between rounds: enough for all regions that mappings allow */
#define ALL_NS (60000 * NS_PER_MS)   /* for whatever else the companion does */
#define LOOK_NS (50 * NS_PER_MS)     /* between looks whether it is still there */
#define PASSES_MOST 4		     /* over what was written while the program runs */
#define PASS_ENOUGH ((uint64_t)1 << 20) /* bytes: what is left is for the pause */
#define GAPS_AROUND 1024u    /* that are not walked over at the end of the tracking */
#define SMALL_PROCESS ((uint64_t)6 << 20) /* private bytes, read in the pause at once */
#define SMALL_EACH ((uint64_t)1 << 10) /* more of them with each region that is read there anyway */

/* PREPARING -> READY -> PAUSED -> RESUMED, or from READY to ABANDONED.  Waiters sleep on it. */
enum phase { PREPARING, READY, PAUSED, RESUMED, ABANDONED };

static void become(struct sweep *s, enum phase to)
{
	atomic_store_explicit(&s->phase, to, memory_order_release);
	futex_wake(&s->phase);
}

static enum phase phase_of(struct sweep *s)
{
	return (enum phase)atomic_load_explicit(&s->phase, memory_order_acquire);
}

/*
 * Kept from round to round, without memory, and there from the start: when addresses or mappings run
 * out, rounds are what makes room.  One round at a time.
 */
static struct scratch kept_own;
static struct scratch kept_shared;
static struct tracking tracking = { .faults = { .fd = -1 } }; /* goes on until sweep_rest() */
static size_t own_bytes = OWN_LEAST; /* grows when it was too little */

static int open_scratch(struct scratch *kept, size_t bytes,
			int (*open)(struct scratch *, size_t))
{
	struct scratch larger;
	int err;

	if (kept->size >= bytes)
		return 0;
	err = open(&larger, bytes);
	if (err && kept->size) { /* perhaps there is room without it */
		scratch_close(kept);
		err = open(&larger, bytes);
	}
	if (!err) {
		scratch_close(kept);
		*kept = larger;
	}
	return err;
}

static void put_scratch(struct scratch *kept)
{
	if (kept->size > KEEP_MOST || (kept->size && scratch_reset(kept)))
		scratch_close(kept);
}

void sweep_open(void)
{
	/* Best effort, too. */
	(void)!open_scratch(&kept_own, own_bytes, scratch_open);
	(void)!open_scratch(&kept_shared, SHARED_LEAST, scratch_open_shared);
	layout_open();
	pages_open();
	peek_open();
	stop_open();
}

void sweep_after_fork(void)
{
	tracking_after_fork(&tracking);
	/* The parent goes on using what is shared. */
	scratch_close(&kept_own);
	scratch_close(&kept_shared);
	layout_after_fork();
	pages_after_fork();
	peek_after_fork();
	stop_after_fork();
	stacks_after_fork();
}

/* ------------------------------------------------------------------ in the companion, before */

/* Huge pages count as written every time: the pause reads them anyway. */
static int on_written(const struct pages_run *run, void *arg)
{
	struct reader *r = arg;

	if (!run->huge)
		reader_read_run(r, r->entry, run->start, run->end);
	return 0;
}

/* One more pass over what was written since the last; the bytes. */
static uint64_t read_written_early(struct sweep *s)
{
	uint64_t before = s->reader.bytes;

	s->reader.partly = true;
	for (size_t i = 0; i < s->watched.count; i++) {
		const struct layout_entry *entry = s->watched.entry[i];

		s->reader.entry = entry;
		/* Where it fails the range is no longer tracked, and is read in the pause. */
		(void)!tracking_written(s->tracking, entry->start, entry->end, true,
					on_written, &s->reader);
	}
	s->reader.partly = false;
	return s->reader.bytes - before;
}

static void read_until_little_is_written(struct sweep *s)
{
	uint64_t before = s->reader.bytes;

	for (int i = 0; i < PASSES_MOST; i++) {
		uint64_t written;

		FOSTER_SYNC("sweep-pass");
		written = read_written_early(s);
		if (written < PASS_ENOUGH || written > before / 4 * 3)
			return;
		before = written;
	}
}

/* Everything that can be watched, while the program runs. */
static int read_early(struct sweep *s)
{
	int err = tracking_begin(s->tracking);

	s->reader.early = true;
	if (!err)
		err = watched_begin(&s->watched, &s->layout, s->tracking, &s->reader,
				    &s->own);
	if (!err)
		read_until_little_is_written(s);
	s->reader.early = false;
	return err;
}

/* What the companion does. */
static void accompany(void *arg)
{
	struct sweep *s = arg;
	int err = s->way == SWEEP_TRACKED ? read_early(s) : 0;

	if (!err && MUTANT(NO_PAUSE))
		err = pause_decide(s);
	s->err = err;
	become(s, READY);
	while (phase_of(s) == READY)
		futex_wait(&s->phase, READY, UINT64_MAX);
	if (!err && phase_of(s) == PAUSED) {
		err = MUTANT(NO_PAUSE) ? 0 : pause_decide(s);
		s->err = err;
		become(s, RESUMED);
		if (!err && s->way == SWEEP_SNAPSHOT)
			s->err = pause_end_snapshot(s);
	}
	s->bytes = s->reader.bytes;
}

/* ------------------------------------------------------------------ on the thread that asks */

int sweep_begin(struct sweep *s, uint32_t capacity, evidence_owner_fn *owner,
		const struct gaps_owner *gaps)
{
	size_t bytes = suspects_room(capacity) + sizeof(*s->evidence) +
		       evidence_bytes(capacity) + vm_page_size();
	int err;

	*s = (struct sweep){
		.process = getpid(),
		.owner = thread_tid(),
		.gaps_owner = gaps,
		.tracking = &tracking,
	};
	err = open_scratch(&kept_own, own_bytes, scratch_open);
	if (!err)
		err = open_scratch(&kept_shared, bytes, scratch_open_shared);
	s->own = kept_own;
	s->shared = kept_shared;
	if (!err) {
		s->evidence = scratch_take(&s->shared, sizeof(*s->evidence));
		err = s->evidence ? suspects_init(&s->suspects, capacity, &s->shared) : -ENOMEM;
	}
	if (!err)
		err = evidence_init(s->evidence, &s->suspects, owner, &s->shared);
	if (!err)
		err = reader_init(&s->reader, &s->suspects, s->evidence, &s->own);
	if (err)
		sweep_end(s);
	return err;
}

void sweep_add(struct sweep *s, uintptr_t start, uintptr_t end, uint32_t number)
{
	suspects_add(&s->suspects, start, end, number);
}

void sweep_add_object(struct sweep *s, uintptr_t object)
{
	suspects_add(&s->suspects, object, object + 1, EVIDENCE_HEADER);
}

void sweep_end(struct sweep *s)
{
	put_scratch(&kept_own);
	put_scratch(&kept_shared);
	s->own = s->shared = (struct scratch){ 0 };
}

/* False: the companion is gone, or nothing comes of it. */
static bool wait_while(struct sweep *s, const struct companion *c, enum phase phase)
{
	uint64_t deadline = clock_ns() + ALL_NS;

	while (phase_of(s) == phase) {
		uint64_t now = clock_ns();

		if (now >= deadline || !companion_runs(c))
			return phase_of(s) != phase;
		futex_wait(&s->phase, phase, now + LOOK_NS);
	}
	return true;
}

struct round {
	struct sweep *sweep;
	const struct companion *companion;
};

/* Its frame and those below it are of the wait only; what is above is as evident as any stack. */
static _noinline_ void wait_paused(const struct round *round)
{
	struct sweep *s = round->sweep;

	s->owner_sp = (uintptr_t)__builtin_frame_address(0);
	s->cycle = gc_cycles();
	become(s, PAUSED);
	(void)wait_while(s, round->companion, PAUSED);
}

static void at_marked(void *arg)
{
	/*
	 * Finalizers of the host may be on this stack; what they have in registers goes to this frame.
	 */
	__builtin_unwind_init();
	wait_paused(arg);
	__asm__ volatile("" : : : "memory");
}

static void judge_late(void *arg)
{
	struct sweep *s = arg;

	/* Marks speak of the last collection; another may have begun. */
	if (gc_cycles() != s->cycle)
		s->err = -EAGAIN;
	else if (!MUTANT(ONE_JUDGEMENT))
		evidence_judge_late(s->evidence);
}

static void at_reclaimed(void *arg)
{
	struct round *round = arg;

	if (round->sweep->way != SWEEP_SNAPSHOT && phase_of(round->sweep) == RESUMED)
		judge_late(round->sweep);
}

/* The companion stands ready, or has failed. */
static int collect_with(struct sweep *s, const struct companion *c)
{
	struct round round = { s, c };
	int err;

	FOSTER_SYNC("sweep-pause");
	thread_wipe_stack();
	err = gc_decide(at_marked, at_reclaimed, &round);
	if (phase_of(s) == READY)
		become(s, ABANDONED);
	return err;
}

static int run(struct sweep *s)
{
	struct companion c;
	int err = companion_start(&c, &s->own, accompany, s);
	int end;

	if (err)
		return err;
	stop_permit(c.pid);
	if (!wait_while(s, &c, PREPARING))
		err = -ECHILD;
	else if (s->err)
		become(s, ABANDONED);
	else
		err = collect_with(s, &c);
	end = companion_wait(&c, err ? clock_ns() + PAUSE_STOP_NS : clock_ns() + 2 * ALL_NS);
	/* While the gaps are known; where they are few, the answer need not wait for it. */
	if (s->way == SWEEP_TRACKED && s->gaps.count >= GAPS_AROUND)
		tracking_end_around(s->tracking, s->gaps.merged, s->gaps.merged_count);
	if (!err)
		err = end;
	return err ? err : s->err;
}

static bool no_snapshot; /* there was an arena, or the kernel's long list is missing */
static bool no_tracking; /* it worked once, and was forbidden since */

/*
 * What is fastest here: only private memory can be read before the pause, or after it.  A tracked round
 * walks over all mappings four times, 0.5 us for each region; in that time 5 KiB are read.
 */
static enum sweep_way best_way(const struct sweep *s)
{
	if (vm_resident_private() < SMALL_PROCESS + SMALL_EACH * s->gaps.with_pages)
		return SWEEP_PAUSE;
	if (tracking_works() && !no_tracking)
		return SWEEP_TRACKED;
	return no_snapshot ? SWEEP_PAUSE : SWEEP_SNAPSHOT;
}

static void choose_way(struct sweep *s, enum sweep_way way)
{
	gaps_find(&s->gaps, s->gaps_owner, &s->own);
	s->way = way == SWEEP_BEST ? best_way(s) : way;
	if (s->way == SWEEP_SNAPSHOT) /* a copy has them all */
		s->gaps = (struct gaps){ .owner = s->gaps_owner };
	sleepers_find(&s->gaps, &s->suspects);
}

static bool is_refusal(int err)
{
	return err == -ENOSYS || err == -EPERM || err == -EACCES;
}

/* The list for what is read early tells as well whether there is something to learn. */
static int learn_and_list(struct sweep *s)
{
	int err = pause_list(s);

	if (err || !s->layout.open)
		return err;
	err = layout_learn_rest(&s->own);
	return err ? err : pause_list(s);
}

static int learn(struct sweep *s)
{
	if (s->way == SWEEP_SNAPSHOT)
		return layout_learn_all(&s->own);
	return learn_and_list(s);
}

int sweep_decide(struct sweep *s, enum sweep_way way)
{
	int err;

	mutant_choose();
	handlers_learn();
	sweep_rest();
	err = suspects_seal(&s->suspects, &s->shared);
	if (!err)
		choose_way(s, way);
	if (!err)
		err = learn(s);
	FOSTER_SYNC("sweep-begins");
	if (!err)
		err = run(s);
	swapped_fetch(s);
	FOSTER_SYNC("sweep-decided");
	if (!err && s->way == SWEEP_SNAPSHOT) {
		gc_locked(judge_late, s);
		err = s->err;
	}
	if (err == -ENOSYS && s->way == SWEEP_SNAPSHOT)
		no_snapshot = true;
	/* Before the pause nobody but the kernel says so. */
	if (is_refusal(err) && s->way == SWEEP_TRACKED && !s->cycle)
		no_tracking = true;
	return err;
}

void sweep_rest(void)
{
	if (tracking.faults.fd >= 0)
		FOSTER_SYNC("sweep-rests");
	tracking_end(&tracking);
}

void sweep_spare(struct sweep *s, uint32_t i)
{
	evidence_spare(s->evidence, i);
}

void sweep_close(struct sweep *s)
{
	evidence_close(s->evidence);
}

bool sweep_overslept(const struct sweep *s)
{
	return s->evidence->overslept && !MUTANT(OVERSLEPT);
}

bool sweep_grow(void)
{
	if (own_bytes >= OWN_MOST)
		return false;
	own_bytes *= 2;
	if (open_scratch(&kept_own, own_bytes, scratch_open) == 0)
		return true;
	own_bytes /= 2;
	return false;
}

enum evidence_place sweep_kept(const struct sweep *s, uint32_t i)
{
	return evidence_of(s->evidence, i);
}

uintptr_t sweep_witness(const struct sweep *s, uint32_t i)
{
	return evidence_witness(s->evidence, i);
}
