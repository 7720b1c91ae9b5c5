/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One record, taken or given back by a thread that has the ring to itself, where nothing
 * is in the way: with plain loads and stores, inline, for a call costs as much as the
 * rest. All else is for ring_read() and ring_release().
 */
#ifndef FOSTER_BPF_RING_ALONE_H
#define FOSTER_BPF_RING_ALONE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "bpf/record.h"
#include "bpf/ring.h"

static inline const struct header *ring_header(uintptr_t data, uint64_t at, size_t size)
{
	return (const struct header *)(data + (at & (size - 1)));
}

/* The next record, finished and not discarded, of those that were seen. */
static inline const void *ring_take_seen(struct ring *ring, size_t *bytes)
{
	const uintptr_t base = reveal(ring->base);
	const uint64_t at = atomic_load_explicit(&ring->cursor, memory_order_relaxed);
	const uint64_t end = atomic_load_explicit(&ring->seen, memory_order_relaxed);
	const uint64_t consumer = atomic_load_explicit((const _Atomic uint64_t *)base,
						       memory_order_relaxed);
	const struct header *header = ring_header(base + 2 * ring->page, at, ring->size);
	uint32_t word;

	if ((int64_t)(end - at) <= 0 || (int64_t)(consumer - at) > 0)
		return NULL;
	/* Partner: the kernel's exchange that finishes the record. */
	word = atomic_load_explicit(&header->word, memory_order_acquire);
	if (word & (RECORD_BUSY | RECORD_DISCARDED) || record_step(word) > end - at)
		return NULL;
	atomic_store_explicit(&ring->cursor, at + record_step(word),
			      memory_order_relaxed);
	*bytes = word;
	return header + 1;
}

/* The record is the first that is kept, and none behind it is DONE. */
static inline bool ring_give_first(struct ring *ring, const void *record)
{
	const uintptr_t base = reveal(ring->base);
	_Atomic uint64_t *consumer = (_Atomic uint64_t *)base;
	const uint64_t at = atomic_load_explicit(consumer, memory_order_relaxed);
	const struct header *header = ring_header(base + 2 * ring->page, at, ring->size);
	uint32_t word;

	if (record != header + 1 ||
	    atomic_load_explicit(&ring->marked, memory_order_relaxed) ||
	    at == atomic_load_explicit(&ring->cursor, memory_order_relaxed))
		return false;
	word = atomic_load_explicit(&header->word, memory_order_relaxed);
	/* Partner: the kernel, which reads it before it writes there again. */
	atomic_store_explicit(consumer, at + record_step(word), memory_order_release);
	return true;
}

/* NULL: it is not as simple as that. */
static inline const void *ring_take(struct ring *ring, size_t *bytes)
{
	const void *record;

	if (!solo_have(&ring->solo))
		return NULL;
	record = ring_take_seen(ring, bytes);
	solo_leave(&ring->solo);
	return record;
}

/* False: it is not as simple as that. */
static inline bool ring_give(struct ring *ring, const void *record)
{
	bool given;

	if (!solo_have(&ring->solo))
		return false;
	given = ring_give_first(ring, record);
	solo_leave(&ring->solo);
	return given;
}

#endif
