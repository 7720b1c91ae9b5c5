// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/ringbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <foster/bpf.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/result.h"
#include "bpf/known.h"
#include "bpf/map.h"
#include "bpf/reason.h"
#include "bpf/ring.h"
#include "source/private.h"

/* Newer than the headers that may be installed: old records go, read or not. */
#define RB_OVERWRITE (1u << 19)

/*
 * A ring, for as long as its region is there.  Nobody tells when that goes: rings of
 * regions that are gone are freed when the next is made.
 */
struct ringbuf {
	struct ringbuf *next;
	uint64_t region;
	uint32_t map_id;
	size_t len;
	struct ring ring;
};

/*
 * Guards the list.  Nothing of ours nests in it; what is called with it held takes no
 * lock.  fork waits for it.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ringbuf *rings;
static bool fork_waits;

/* Goes up with each change of the list; what a thread remembers of the list is of one number. */
static _Atomic uint64_t epoch = 1;

static void acquire(void)
{
	pthread_mutex_lock(&lock);
}

static void release(void)
{
	pthread_mutex_unlock(&lock);
}

static void wait_in_fork(void)
{
	if (!fork_waits)
		fork_waits = pthread_atfork(acquire, release, release) == 0;
}

/* ------------------------------------------------------------------------------ list */

static void *base_of(const struct ringbuf *rb)
{
	return (void *)reveal(rb->ring.base);
}

static void ringbuf_free(struct ringbuf *rb)
{
	if (!rb)
		return;
	ring_done(&rb->ring);
	free(rb);
}

/* Its region, also a closed one whose addresses are still reserved. */
static bool is_there(const struct ringbuf *rb, struct foster_info *info)
{
	return foster_info(base_of(rb), info) == 0 && info->id == rb->region;
}

static void drop_gone(void)
{
	struct ringbuf **link = &rings;

	while (*link) {
		struct foster_info info = FOSTER_INFO_INIT;
		struct ringbuf *rb = *link;

		if (is_there(rb, &info)) {
			link = &rb->next;
			continue;
		}
		*link = rb->next;
		ringbuf_free(rb);
	}
}

/*
 * The region of the map, pinned so that it stays until the caller has its address; NULL:
 * none, or it was closed.
 */
static void *find_map(uint32_t map_id)
{
	for (const struct ringbuf *rb = rings; rb; rb = rb->next) {
		struct foster_info info = FOSTER_INFO_INIT;

		if (rb->map_id != map_id || foster_pin(base_of(rb)) < 0)
			continue;
		if (is_there(rb, &info))
			return base_of(rb);
		(void)foster_unpin(base_of(rb));
	}
	return NULL;
}

static void *find_mapped(uint32_t map_id)
{
	void *p;

	acquire();
	p = find_map(map_id);
	release();
	return p;
}

/* Adds the ring, unless the map was mapped meanwhile: then that one's base, pinned. */
static void *add(struct ringbuf *rb)
{
	void *other;

	acquire();
	wait_in_fork();
	other = find_map(rb->map_id);
	if (!other) {
		drop_gone();
		rb->next = rings;
		rings = rb;
		atomic_fetch_add(&epoch, 1);
	}
	release();
	return other;
}

/* -------------------------------------------------------------------------- mapping */

static int check(const struct bpf_map_info *info)
{
	if (info->map_flags & RB_OVERWRITE)
		return reason_set(
			ENOTSUP,
			"ring buffer \"%s\" overwrites records while they are read",
			info->name);
	return 0;
}

static int refused(int fd, const struct bpf_map_info *info, int err)
{
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return reason_set(EACCES,
				  "descriptor %d was not opened for reading and writing",
				  fd);
	return reason_set(err, "ring buffer \"%s\" cannot be mapped: %m", info->name);
}

/*
 * All of it for reading; then the consumer's page again, for writing: the kernel lets
 * that one alone be written, and by a mapping of its own.
 */
static int map_pages(int fd, const struct bpf_map_info *info, void **ret)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = foster_private_map(ring_bytes(info->max_entries), PROT_READ, MAP_SHARED,
				     fd, 0, FOSTER_SOURCE_BPF_MAP);
	int r;

	if (p == MAP_FAILED)
		return refused(fd, info, errno);
	r = foster_private_lay(p, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r < 0) {
		(void)foster_close(p);
		return refused(fd, info, -r);
	}
	*ret = p;
	return 0;
}

static struct ringbuf *ringbuf_new(const struct bpf_map_info *info, void *base)
{
	struct foster_info region = FOSTER_INFO_INIT;
	struct ringbuf *rb = calloc(1, sizeof(*rb));

