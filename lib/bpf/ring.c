// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sync.h"

/* What stands before each record; only the first half is told to users. */
struct header {
	_Atomic uint32_t word; /* bytes, BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT */
	uint32_t kernels;
};

_Static_assert(sizeof(struct header) == BPF_RINGBUF_HDR_SZ, "as the kernel has it");

#define BUSY ((uint32_t)BPF_RINGBUF_BUSY_BIT)
#define DISCARDED ((uint32_t)BPF_RINGBUF_DISCARD_BIT)
#define UNIT 8u /* records begin at multiples of it */

/*
 * Of a record since its lap began. What is behind the consumer's position may have any.
 */
enum mark {
	DONE = 1, /* given back, or discarded, while an older one was kept */
	TAKEN,	  /* was DONE at the consumer's position; who made it TAKEN owns that */
	MARKS,
};

/* ------------------------------------------------------------------------- the memory */

/* A ring for the time of a call: what does not change, where the compiler can see it. */
struct view {
	char *base;
	char *data;
	_Atomic uint32_t *marks;
	uint64_t mask;
	unsigned int shift;
};

size_t ring_bytes(size_t size)
{
	return 2 * (size_t)sysconf(_SC_PAGESIZE) + 2 * size;
}

static struct view view_of(const struct ring *ring)
{
	char *base = (char *)reveal(ring->base);

	return (struct view){
		.base = base,
		.data = base + 2 * ring->page,
		.marks = ring->marks,
		.mask = ring->size - 1,
		.shift = ring->shift,
	};
}

/* Partner: the kernel, which reads it (acquire) before it reuses what lies before it. */
static _Atomic uint64_t *consumer_of(const struct view *v)
{
	return (_Atomic uint64_t *)v->base;
}

/* Partner: the kernel, which moves it (release) when a record's header is written. */
static const _Atomic uint64_t *producer_of(const struct view *v)
{
	return (const _Atomic uint64_t *)(v->base + (v->data - v->base) / 2);
}

static struct header *header_at(const struct view *v, uint64_t at)
{
	return (struct header *)(v->data + (at & v->mask));
}

/* Of the header in the data; of what is no record it may be anything. */
static uintptr_t offset_of(const struct view *v, const void *record)
{
	return (uintptr_t)record - sizeof(struct header) - (uintptr_t)v->data;
}

/* The first position of a record from start on. */
static uint64_t position_of(const struct view *v, uint64_t start, const void *record)
{
	return start + ((offset_of(v, record) - start) & v->mask);
}

static _Atomic uint32_t *mark_at(const struct view *v, uint64_t at)
{
	return &v->marks[(at & v->mask) / UNIT];
}

static uint32_t mark_of(const struct view *v, uint64_t at, enum mark mark)
{
	return (uint32_t)(at >> v->shift) * MARKS + mark;
}

static uint32_t bytes_of(uint32_t word)
{
	return word & ~(BUSY | DISCARDED);
}

/* From a record to the next. */
static uint64_t step_of(uint32_t word)
{
	return ((uint64_t)bytes_of(word) + sizeof(struct header) + UNIT - 1) / UNIT *
	       UNIT;
}

static uint64_t step_at(const struct view *v, uint64_t at)
{
	return step_of(
		atomic_load_explicit(&header_at(v, at)->word, memory_order_relaxed));
}

int ring_init(struct ring *ring, const void *base, size_t size)
{
	struct view v;

	*ring = (struct ring){
		.base = hide((uintptr_t)base),
		.page = (size_t)sysconf(_SC_PAGESIZE),
		.size = size,
		.shift = (unsigned int)__builtin_ctzll(size),
		.marks = calloc(size / UNIT, sizeof(*ring->marks)),
	};
	if (!ring->marks)
		return -ENOMEM;
	v = view_of(ring);
	ring->cursor = ring->seen = atomic_load(consumer_of(&v));
	return 0;
}

void ring_done(struct ring *ring)
{
	free((void *)ring->marks);
	ring->marks = NULL;
}

/* -------------------------------------------------------------------------- releasing */

