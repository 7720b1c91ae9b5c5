/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader's side of a ring buffer of the kernel (BPF_MAP_TYPE_RINGBUF).
 *
 *   [ consumer's page | producer's page | data | the same data again ]
 *     ours to write     the kernel's      the kernel's: a record that wraps is whole
 *
 * Positions are bytes since the ring was made; they only grow.
 *
 *        consumer            cursor            producer
 *     ------|-------------------|------------------|---------
 *     free  | handed out, kept  | not read yet     | free
 *
 * Between consumer and cursor each record is kept or DONE. The kernel reuses what lies
 * before the consumer's position, so that position is the first record that is kept. Who
 * releases that one owns the position: he moves it over all that are DONE, to the next
 * that is kept, and with this hands it on to whoever releases that. A thread that is alone
 * owns both positions all the time.
 *
 * Nothing here is trusted that another process may have written: a position that makes no
 * sense is an error, and no index leaves the memory.
 */
#ifndef FOSTER_BPF_RING_H
#define FOSTER_BPF_RING_H

#include <foster/bpf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/hidden.h"
#include "bpf/solo.h"

struct ring {
	hidden_addr base; /* the consumer's page: the ring keeps no memory */
	size_t page;
	size_t size;	    /* bytes of the data, a power of two */
	unsigned int shift; /* its logarithm */
	/*
	 * One for each 8 bytes of data, where a record may begin: is it DONE, and in which
	 * lap, so that a thread that comes late does not take another for it.
	 */
	_Atomic uint32_t *marks;
	_Atomic uint64_t cursor; /* the first record that was not handed out */
	_Atomic uint64_t seen;	 /* a producer's position, not the newest */
	struct solo solo;	 /* all of this, and the consumer's position */
	_Atomic bool marked;	 /* a record before the cursor may be DONE */
};

/* Bytes of the mapping of a ring of so many bytes of data. */
size_t ring_bytes(size_t size);

/* The memory is mapped.  0 or -ENOMEM; ring_done() after either. */
int ring_init(struct ring *ring, const void *base, size_t size)
	_must_check_ _nonnull_all_;
void ring_done(struct ring *ring) _nonnull_all_;

/*
 * The next records, up to so many: how many they are; 0: none is finished. -EBADMSG: the
 * positions make no sense; or an error of solo_ask(). Any thread. One that has been alone
 * waits for none; a second one waits until the first is out, a few times; then all are
 * lock-free.
 */
int ring_read(struct ring *ring, struct foster_record *records, int count)
	_must_check_ _nonnull_all_;

/*
 * Records that were handed out go back. 0; -EINVAL: one was not, or was given back
 * already; the others are given back all the same; or an error of solo_ask(). Any thread,
 * as ring_read().
 */
int ring_release(struct ring *ring, const struct foster_record *records, int count)
	_must_check_ _nonnull_all_;

#endif
