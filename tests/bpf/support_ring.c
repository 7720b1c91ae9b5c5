// SPDX-License-Identifier: BSD-2-Clause
/* A ring buffer in which the test is the kernel: see support_ring.h. */
#include "support_ring.h"

#include <linux/bpf.h>

#include "bpf/ring_alone.h"

bool fake_among_threads;

_Atomic uint64_t *fake_consumer(const struct fake *fake)
{
	return (_Atomic uint64_t *)fake->base;
}

_Atomic uint64_t *fake_producer(const struct fake *fake)
{
	return (_Atomic uint64_t *)(fake->base + fake->page);
}

struct fake *fake_of(size_t size)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	const size_t page = page_size();
	int fd = memfd_create("ring", MFD_CLOEXEC);

	assert_non_null(fake);
	assert_int_equal(ftruncate(fd, (off_t)(2 * page + size)), 0);
	fake->page = page;
	fake->size = size;
	fake->base =
		mmap(NULL, ring_bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(fake->base, MAP_FAILED);
	assert_ptr_not_equal(mmap(fake->base + 2 * page + size, size,
				  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
				  (off_t)(2 * page)),
			     MAP_FAILED);
	close(fd);
	assert_int_equal(ring_init(&fake->ring, fake->base, size), 0);
	if (fake_among_threads)
		fake->ring.solo.owner = SOLO_EVERYBODY;
	return fake;
}

void fake_free(struct fake *fake)
{
	ring_done(&fake->ring);
	munmap(fake->base, ring_bytes(fake->size));
	free(fake);
}

_Atomic uint32_t *fake_word(const struct fake *fake, uint64_t at)
{
	return (_Atomic uint32_t *)(fake->base + 2 * fake->page +
				    (at & (fake->size - 1)));
}

uint64_t fake_step(size_t bytes)
{
	return (bytes + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7);
}

/* As bpf_ringbuf_reserve(): where the record begins, or UINT64_MAX where no room is. */
uint64_t fake_reserve(const struct fake *fake, size_t bytes)
{
	const uint64_t at = atomic_load(fake_producer(fake));

	if (at + fake_step(bytes) - atomic_load(fake_consumer(fake)) > fake->size)
		return UINT64_MAX;
	atomic_store(fake_word(fake, at),
		     (uint32_t)bytes | (uint32_t)BPF_RINGBUF_BUSY_BIT);
	atomic_store(fake_producer(fake), at + fake_step(bytes));
	return at;
}

void fake_submit(const struct fake *fake, uint64_t at)
{
	atomic_fetch_and(fake_word(fake, at), ~(uint32_t)BPF_RINGBUF_BUSY_BIT);
}

void fake_discard(const struct fake *fake, uint64_t at)
{
	atomic_fetch_or(fake_word(fake, at), (uint32_t)BPF_RINGBUF_DISCARD_BIT);
	fake_submit(fake, at);
}

bool fake_put(const struct fake *fake, uint64_t value, size_t bytes)
{
	const uint64_t at = fake_reserve(fake, bytes);

	if (at == UINT64_MAX)
		return false;
	memcpy((char *)fake_word(fake, at) + BPF_RINGBUF_HDR_SZ, &value, sizeof(value));
	fake_submit(fake, at);
	return true;
}

void fake_put_many(const struct fake *fake, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		assert_true(fake_put(fake, i, 8));
}

int fake_read(struct fake *fake, struct foster_record *record)
{
	record->data = ring_take(&fake->ring, &record->bytes);
	return record->data ? 1 : ring_read(&fake->ring, record, 1);
}

const void *fake_take(struct fake *fake, uint64_t value)
{
	struct foster_record record = { 0 };

	assert_int_equal(fake_read(fake, &record), 1);
	assert_int_equal(*(const uint64_t *)record.data, value);
	return record.data;
}

void fake_assert_empty(struct fake *fake, int error)
{
	struct foster_record record;

	assert_int_equal(fake_read(fake, &record), -error);
}

int fake_give(struct fake *fake, const void *data)
{
	const struct foster_record record = { .data = data };

	return ring_give(&fake->ring, data) ? 0 : ring_release(&fake->ring, &record, 1);
}

uint64_t fake_consumed(const struct fake *fake)
{
	return atomic_load(fake_consumer(fake));
}

void fake_put_and_take(struct fake *fake, size_t bytes, const void **record,
		       uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		assert_true(fake_put(fake, i, bytes));
		record[i] = fake_take(fake, i);
	}
}
