// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/ringbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <foster/bpf.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/result.h"
#include "bpf/known.h"
#include "bpf/map.h"
#include "bpf/reason.h"
#include "bpf/ring.h"
#include "bpf/ring_alone.h"
#include "bpf/single.h"
#include "source/private.h"

/* Newer than the headers that may be installed: old records go, read or not. */
#define RB_OVERWRITE (1u << 19)

struct ringbuf {
	struct single single;
	struct ring ring;
};

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
	const int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_ACCMODE) != O_RDWR)
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
		return refused(fd, info, r == -ENOTRECOVERABLE ? ENOMEM : -r);
	}
	*ret = p;
	return 0;
}

static void ringbuf_free(struct single *single)
{
	struct ringbuf *rb = (struct ringbuf *)single;

	_Static_assert(offsetof(struct ringbuf, single) == 0, "one is the other");
	if (!rb)
		return;
	ring_done(&rb->ring);
	free(rb);
}

static void ringbuf_forked(struct single *single)
{
	solo_forked(&((struct ringbuf *)single)->ring.solo);
}

static struct ringbuf *ringbuf_new(const void *base, size_t size)
{
	struct ringbuf *rb = calloc(1, sizeof(*rb));

	if (!rb)
		return NULL;
	rb->single.free = ringbuf_free;
	rb->single.forked = ringbuf_forked;
	if (ring_init(&rb->ring, base, size) == 0)
		return rb;
	ringbuf_free(&rb->single);
	return NULL;
}

/*
 * The memory is there: it becomes known, as that of a map and as a ring. 1: another
 * thread was faster, and its memory is pinned.
 */
static int introduce(const struct bpf_map_info *info, void **p)
{
	struct known *known = known_new(info);
	struct ringbuf *rb = ringbuf_new(*p, info->max_entries);
	void *other;

	if (!known || !rb) {
		known_free(known);
		if (rb)
			ringbuf_free(&rb->single);
		(void)foster_close(*p);
		return reason_set(ENOMEM, "no memory for ring buffer \"%s\"", info->name);
	}
	known_add(known, *p);
	other = single_add(&rb->single, info->id, *p);
	if (!other)
		return 0;
	ringbuf_free(&rb->single);
	(void)foster_close(*p);
	*p = other;
	return 1;
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
	void *p = single_find(info->id);
	int r = p ? 1 : map_anew(fd, info, &p);

	if (r < 0)
		return r;
	*ret = p;
	if (r > 0)
		single_have(p);
	return 0;
}

/* --------------------------------------------------------------------------- records */

/*
 * The ring that the calling thread used last.  It is good while the list is what it was:
 * for a ring to go, its region has gone, and who has a pointer into another one at the
 * same addresses got it after that was added to the list.
 */
static __thread __attribute__((tls_model("initial-exec"))) struct {
	uint64_t list;
	hidden_addr base;
	size_t len;
	struct ring *ring;
} last;

static int look_up(const void *p, struct ring **ret)
{
	struct known_map map;
	struct single *single;
	int r = known_find(p, &map);
	uint64_t now;

	if (r < 0)
		return r;
	single = single_of(map.region, &now);
	if (!single || single->free != ringbuf_free)
		return reason_set(ENOTSUP,
				  "map \"%s\" is of type %s (%u), not a ring buffer",
				  map.name, map_type_name(map.map_type), map.map_type);
	*ret = &((struct ringbuf *)single)->ring;
	last.list = now;
	last.base = hide((uintptr_t)map.base);
	last.len = ring_bytes((*ret)->size);
	last.ring = *ret;
	return 0;
}

static inline bool is_last(const void *p)
{
	return (uintptr_t)p - reveal(last.base) < last.len && last.list == single_now();
}

static int ring_of(const void *p, struct ring **ret)
{
	if (!is_last(p))
		return look_up(p, ret);
	*ret = last.ring;
	return 0;
}

static int shut_out(int err)
{
	return reason_set(err, "another thread reads the ring buffer, "
			       "and membarrier(2) is refused: %m");
}

static int read_failed(int err)
{
	if (err == EBADMSG)
		return reason_set(err, "the positions of the ring buffer make no sense");
	return shut_out(err);
}

static int release_failed(int err, const void *first, int count)
{
	if (err == EINVAL)
		return reason_set(err, "%s%p is no record that is kept",
				  count > 1 ? "one behind " : "", first);
	return shut_out(err);
}

/* How many records; 0: none is finished. */
static int read_some(const void *p, struct foster_record *records, int count)
{
	struct ring *ring;
	int r = ring_of(p, &ring);

	if (r < 0)
		return r;
	r = ring_read(ring, records, count);
	return r < 0 ? read_failed(-r) : r;
}

static int release_some(const struct foster_record *records, int count)
{
	struct ring *ring;
	int r = ring_of(records->data, &ring);

	if (r == 0)
		r = ring_release(ring, records, count);
	return r < 0 ? release_failed(-r, records->data, count) : r;
}

/* Apart, so that the common case below needs no frame on the stack. */
static __attribute__((noinline)) const void *next(const void *p, size_t *bytes)
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

static __attribute__((noinline)) int release(const void *record)
{
	const struct foster_record one = { .data = record };

	return result(release_some(&one, 1));
}

FOSTER_EXPORT const void *foster_ringbuf_next(const void *p, size_t *bytes)
{
	size_t size;
	const void *record = is_last(p) ? ring_take(last.ring, &size) : NULL;

	if (!record)
		return next(p, bytes);
	if (bytes)
		*bytes = size;
	return record;
}

FOSTER_EXPORT int foster_ringbuf_release(const void *record)
{
	return is_last(record) && ring_give(last.ring, record) ? 0 : release(record);
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
