/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/pause.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mutant.h"
#include "base/sync.h"
#include "gc/gc.h"
#include "os/handlers.h"
#include "os/layout.h"
#include "os/registers.h"
#include "os/stacks.h"
#include "os/stop.h"
#include "os/thread.h"
#include "os/vm.h"
#include "track/sleepers.h"
#include "track/swapped.h"

#define RED_ZONE 128u		  /* that leaf functions use below the stack pointer */
#define WALKED_OVER ((uintptr_t)64 << 10) /* bytes of a gap that is not worth a walk of its own */
#define WALKED_ALONE ((uintptr_t)4 << 20) /* bytes of a mapping that is probably watched */
#define AHEAD_MOST 1024u	  /* mappings that are asked about at once */
#define WOKEN_MOST 64u		  /* gaps that are looked at one by one, a system call each */

/* ------------------------------------------------------------------ stacks and registers */

/* What lies below sp on the stack of a thread, as far as the stack is known. */
static void note_dead(struct sweep *s, pid_t tid, uintptr_t sp)
{
	const struct layout_entry *entry = layout_at(&s->layout, sp);
	uintptr_t low, high, live;

	if (!entry || !stacks_of(tid, &low, &high) || sp - low >= high - low)
		return;
	if (!(entry->prot & PROT_READ))
		return;
	if (low < entry->start)
		low = entry->start;
	if (high > entry->end)
		high = entry->end;
	live = handlers_interrupted(low, sp, high);
	if (live - low > RED_ZONE)
		evidence_dead(s->evidence, low, live - RED_ZONE);
}

static void note_dead_of(const struct stop_registers *regs, void *arg)
{
	note_dead(arg, regs->tid, regs->sp);
}

struct ended {
	struct sweep *sweep;
	uintptr_t low;
	uintptr_t high;
	bool used;
};

static void is_used_by(const struct stop_registers *regs, void *arg)
{
	struct ended *ended = arg;

	uintptr_t control = registers_control(regs->general, regs->general_bytes);

	/* The stack of a thread is in use while it runs on another, too: a coroutine's, a handler's. */
	ended->used |= !control || control == ended->high ||
		       (regs->sp >= ended->low && regs->sp < ended->high);
}

static bool is_readable(uintptr_t addr, void *arg)
{
	struct sweep *s = arg;
	const struct layout_entry *entry = layout_at(&s->layout, addr);

	return entry && entry->kind == LAYOUT_PRIVATE && entry->prot & PROT_READ;
}

static void note_ended(uintptr_t low, uintptr_t high, void *arg)
{
	struct sweep *s = arg;
	struct ended ended = { s, low, high, false };

	stop_each(s->stop, is_used_by, &ended);
	if (!ended.used)
		evidence_dead(s->evidence, low, high);
}

static void read_registers(const struct stop_registers *regs, void *arg)
{
	struct sweep *s = arg;

	reader_read_registers(&s->reader, regs->general, regs->general_bytes);
	if (regs->vector)
		reader_read_registers(&s->reader, regs->vector, regs->vector_bytes);
}

/* ------------------------------------------------------------------ memory */

static bool is_private(const struct layout_entry *entry)
{
	return entry->kind == LAYOUT_PRIVATE || entry->kind == LAYOUT_FILE;
}

/* A run of pages in private memory; it may go over several mappings, and what lies between. */
static int read_parts(const struct pages_run *run, void *arg)
{
	struct sweep *s = arg;
	struct pages_run part = *run;
	int err = 0;

	while (part.start < run->end && !err) {
		const struct layout_entry *entry = layout_at(&s->layout, part.start);

		if (!entry) { /* of our own scratch */
			part.start += vm_page_size();
			continue;
		}
		part.end = entry->end < run->end ? entry->end : run->end;
		s->reader.entry = entry;
		if (is_private(entry))
			err = reader_read_held(&part, &s->reader);
		part.start = part.end;
	}
	return err;
}