	if (!rb || foster_info(base, &region) < 0 ||
	    ring_init(&rb->ring, base, info->max_entries) < 0) {
		ringbuf_free(rb);
		return NULL;
	}
	rb->region = region.id;
	rb->len = region.len;
	rb->map_id = info->id;
	return rb;
}

/* The memory is there: it becomes known, as that of a map and as a ring. */
static int introduce(const struct bpf_map_info *info, void **p)
{
	struct known *known = known_new(info);
	struct ringbuf *rb = ringbuf_new(info, *p);
	void *other;

	if (!known || !rb) {
		known_free(known);
		ringbuf_free(rb);
		(void)foster_close(*p);
		return reason_set(ENOMEM, "no memory for ring buffer \"%s\"", info->name);
	}
	known_add(known, *p);
	other = add(rb);
	if (other) {
		ringbuf_free(rb);
		(void)foster_close(*p);
		*p = other;
	}
	return other ? 1 : 0;
}

static int map_anew(int fd, const struct bpf_map_info *info, void **ret)
{
	int r = check(info);

	if (r == 0)
		r = map_pages(fd, info, ret);
	return r < 0 ? r : introduce(info, ret);
}

int ringbuf_memory(int fd, const struct bpf_map_info *info, void **ret)
{
	void *p = find_mapped(info->id);
	int r = p ? 1 : map_anew(fd, info, &p);

	if (r < 0)
		return r;
	*ret = p;
	if (r > 0)
		(void)foster_unpin(p);
	return 0;
}

/* --------------------------------------------------------------------------- records */

/*
 * The ring that the calling thread used last.  It is good while the list is what it was:
 * for a ring to go, its region has gone, and who has a pointer into another one at the
 * same addresses got it after that was added to the list.
 */
static __thread struct {
	uint64_t epoch;
	hidden_addr base;
	size_t len;
	struct ring *ring;
} last;

static struct ring *find_ring(uint64_t region, uint64_t *now)
{
	struct ring *ring = NULL;

	acquire();
	for (struct ringbuf *rb = rings; rb && !ring; rb = rb->next)
		if (rb->region == region)
			ring = &rb->ring;
	*now = atomic_load(&epoch);
	release();
	return ring;
}

static int look_up(const void *p, struct ring **ret)
{
	struct known_map map;
	int r = known_find(p, &map);
	uint64_t now;

	if (r < 0)
		return r;
	*ret = find_ring(map.region, &now);
	if (!*ret)
		return reason_set(ENOTSUP,
				  "map \"%s\" is of type %s (%u), not a ring buffer",
				  map.name, map_type_name(map.map_type), map.map_type);
	last.epoch = now;
	last.base = hide((uintptr_t)map.base);
	last.len = ring_bytes((*ret)->size);
	last.ring = *ret;
	return 0;
}

static int ring_of(const void *p, struct ring **ret)
{
	if ((uintptr_t)p - reveal(last.base) >= last.len ||
	    last.epoch != atomic_load_explicit(&epoch, memory_order_acquire))
		return look_up(p, ret);
	*ret = last.ring;
	return 0;
}

/* How many records; 0: none is finished. */
static int read_some(const void *p, struct foster_record *records, int count)
{
	struct ring *ring;
	int r = ring_of(p, &ring);

	if (r < 0)
		return r;
	r = ring_read(ring, records, count);
	if (r < 0)
		return reason_set(-r, "the positions of the ring buffer make no sense");
	return r;
}

static int release_some(const struct foster_record *records, int count)
{
	struct ring *ring;
	int r = ring_of(records->data, &ring);

	if (r == 0 && ring_release(ring, records, count) < 0)
		r = reason_set(EINVAL, "%s%p is no record that is kept",
			       count > 1 ? "one behind " : "", records->data);
	return r;
}

FOSTER_EXPORT const void *foster_ringbuf_next(const void *p, size_t *bytes)
{
	struct foster_record record;
	int r = read_some(p, &record, 1);

	if (r == 0)
		r = reason_set(EAGAIN, "no record is finished");
	if (r < 0)
		return result_null(r);
	if (bytes)
		*bytes = record.bytes;
	return record.data;
}

FOSTER_EXPORT int foster_ringbuf_release(const void *record)
{
	const struct foster_record one = { .data = record };

	return result(release_some(&one, 1));
}

FOSTER_EXPORT int foster_ringbuf_read(const void *p, struct foster_record *records,
				      int count)
{
	if (count < 1)
		return result(reason_set(EINVAL, "%d is no number of records", count));
	return result(read_some(p, records, count));
}

FOSTER_EXPORT int foster_ringbuf_release_all(const struct foster_record *records,
					     int count)
{
	if (count < 0)
		return result(reason_set(EINVAL, "%d is no number of records", count));
	return count ? result(release_some(records, count)) : 0;
}