static bool is_done(const struct view *v, uint64_t at)
{
	return atomic_load_explicit(mark_at(v, at), memory_order_acquire) ==
	       mark_of(v, at, DONE);
}

static void set_mark(const struct view *v, uint64_t at, enum mark mark)
{
	atomic_store_explicit(mark_at(v, at), mark_of(v, at, mark), memory_order_release);
}

/* Of those who see a record that is DONE at the consumer's position, one owns it. */
static bool take_over(const struct view *v, uint64_t at)
{
	uint32_t done = mark_of(v, at, DONE);

	return is_done(v, at) && atomic_compare_exchange_strong(mark_at(v, at), &done,
								mark_of(v, at, TAKEN));
}

/* From a record that goes over those that are DONE. */
static uint64_t behind(const struct view *v, uint64_t at)
{
	do
		at += step_at(v, at);
	while (is_done(v, at));
	return at;
}

/*
 * The caller owns the consumer's position, and the record there goes. The exchange is a
 * fence, and there is one in release_marked(): whoever marks the record at which we stop
 * either sees our position there, or we see his mark here, or both, and then take_over()
 * chooses.
 */
static void advance(const struct view *v, uint64_t at)
{
	do {
		at = behind(v, at);
		FOSTER_SYNC("ring-advances");
		atomic_exchange(consumer_of(v), at);
		FOSTER_SYNC("ring-advanced");
	} while (take_over(v, at));
}

/* Records were marked DONE; is the first of all among them? */
static void release_marked(const struct view *v)
{
	uint64_t at;

	FOSTER_SYNC("ring-marked");
	atomic_thread_fence(memory_order_seq_cst);
	at = atomic_load(consumer_of(v));
	FOSTER_SYNC("ring-met");
	if (take_over(v, at))
		advance(v, at);
}

/*
 * Where a record that is kept begins; UINT64_MAX: it is none. The consumer's position may
 * be an older one: it has not moved past this record, nor by the size of the ring. (The
 * middle of a record cannot be told from its beginning. It does no harm: who goes over
 * the records meets no mark there.)
 */
static uint64_t find(const struct view *v, uint64_t consumer, uint64_t cursor,
		     const void *record)
{
	const uintptr_t offset = offset_of(v, record);
	const uint64_t at = position_of(v, consumer, record);

	if (offset > v->mask || offset % UNIT || (int64_t)(cursor - at) <= 0 ||
	    is_done(v, at))
		return UINT64_MAX;
	return at;
}

/*
 * The caller owns the consumer's position, and has the records of the run that begins
 * there: how many go. Their addresses tell where each begins, so that the processor need
 * not wait for the header of one to find the next.
 */
static int release_run(const struct view *v, uint64_t at, uint64_t cursor,
		       const struct foster_record *records, int count)
{
	const uint64_t first = at;
	uint64_t next = at;
	int n;

	for (n = 0; n < count && next != cursor; n++) {
		const uint64_t here = position_of(v, first, records[n].data);

		if (here != next || offset_of(v, records[n].data) > v->mask)
			break;
		at = here;
		next = here + step_at(v, here);
	}
	advance(v, at);
	return n;
}

static int release_marking(const struct view *v, uint64_t cursor,
			   const struct foster_record *records, int count)
{
	const uint64_t consumer =
		atomic_load_explicit(consumer_of(v), memory_order_acquire);
	int found = 0;

	for (int i = 0; i < count; i++) {
		const uint64_t at = find(v, consumer, cursor, records[i].data);

		if (at == UINT64_MAX)
			continue;
		set_mark(v, at, DONE);
		found++;
	}
	if (found)
		release_marked(v);
	return found == count ? 0 : -EINVAL;
}

/* Who has the first of all, and has not marked it, owns the position: nobody else can. */
static bool is_first(const struct view *v, uint64_t consumer, uint64_t cursor,
		     const void *record)
{
	return consumer != cursor && record == header_at(v, consumer) + 1 &&
	       !is_done(v, consumer);
}

