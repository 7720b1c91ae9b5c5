/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/reader.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "os/companion.h"
#include "os/pages.h"
#include "os/peek.h"
#include "os/vm.h"
#include "track/scan.h"

#define WORD sizeof(uintptr_t)
#define STEP sizeof(uint32_t)
#define COPY_PIECE ((uintptr_t)1 << 20) /* its pages are touched, then read */

int reader_init(struct reader *r, const struct suspects *suspects, struct evidence *evidence,
		struct scratch *scratch)
{
	*r = (struct reader){
		.suspects = suspects,
		.evidence = evidence,
		.buffer = scratch_take(scratch, READER_BUFFER),
		.read_to = hide(0),
		.run_end = hide(0),
		.mapped_to = hide(0),
	};
	return r->buffer ? 0 : -ENOMEM;
}

static void found(struct reader *r, uintptr_t at, uint32_t index)
{
	if (r->early)
		evidence_early(r->evidence, at, index);
	else
		evidence_judge(r->evidence, r->entry, at, index);
}

/* ------------------------------------------------------------------ one run of pages */

struct span {
	struct reader *reader;
	uintptr_t start;
	uintptr_t end;
	uintptr_t shift; /* from the address where it is read to the one that it stands for */
};

static void on_shifted_hit(uintptr_t at, uint32_t index, void *arg)
{
	const struct span *span = arg;

	found(span->reader, at + span->shift, index);
}

static void match(struct span *span, uintptr_t word, uintptr_t at)
{
	uint32_t index[2];

	for (unsigned int n = suspects_match(span->reader->suspects, word, index); n > 0; n--)
		on_shifted_hit(at, index[n - 1], span);
}

/*
 * A word that lies across the edge of what holds something: its other half is zero.  (A pointer may
 * have zeros in its lower half; one below 4 GiB has them in its upper.)
 */
static void scan_edges(struct span *span, bool joined)
{
	uintptr_t first = *(const volatile uint32_t *)span->start;
	uintptr_t last = *(const volatile uint32_t *)(span->end - STEP);

	if (!joined)
		match(span, first << 32, span->start - STEP);
	match(span, last, span->end - STEP);
}

/*
 * Page tables of a copy are made without the mark that a page was used, and the processor sets it at the first
 * touch: of one page after the other it does so at once, where a scan would wait for each.
 */
_reads_all_ static void touch_each(const struct span *span)
{
	for (uintptr_t at = span->start; at < span->end; at += vm_page_size())
		(void)*(const volatile char *)at;
}

static void scan_span(void *arg)
{
	struct span *span = arg;
	struct reader *r = span->reader;
	/* The pages before were read just now: a word may lie across. */
	bool joined = !span->shift && reveal(r->read_to) == span->start;
	/* Where only what was written is read, the neighbours hold something too. */
	bool partly = r->partly && !span->shift && !r->entry->uffd;
	uintptr_t before = joined || (partly && span->start > r->entry->start) ? STEP : 0;
	uintptr_t behind = partly && span->end < r->entry->end ? STEP : 0;

	if (r->copy && !span->shift)
		touch_each(span);
	scan(r->suspects, span->start - before, span->end + behind, on_shifted_hit, span);
	scan_edges(span, before != 0);
}

/* False: there was a fault, and what is behind does not join. */
static bool scan_whole(struct reader *r, uintptr_t start, uintptr_t end)
{
	struct span span = { r, start, end, 0 };
	uintptr_t fault;
	bool whole = companion_guarded(scan_span, &span, &fault);

	r->read_to = hide(whole ? end : 0);
	return whole;
}

/* The neighbours may be what has no memory. */
static bool scan_alone(struct reader *r, uintptr_t start, uintptr_t end)
{
	bool partly = r->partly;
	bool whole;

	r->partly = false;
	r->read_to = hide(0);
	whole = scan_whole(r, start, end);
	r->partly = partly;
	return whole;
}

static void scan_guarded(struct reader *r, uintptr_t start, uintptr_t end)
{
	size_t page = vm_page_size();

	if (scan_whole(r, start, end))
		return;
	/*
	 * Something there has no memory: the end of a file that was truncated, or it has just been unmapped.
	 * Page by page, so that all the others are read.
	 */
	for (; start < end; start += page)
		if (!scan_whole(r, start, start + page))
			(void)!scan_alone(r, start, start + page);
}

/* What the kernel has copied of there. */
static void scan_copied(struct reader *r, uintptr_t at, size_t bytes)
{
	struct span span = { .reader = r, .start = (uintptr_t)r->buffer };

	span.end = span.start + (bytes & ~(STEP - 1));
	span.shift = at - span.start;
	if (span.end > span.start)
		scan_span(&span);
}

/*
 * What is not readable: by the kernel, into a buffer.  Each piece begins with the end of what is before
 * it, where that was read or holds something: a word may lie across.
 */
static void scan_peeked(struct reader *r, uintptr_t start, uintptr_t end)
{
	size_t page = vm_page_size();

	if (reveal(r->run_end) == start || (r->partly && start > r->entry->start))
		start -= STEP;
	if (r->partly && end < r->entry->end)
		end += STEP;
	while (start < end) {
		size_t want = end - start < READER_BUFFER ? end - start : READER_BUFFER;
		ssize_t got = peek_read(start, r->buffer, want);

		r->blind |= got < 0;
		if (got <= 0) {
			start = (start / page + 1) * page;
			continue;
		}
		scan_copied(r, start, (size_t)got);
		start += (size_t)got;
		if (start < end && (size_t)got > STEP)
			start -= STEP;
	}
}