/* Written pages, or pages that are not watched. */
static int on_run(const struct tracking_run *run, void *arg)
{
	if (MUTANT(OLD_PAGES) && run->tracked)
		return 0;
	return read_parts(&run->pages, arg);
}

static bool is_left_out(const struct layout_entry *entry)
{
	return (MUTANT(SHARED_EARLY) && entry->kind == LAYOUT_SHARED) ||
	       (MUTANT(OTHER_MEMORY) && !gc_owns(entry->start));
}

/* A walk over private memory need not end there: a page of a region, say. */
static bool is_passed_over(const struct layout_entry *entry)
{
	return entry->kind == LAYOUT_SHARED && watched_is_small(entry);
}

static bool is_big(const struct layout_entry *entry)
{
	return entry->end - entry->start >= WALKED_ALONE;
}

/*
 * From entry i on, private memory with little else between: one walk.  The entry behind.  What is big is
 * walked alone: a walk is faster where all is watched.
 */
static size_t read_changed(struct sweep *s, size_t i, int *err)
{
	const struct layout_entry *entry = s->layout.entry;
	size_t end = i;

	while (end < s->layout.count && !(end > i && (is_big(&entry[i]) || is_big(&entry[end]))) &&
	       (is_private(&entry[end]) || is_passed_over(&entry[end])) &&
	       (end == i || entry[end].start - entry[end - 1].end < WALKED_OVER))
		end++;
	s->reader.partly = true;
	*err = tracking_scan(s->tracking, entry[i].start, entry[end - 1].end, on_run, s);
	s->reader.partly = false;
	return end;
}

/* The next belongs to the same walk: it is as small as all the others, and not far away. */
static bool goes_on(const struct layout_entry *entry)
{
	return is_private(entry) && !is_big(entry) && !is_left_out(entry) &&
	       entry->start - entry[-1].end < WALKED_OVER;
}

/* From entry i on, which is private: one walk over all that follow each other.  The entry behind. */
static size_t read_row(struct sweep *s, size_t i, int *err)
{
	const struct layout_entry *entry = s->layout.entry;
	size_t end = i + 1;
	bool files = entry[i].kind == LAYOUT_FILE;

	if (!is_big(&entry[i]))
		for (; end < s->layout.count && goes_on(&entry[end]); end++)
			files |= entry[end].kind == LAYOUT_FILE;
	*err = pages_held(entry[i].start, entry[end - 1].end, read_parts, s,
			  files ? PAGES_FILES : 0u);
	return end;
}

static int what_was_left_out(const struct sweep *s)
{
	return s->reader.swapped || s->reader.blind ? -EAGAIN : 0;
}

static int read_all_changed(struct sweep *s)
{
	size_t next;
	int err = 0;

	for (size_t i = 0; i < s->layout.count && !err; i = next) {
		next = i + 1;
		if (is_private(&s->layout.entry[i]) && !is_left_out(&s->layout.entry[i]))
			next = read_changed(s, i, &err);
	}
	return err;
}

/* How far mappings follow each other from the i-th on, or from one before that. */
static void look_ahead(struct sweep *s, size_t i)
{
	const struct layout_entry *entry = s->layout.entry;

	if (entry[i].end <= reveal(s->reader.mapped_to))
		return;
	/* Hidden: a region may end there, or begin. */
	s->reader.mapped_to = hide(entry[i].end);
	for (size_t n = i + 1; n < s->layout.count && n - i < AHEAD_MOST &&
			       entry[n].start == entry[n - 1].end;
	     n++)
		s->reader.mapped_to = hide(entry[n].end);
}

/* Entry i, or a row of them, unless the way has read it or will.  The entry behind. */
static size_t read_here(struct sweep *s, size_t i, int *err)
{
	const struct layout_entry *entry = &s->layout.entry[i];
	bool private = is_private(entry);

	if (is_left_out(entry) || (s->way == SWEEP_TRACKED && private) ||
	    (s->way == SWEEP_SNAPSHOT && private && !entry->odd_in_snapshot))
		return i + 1;
	if (s->way == SWEEP_PAUSE && private)
		return read_row(s, i, err);
	look_ahead(s, i);
	*err = reader_read(&s->reader, entry, entry->start, entry->end);
	return i + 1;
}