int ring_release(const struct ring *ring, const struct foster_record *records, int count)
{
	const struct view v = view_of(ring);
	const uint64_t cursor = atomic_load_explicit(&ring->cursor, memory_order_acquire);
	const uint64_t consumer =
		atomic_load_explicit(consumer_of(&v), memory_order_acquire);
	int n = 0;

	if (is_first(&v, consumer, cursor, records->data))
		n = release_run(&v, consumer, cursor, records, count);
	return n == count ? 0 : release_marking(&v, cursor, records + n, count - n);
}

/* ---------------------------------------------------------------------------- reading */

/* A run of records that were looked at, and are not yet ours. */
struct run {
	uint64_t start;
	uint64_t end;
	int count;
	bool discarded; /* one of them is */
};

/*
 * Up to which position there may be records. The producer's own is looked at only where
 * the last one that was seen is not enough: the kernel writes in that line of the cache.
 */
static int find_end(struct ring *ring, const struct view *v, uint64_t at, uint64_t *end)
{
	*end = atomic_load_explicit(&ring->seen, memory_order_acquire);
	if ((int64_t)(*end - at) <= 0) {
		*end = atomic_load_explicit(producer_of(v), memory_order_acquire);
		atomic_store_explicit(&ring->seen, *end, memory_order_release);
	}
	return at % UNIT || *end - at > v->mask + 1 ? -EBADMSG : 0;
}

/* Another reader of the map has moved on: it has read what we have not. */
static uint64_t find_start(struct ring *ring, const struct view *v)
{
	const uint64_t consumer =
		atomic_load_explicit(consumer_of(v), memory_order_acquire);
	uint64_t at = atomic_load_explicit(&ring->cursor, memory_order_acquire);

	while ((int64_t)(consumer - at) > 0)
		if (atomic_compare_exchange_strong(&ring->cursor, &at, consumer))
			return consumer;
	return at;
}

/*
 * The records up to end, as far as they are finished. One that was discarded takes no
 * place among them.
 */
static int look_at_run(const struct view *v, uint64_t end, struct foster_record *records,
		       int count, struct run *run)
{
	uint64_t at = run->start;
	int n = 0;

	while (at != end && n < count) {
		struct header *header = header_at(v, at);
		/* Partner: the kernel's exchange that finishes the record. */
		const uint32_t word =
			atomic_load_explicit(&header->word, memory_order_acquire);

		if (word & BUSY)
			break;
		if (step_of(word) > end - at)
			return -EBADMSG;
		if (word & DISCARDED)
			run->discarded = true;
		else
			records[n++] =
				(struct foster_record){ header + 1, bytes_of(word) };
		at += step_of(word);
	}
	run->end = at;
	run->count = n;
	return 0;
}

/* Read first: once it is marked, another thread may give it back to the kernel. */
static void release_discarded(const struct view *v, const struct run *run)
{
	uint64_t at = run->start;

	while (at != run->end) {
		const uint32_t word = atomic_load_explicit(&header_at(v, at)->word,
							   memory_order_relaxed);

		if (word & DISCARDED)
			set_mark(v, at, DONE);
		at += step_of(word);
	}
	release_marked(v);
}

/* Looks at the next; 0: there are some, or none. */
static int look(struct ring *ring, const struct view *v, struct foster_record *records,
		int count, struct run *run)
{
	const uint64_t at = find_start(ring, v);
	uint64_t end;
	int r = find_end(ring, v, at, &end);

	*run = (struct run){ .start = at, .end = at };
	return r < 0 ? r : look_at_run(v, end, records, count, run);
}

int ring_read(struct ring *ring, struct foster_record *records, int count)
{
	const struct view v = view_of(ring);
	struct run run;

	do {
		int r = look(ring, &v, records, count, &run);
		uint64_t at = run.start;

		/* Where another thread took them, what was read may be anything. */
		if (r < 0 || run.end == run.start) {
			if (atomic_load(&ring->cursor) == at)
				return r;
			run.count = 0;
		} else if (!atomic_compare_exchange_strong(&ring->cursor, &at, run.end)) {
			run.count = 0;
		} else {
			if (run.discarded)
				release_discarded(&v, &run);
		}
	} while (!run.count);
	return run.count;
}