/* The run before could not be read as this one can; a word may lie across both. */
static void scan_seam(struct reader *r, uintptr_t start)
{
	ssize_t got = peek_read(start - STEP, r->buffer, WORD);

	r->blind |= got < 0;
	if (got > 0)
		scan_copied(r, start - STEP, (size_t)got);
}

void reader_read_run(struct reader *r, const struct layout_entry *entry, uintptr_t start,
		     uintptr_t end)
{
	bool readable = entry->prot & PROT_READ;

	r->entry = entry;
	r->bytes += end - start;
	if (!readable && r->copy)
		readable = vm_make_readable(start, end - start) == 0;
	if (!readable && r->copy) {
		r->blind = true; /* what could be peeked at is not the copy */
	} else if (!readable) {
		scan_peeked(r, start, end);
		r->read_to = hide(0);
	} else if (r->copy) {
		for (uintptr_t at = start; at < end; at += COPY_PIECE)
			scan_guarded(r, at, end - at < COPY_PIECE ? end : at + COPY_PIECE);
	} else {
		if (reveal(r->run_end) == start && reveal(r->read_to) != start)
			scan_seam(r, start);
		scan_guarded(r, start, end);
	}
	r->run_end = hide(end);
}

void reader_read_there(struct reader *r, const struct layout_entry *entry)
{
	r->entry = entry;
	r->bytes += entry->end - entry->start;
	/* What faults may be forbidden by now, and hold something all the same. */
	if (!scan_whole(r, entry->start, entry->end)) {
		r->run_end = hide(0);
		scan_peeked(r, entry->start, entry->end);
	}
	r->run_end = hide(entry->end);
	r->entry = NULL;
}

/* ------------------------------------------------------------------ one mapping */

int reader_read_held(const struct pages_run *run, void *arg)
{
	struct reader *r = arg;

	if (r->entry->kind == LAYOUT_FILE && !run->anonymous)
		return 0; /* what the file has */
	if (run->swapped && !r->fault_in) {
		r->swapped = true;
		return 0;
	}
	reader_read_run(r, r->entry, run->start, run->end);
	return 0;
}

static int on_resident(uintptr_t start, uintptr_t end, void *arg)
{
	struct reader *r = arg;

	reader_read_run(r, r->entry, start, end);
	return 0;
}

/* Whether the kernel has a file's page there is asked only where it may: it is dear. */
static int read_held(struct reader *r, uintptr_t start, uintptr_t end)
{
	unsigned int how = (r->copy ? PAGES_OWN : 0u) |
			   (r->entry->kind == LAYOUT_FILE ? PAGES_FILES : 0u);

	return pages_held(start, end, reader_read_held, r, how);
}

int reader_read(struct reader *r, const struct layout_entry *entry, uintptr_t start, uintptr_t end)
{
	r->entry = entry;
	switch (entry->kind) {
	case LAYOUT_PRIVATE:
	case LAYOUT_FILE:
		return read_held(r, start, end);
	case LAYOUT_UNKNOWN:
		if (!entry->readable)
			return -EAGAIN;
		return resident_each(&r->resident, start, end, reveal(r->mapped_to), on_resident, r);
	case LAYOUT_SHARED:
		/* Should it be an arena by now, what is not there must not be touched. */
		if (entry->bpf)
			return read_held(r, start, end);
		return resident_each(&r->resident, start, end, reveal(r->mapped_to), on_resident, r);
	default:
		return 0;
	}
}

/* ------------------------------------------------------------------ registers, old words */

static void on_register_hit(_unused_ uintptr_t at, uint32_t index, void *arg)
{
	evidence_register(arg, index);
}

void reader_read_registers(struct reader *r, const void *registers, size_t bytes)
{
	uintptr_t start = (uintptr_t)registers;

	scan(r->suspects, start, start + (bytes & ~(size_t)(STEP - 1)), on_register_hit,
	     r->evidence);
}

/* A word, of any alignment that scan() looks at. */
struct word {
	uintptr_t at;
	uintptr_t value;
};

static void load_word(void *arg)
{
	struct word *word = arg;
	const volatile uint32_t *half = (const volatile uint32_t *)word->at;

	word->value = half[0] | (uintptr_t)half[1] << 32;
}

/* False: it is gone with its memory. */
static bool read_word(struct reader *r, const struct layout_entry *entry, struct word *word)
{
	uintptr_t fault;
	ssize_t got;

	word->value = 0;
	/* The other half may be in a mapping that is not readable. */
	if (entry->prot & PROT_READ && companion_guarded(load_word, word, &fault))
		return true;
	got = peek_read(word->at, &word->value, WORD);
	r->blind |= got < 0;
	return got > 0;
}

/* As it was when it was noted, or for the same suspect: what else it pointed to has a note too. */
static bool points_to(const struct suspect *suspect, uintptr_t value)
{
	return value >= suspect->start && value <= suspect->end;
}

void reader_read_again(struct reader *r, const struct layout *layout)
{
	for (uint32_t i = 0; i < r->evidence->early_count; i++) {
		const struct evidence_note *note = &r->evidence->early[i];
		struct word word = { .at = note->at };
		/* One that lies across the edge of a mapping is of the mapping that its end is in. */
		const struct layout_entry *entry = layout_at(layout, word.at);
		uint32_t index[2];

		if (!entry)
			entry = layout_at(layout, word.at + STEP);
		if (!entry || !read_word(r, entry, &word))
			continue;
		r->entry = entry;
		if (points_to(&r->suspects->list[note->index], word.value)) {
			found(r, word.at, note->index);
			continue;
		}
		for (unsigned int n = suspects_match(r->suspects, word.value, index); n > 0; n--)
			found(r, word.at, index[n - 1]);
	}
}