/* A region that is on no list; what it is is told by the owner of the suspects. */
static void read_gap(struct sweep *s, const struct gap *gap)
{
	const struct layout_entry entry = {
		.start = gap->from,
		.end = gap->to,
		.kind = LAYOUT_SHARED,
		.prot = PROT_READ,
	};

	if (!is_left_out(&entry))
		reader_read_there(&s->reader, &entry);
}

static void read_gaps(struct sweep *s)
{
	for (size_t i = 0; i < s->gaps.count; i++)
		if (gap_is_read(&s->gaps.gap[i]) && !s->gaps.gap[i].asleep)
			read_gap(s, &s->gaps.gap[i]);
}

/* False: it is no gap, and on no list yet. */
static bool read_sleeper(struct sweep *s, struct gap *gap)
{
	if (gap_is_read(gap))
		read_gap(s, gap);
	else
		gap->listed = false;
	return gap->listed;
}

/* All that sleep, looked at together.  True: all were as they should be. */
static bool read_rest(struct sweep *s)
{
	bool even = true;
	struct gap *gap;

	sleepers_wake_all(&s->gaps, s->evidence);
	while ((gap = sleepers_next(&s->gaps, s->evidence)))
		gap->late = true;
	gaps_look(&s->gaps);
	for (size_t i = 0; i < s->gaps.count; i++)
		if (s->gaps.gap[i].late)
			even &= read_sleeper(s, &s->gaps.gap[i]);
	return even;
}

/* The same of those that something speaks for; of all, if these are many or not as they should be. */
static bool read_woken(struct sweep *s)
{
	struct gap *gap;

	for (uint32_t n = 0; n < WOKEN_MOST; n++) {
		gap = sleepers_next(&s->gaps, s->evidence);
		if (!gap)
			return true;
		gaps_look_at(&s->gaps, gap);
		if (!read_sleeper(s, gap)) {
			(void)read_rest(s);
			return false;
		}
	}
	return read_rest(s);
}

/* Is something of the mapping in a gap that was none when it was looked at, and is on no list yet? */
static bool is_news(const struct layout_entry *entry, const struct gap *gap)
{
	return !gap->listed && gap->start < entry->end && entry->start < gap->end;
}

/* What of the list is new since sleepers were found to be no gaps. */
static int read_news(struct sweep *s)
{
	const struct gap *gap = s->gaps.gap, *end = gap + s->gaps.count;
	int err = 0;

	for (size_t i = 0; i < s->layout.count && !err; i++) {
		const struct layout_entry *entry = &s->layout.entry[i];
		const struct gap *at;

		while (gap < end && gap->end <= entry->start)
			gap++;
		for (at = gap; at < end && at->start < entry->end && !is_news(entry, at); at++)
			;
		if (at < end && is_news(entry, at) && !is_left_out(entry))
			err = reader_read(&s->reader, entry, entry->start, entry->end);
	}
	return err;
}

/*
 * Where one is not what it should be the kernel is asked once more, for all; so nobody may go on sleeping
 * who could turn out to be such another.
 */
static int read_sleepers(struct sweep *s)
{
	int err = 0;

	if (!MUTANT(NOBODY_WAKES) && !read_woken(s)) {
		gaps_merge(&s->gaps);
		err = pause_list(s);
		if (!err)
			err = read_news(s);
	}
	if (!err)
		evidence_read(s->evidence);
	return err;
}

