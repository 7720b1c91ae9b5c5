// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sync.h"
#include "bpf/record.h"

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
	return &v->marks[(at & v->mask) / RECORD_UNIT];
}

static uint32_t mark_of(const struct view *v, uint64_t at, enum mark mark)
{
	return (uint32_t)(at >> v->shift) * MARKS + mark;
}

static uint64_t step_at(const struct view *v, uint64_t at)
{
	return record_step(
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
		.marks = calloc(size / RECORD_UNIT, sizeof(*ring->marks)),
	};
	if (!ring->marks)
		return -ENOMEM;
	v = view_of(ring);
	ring->cursor = ring->seen = atomic_load(consumer_of(&v));
	solo_init(&ring->solo);
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

/* For who is, or will be, alone. */
static void set_marked(struct ring *ring, bool marked)
{
	if (atomic_load_explicit(&ring->marked, memory_order_relaxed) != marked)
		atomic_store_explicit(&ring->marked, marked, memory_order_relaxed);
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

	if (offset > v->mask || offset % RECORD_UNIT || (int64_t)(cursor - at) <= 0 ||
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

static int release_marking(struct ring *ring, const struct view *v, uint64_t cursor,
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
	if (found) {
		set_marked(ring, true);
		release_marked(v);
	}
	return found == count ? 0 : -EINVAL;
}

/* Who has the first of all, and has not marked it, owns the position: nobody else can. */
static bool is_first(const struct view *v, uint64_t consumer, uint64_t cursor,
		     const void *record)
{
	return consumer != cursor && record == header_at(v, consumer) + 1 &&
	       !is_done(v, consumer);
}

static int release_among(struct ring *ring, const struct foster_record *records,
			 int count)
{
	const struct view v = view_of(ring);
	const uint64_t cursor = atomic_load_explicit(&ring->cursor, memory_order_acquire);
	const uint64_t consumer =
		atomic_load_explicit(consumer_of(&v), memory_order_acquire);
	int n = 0;

	if (is_first(&v, consumer, cursor, records->data))
		n = release_run(&v, consumer, cursor, records, count);
	return n == count ? 0 : release_marking(ring, &v, cursor, records + n, count - n);
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
static inline int find_end(struct ring *ring, const struct view *v, uint64_t at,
			   uint64_t *end)
{
	*end = atomic_load_explicit(&ring->seen, memory_order_acquire);
	if ((int64_t)(*end - at) <= 0) {
		*end = atomic_load_explicit(producer_of(v), memory_order_acquire);
		atomic_store_explicit(&ring->seen, *end, memory_order_release);
	}
	return at % RECORD_UNIT || *end - at > v->mask + 1 ? -EBADMSG : 0;
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

		if (word & RECORD_BUSY)
			break;
		if (record_step(word) > end - at)
			return -EBADMSG;
		if (word & RECORD_DISCARDED)
			run->discarded = true;
		else
			records[n++] =
				(struct foster_record){ header + 1, record_bytes(word) };
		at += record_step(word);
	}
	run->end = at;
	run->count = n;
	return 0;
}

/* Read first: once it is marked, another thread may give it back to the kernel. */
static void mark_discarded(const struct view *v, const struct run *run)
{
	uint64_t at = run->start;

	while (at != run->end) {
		const uint32_t word = atomic_load_explicit(&header_at(v, at)->word,
							   memory_order_relaxed);

		if (word & RECORD_DISCARDED)
			set_mark(v, at, DONE);
		at += record_step(word);
	}
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

static int read_among(struct ring *ring, struct foster_record *records, int count)
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
			if (run.discarded) {
				mark_discarded(&v, &run);
				set_marked(ring, true);
				release_marked(&v);
			}
		}
	} while (!run.count);
	return run.count;
}

/* ------------------------------------------------------------------------------ alone */

/*
 * Who is alone takes finished records off the cursor, and gives kept ones back at the
 * consumer's position, with plain loads and stores. What is not as simple as that goes as
 * it does among threads. Nothing here hands on the address of the view, so that it lies
 * in registers: a record costs few nanoseconds.
 */
static int take_alone(struct ring *ring, struct foster_record *records, int count)
{
	const struct view v = view_of(ring);
	uint64_t at = atomic_load_explicit(&ring->cursor, memory_order_relaxed);
	uint64_t end;
	int n = 0;

	if ((int64_t)(atomic_load_explicit(consumer_of(&v), memory_order_relaxed) - at) >
		    0 ||
	    find_end(ring, &v, at, &end) < 0)
		return 0;
	for (; n < count && at != end; n++) {
		const struct header *header = header_at(&v, at);
		/* Partner: the kernel's exchange that finishes the record. */
		const uint32_t word =
			atomic_load_explicit(&header->word, memory_order_acquire);

		if (word & (RECORD_BUSY | RECORD_DISCARDED) ||
		    record_step(word) > end - at)
			break;
		records[n] = (struct foster_record){ header + 1, word };
		at += record_step(word);
	}
	atomic_store_explicit(&ring->cursor, at, memory_order_relaxed);
	return n;
}

/* How many went. As in release_run() the addresses tell where each begins. */
static int give_alone(const struct ring *ring, const struct foster_record *records,
		      int count)
{
	const struct view v = view_of(ring);
	const uint64_t cursor = atomic_load_explicit(&ring->cursor, memory_order_relaxed);
	uint64_t at = atomic_load_explicit(consumer_of(&v), memory_order_relaxed);
	int n = 0;

	if (atomic_load_explicit(&ring->marked, memory_order_relaxed))
		return 0;
	for (; n < count && at != cursor; n++) {
		const uintptr_t offset = offset_of(&v, records[n].data);

		if (offset != (at & v.mask))
			break;
		at += step_at(&v, offset);
	}
	if (n)
		atomic_store_explicit(consumer_of(&v), at, memory_order_release);
	return n;
}

static bool comes_discarded(const struct ring *ring)
{
	const struct view v = view_of(ring);
	const uint64_t at = atomic_load_explicit(&ring->cursor, memory_order_relaxed);

	return at != atomic_load_explicit(&ring->seen, memory_order_relaxed) &&
	       atomic_load_explicit(&header_at(&v, at)->word, memory_order_relaxed) &
		       RECORD_DISCARDED;
}

/*
 * After so many there is no simple one. Where nothing is found the kernel wakes for the
 * record that it finishes next only if it sees the consumer's position there: behind this
 * fence it does, or the record is seen here.
 */
static int read_rest(struct ring *ring, struct foster_record *records, int count, int n)
{
	int more;

	atomic_thread_fence(memory_order_seq_cst);
	FOSTER_SYNC("ring-alone");
	more = read_among(ring, records + n, count - n);
	return more > 0 ? n + more : n ? n : more;
}

static int release_rest(struct ring *ring, const struct foster_record *records, int count)
{
	const struct view v = view_of(ring);
	const int r = release_among(ring, records, count);

	if (atomic_load(consumer_of(&v)) == atomic_load(&ring->cursor))
		set_marked(ring, false);
	return r;
}

static const _Atomic uint64_t *alive(const struct ring *ring)
{
	return (const _Atomic uint64_t *)reveal(ring->base);
}

int ring_read(struct ring *ring, struct foster_record *records, int count)
{
	const int alone = solo_enter(&ring->solo, alive(ring));
	int n;

	if (alone < 0)
		return alone;
	if (!alone)
		return read_among(ring, records, count);
	n = take_alone(ring, records, count);
	if (!n || (n < count && comes_discarded(ring)))
		n = read_rest(ring, records, count, n);
	solo_leave(&ring->solo);
	return n;
}

int ring_release(struct ring *ring, const struct foster_record *records, int count)
{
	const int alone = solo_enter(&ring->solo, alive(ring));
	int n, r = 0;

	if (alone < 0)
		return alone;
	if (!alone)
		return release_among(ring, records, count);
	n = give_alone(ring, records, count);
	if (n != count)
		r = release_rest(ring, records + n, count - n);
	solo_leave(&ring->solo);
	return r;
}
