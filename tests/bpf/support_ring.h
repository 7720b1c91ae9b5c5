/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring buffer on memory in which the test is the kernel. */
#ifndef FOSTER_TESTS_SUPPORT_RING_H
#define FOSTER_TESTS_SUPPORT_RING_H

#include "../support.h"

#include "bpf/ring.h"

/* A ring as the kernel shows it, all of it writable. */
struct fake {
	char *base;
	size_t page;
	size_t size;
	struct ring ring;
};

/* Are the rings that are made from here on everybody's?  Else they are of one thread. */
extern bool fake_among_threads;

struct fake *fake_of(size_t size);
void fake_free(struct fake *fake);

_Atomic uint64_t *fake_consumer(const struct fake *fake);
_Atomic uint64_t *fake_producer(const struct fake *fake);
_Atomic uint32_t *fake_word(const struct fake *fake, uint64_t at);

/* From a record of so many bytes to the next. */
uint64_t fake_step(size_t bytes);

/* As bpf_ringbuf_reserve(): where the record begins, or UINT64_MAX where no room is. */
uint64_t fake_reserve(const struct fake *fake, size_t bytes);
void fake_submit(const struct fake *fake, uint64_t at);
void fake_discard(const struct fake *fake, uint64_t at);

/* A record that begins with a number.  False: no room. */
bool fake_put(const struct fake *fake, uint64_t value, size_t bytes);

/* So many of 8 bytes, numbered from 0 on. */
void fake_put_many(const struct fake *fake, uint64_t count);

/* One record, as foster_ringbuf_next() and foster_ringbuf_release() do it. */
int fake_read(struct fake *fake, struct foster_record *record);
int fake_give(struct fake *fake, const void *data);

/* The next record, which is that number; and that there is none: 0, or an errno. */
const void *fake_take(struct fake *fake, uint64_t value);
void fake_assert_empty(struct fake *fake, int error);

/* Numbered from 0 on, of so many bytes; each is taken before the next is put. */
void fake_put_and_take(struct fake *fake, size_t bytes, const void **record,
		       uint64_t count);

/* The consumer's position. */
uint64_t fake_consumed(const struct fake *fake);

#endif