/* All that the way leaves to read here and now. */
static int read_memory(struct sweep *s)
{
	int err = s->way == SWEEP_TRACKED ? read_all_changed(s) : 0;

	resident_init(&s->reader.resident);
	s->reader.mapped_to = hide(0);
	for (size_t i = 0; i < s->layout.count && !err;) {
		FOSTER_SYNC("sweep-deciding");
		i = read_here(s, i, &err);
	}
	if (!err && s->layout.around) {
		read_gaps(s);
		err = read_sleepers(s);
	}
	if (!err)
		err = swapped_look(s);
	return err ? err : what_was_left_out(s);
}

/* In the snapshot: what is not shared.  Its answer goes through shared scratch. */
struct answer {
	bool swapped;
	uint64_t bytes;
	_Atomic int err;
	_Atomic bool given;
};

static void read_copy(void *arg)
{
	struct sweep *s = arg;
	struct answer *answer = (struct answer *)(s->shared.base + s->shared.used);
	int err = layout_is_copied(&s->layout, &s->own);

	s->reader.copy = true;
	s->reader.read_to = s->reader.run_end = hide(0);
	for (size_t i = 0; i < s->layout.count && !err; i++) {
		const struct layout_entry *entry = &s->layout.entry[i];

		if (is_private(entry) && !entry->odd_in_snapshot)
			err = reader_read(&s->reader, entry, entry->start, entry->end);
	}
	answer->swapped = s->reader.swapped;
	answer->bytes = s->reader.bytes;
	answer->err = err ? err : what_was_left_out(s);
	answer->given = true;
}

static int take_snapshot(struct sweep *s)
{
	for (size_t i = 0; i < s->layout.count; i++)
		if (s->layout.entry[i].arena)
			return -ENOSYS; /* the kernel would not survive it (CVE-2026-45837) */
	return snapshot_take(&s->snapshot, read_copy, s);
}

int pause_list(struct sweep *s)
{
	return layout_read_around(&s->layout, &s->own, &s->shared, s->gaps.merged,
				  s->gaps.merged_count, s->gaps_owner->vouch);
}

static int read_all(struct sweep *s, const struct stop *stop)
{
	int err;

	/* A copy is read when it is too late to wake anybody. */
	if (s->way != SWEEP_SNAPSHOT && !s->reads_all)
		sleepers_choose(&s->gaps);
	gaps_look(&s->gaps);
	gaps_merge(&s->gaps);
	err = MUTANT(OLD_LIST) && s->layout.count ? 0 : pause_list(s);
	if (err)
		return err;
	if (s->layout.around)
		sleepers_begin(&s->gaps, s->evidence);
	stop_each(stop, note_dead_of, s);
	note_dead(s, s->owner, s->owner_sp);
	s->stop = stop;
	stacks_ended(is_readable, note_ended, s);
	if (!MUTANT(NO_REGISTERS))
		stop_each(stop, read_registers, s);
	if (s->way == SWEEP_TRACKED)
		reader_read_again(&s->reader, &s->layout);
	err = read_memory(s);
	if (!err && s->way == SWEEP_SNAPSHOT)
		err = take_snapshot(s);
	return err;
}

int pause_decide(struct sweep *s)
{
	uint64_t start = clock_ns();
	struct stop *stop;
	int err = stop_all(&stop, &s->own, s->process, s->owner, start + PAUSE_STOP_NS);

	if (err)
		return err;
	if (MUTANT(RUNNING)) /* those that the collector knows still stand */
		stop_end(stop);
	err = read_all(s, stop);
	if (!MUTANT(RUNNING))
		stop_end(stop);
	s->pause_ns = clock_ns() - start;
	return err;
}

int pause_end_snapshot(struct sweep *s)
{
	const struct answer *answer = (const struct answer *)(s->shared.base + s->shared.used);
	int err = snapshot_wait(&s->snapshot, clock_ns() + PAUSE_COPY_NS);

	if (err || !answer->given)
		return err ? err : -ECHILD;
	s->reader.swapped |= answer->swapped;
	s->reader.bytes = answer->bytes; /* what was read in the pause is in it */
	return answer->err;
}
