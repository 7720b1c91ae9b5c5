// SPDX-License-Identifier: BSD-2-Clause
/* Ring buffers of the kernel, written by a program: bpf/events.bpf.c. */
#include "support_bpf.h"

#include <linux/types.h>
#include <sys/epoll.h>

#include "../refuse.h"
#include "base/sync.h"
#include "events.h"
#include "events.skel.h"

#define STEP (sizeof(struct event) + BPF_RINGBUF_HDR_SZ)
#define FULL (EVENTS_BYTES / STEP) /* records */

/* The one pointer of the test into the ring. */
static const void *volatile kept;

static void run(const struct events_bpf *skel, __u32 records)
{
	skel->data->records = records;
	assert_int_equal(run_on_packet(bpf_program__fd(skel->progs.emit)), 0);
}

static int ring_fd(const struct events_bpf *skel)
{
	return bpf_map__fd(skel->maps.events);
}

static const void *map_ring(const struct events_bpf *skel)
{
	const void *ring = foster_bpf_map(ring_fd(skel));

	assert_given(ring);
	return ring;
}

static const struct event *take(const void *ring, __u64 number)
{
	size_t bytes = 0;
	const struct event *event = foster_ringbuf_next(ring, &bytes);

	assert_non_null(event);
	assert_int_equal(bytes, sizeof(*event));
	assert_int_equal(event->number, number);
	assert_int_equal(event->twice, 2 * number);
	assert_int_equal(event->tag, EVENT_TAG);
	return event;
}

static void assert_empty(const void *ring)
{
	assert_null_with(EAGAIN, foster_ringbuf_next(ring, NULL));
}

/* Until the ring is full; all of it is kept. */
static void fill_and_take(const struct events_bpf *skel, const void *ring,
			  const struct event **event)
{
	run(skel, FULL);
	for (__u64 i = 0; i < FULL; i++)
		event[i] = take(ring, i);
}

/* Up to which byte the kernel may write again. */
static __u64 consumed(const void *ring)
{
	return FOSTER_READ(*(const __u64 *)ring);
}

/* ------------------------------------------------------------------------ in one order */

TEST(records_come_as_the_program_wrote_them)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);

	assert_empty(ring);
	run(skel, 3);
	for (__u64 i = 0; i < 3; i++)
		assert_int_equal(foster_ringbuf_release(take(ring, i)), 0);
	assert_empty(ring);
	events_bpf__destroy(skel);
}

TEST(any_pointer_into_the_ring_asks_for_the_next)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *record = map_ring(skel);

	run(skel, 5);
	for (__u64 i = 0; i < 5; i++)
		record = take(record, i);
	events_bpf__destroy(skel);
}

TEST(records_that_wrap_around_are_whole)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);

	for (__u64 i = 0; i < 10 * FULL; i++) {
		run(skel, 1);
		assert_int_equal(foster_ringbuf_release(take(ring, i)), 0);
		assert_int_equal(consumed(ring), (i + 1) * STEP);
	}
	assert_int_equal(skel->bss->dropped, 0);
	events_bpf__destroy(skel);
}

TEST(discarded_records_are_passed_over)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);

	skel->data->discarded = 2;
	run(skel, 6);
	for (__u64 i = 0; i < 6; i += 2)
		assert_int_equal(foster_ringbuf_release(take(ring, i)), 0);
	assert_empty(ring);
	assert_int_equal(consumed(ring), 6 * STEP);
	events_bpf__destroy(skel);
}

TEST(many_records_are_read_and_released_at_once)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	struct foster_record records[FULL];

	run(skel, FULL);
	assert_int_equal(foster_ringbuf_read(ring, records, 5), 5);
	assert_int_equal(foster_ringbuf_read(ring, records + 5, FULL), FULL - 5);
	assert_int_equal(foster_ringbuf_read(ring, records, FULL), 0);
	for (__u64 i = 0; i < FULL; i++) {
		assert_int_equal(records[i].bytes, sizeof(struct event));
		assert_int_equal(((const struct event *)records[i].data)->number, i);
	}
	assert_int_equal(foster_ringbuf_release_all(records, FULL), 0);
	assert_int_equal(consumed(ring), FULL * STEP);
	assert_fails(EINVAL, foster_ringbuf_release_all(records, FULL));
	assert_fails(EINVAL, foster_ringbuf_release_all(records, -1));
	assert_fails(EINVAL, foster_ringbuf_read(ring, records, 0));
	assert_int_equal(foster_ringbuf_release_all(records, 0), 0);
	events_bpf__destroy(skel);
}

/* -------------------------------------------------------------------------------- kept */

TEST(kept_records_stay_what_they_are_while_the_ring_is_full)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	const struct event *event[FULL];

	fill_and_take(skel, ring, event);
	run(skel, 2 * FULL);
	assert_int_equal(skel->bss->dropped, 2 * FULL);
	for (__u64 i = 0; i < FULL; i++)
		assert_int_equal(event[i]->number, i);
	events_bpf__destroy(skel);
}

TEST(the_room_of_a_record_is_used_again_once_the_older_ones_are_released)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	const struct event *event[FULL];

	fill_and_take(skel, ring, event);
	assert_int_equal(foster_ringbuf_release(event[1]), 0);
	run(skel, 1);
	assert_int_equal(skel->bss->dropped, 1);
	assert_int_equal(foster_ringbuf_release(event[0]), 0);
	assert_int_equal(consumed(ring), 2 * STEP);
	run(skel, 2);
	assert_int_equal(skel->bss->dropped, 1);
	take(ring, FULL);
	take(ring, FULL + 1);
	events_bpf__destroy(skel);
}

static NOINLINE void keep_third(const struct events_bpf *skel)
{
	const void *ring = map_ring(skel);

	run(skel, 3);
	take(ring, 0);
	take(ring, 1);
	kept = take(ring, 2);
}

TEST(a_record_keeps_the_ring_mapped_after_the_program_is_gone)
{
	struct events_bpf *skel = LOADED(events_bpf);
	struct mark mark;

	keep_third(skel);
	mark = mark_of((const void *)kept);
	events_bpf__destroy(skel);
	assert_stays(&mark);
	assert_int_equal(((const struct event *)kept)->number, 2);
	assert_int_equal(foster_ringbuf_release((const void *)kept), 0);
}

TEST(the_ring_goes_after_the_last_record)
{
	struct events_bpf *skel = LOADED(events_bpf);
	__u32 id = map_id(ring_fd(skel));
	struct mark mark;

	keep_third(skel);
	mark = mark_of((const void *)kept);
	events_bpf__destroy(skel);
	assert_true(kernel_lists_map(id));
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
	assert_int_equal(mapped_maps(), 0);
}

static void *release_record(void *record)
{
	assert_int_equal(foster_ringbuf_release(record), 0);
	return NULL;
}

TEST(another_thread_releases_a_record)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);

	run(skel, 1);
	on_plain_thread(release_record, (void *)take(ring, 0));
	assert_int_equal(consumed(ring), STEP);
	events_bpf__destroy(skel);
}

static struct moment inside, forked;

static void stay_inside(const char *name)
{
	if (strcmp(name, "ring-alone") == 0) {
		moment_announce(&inside);
		moment_await(&forked);
	}
}

static void *look_for_records(void *arg)
{
	assert_empty(arg);
	return arg;
}

static void look_in_child(void *ring)
{
	sync_hook = NULL;
	child_check(!foster_ringbuf_next(ring, NULL) && errno == EAGAIN);
}

TEST(the_child_of_fork_waits_for_no_thread_of_the_parent)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	pthread_t reader;

	sync_hook = stay_inside;
	reader = thread_begin(look_for_records, (void *)ring);
	moment_await(&inside);
	assert_child_passes(look_in_child, (void *)ring);
	moment_announce(&forked);
	thread_end(reader);
	events_bpf__destroy(skel);
}

static void *be_refused(void *ring)
{
	assert_null_with(EPERM, foster_ringbuf_next(ring, NULL));
	assert_non_null(strstr(foster_bpf_strerror(), "membarrier"));
	return ring;
}

/* One that was the only one goes on; there is no way to tell it of a second one. */
TEST(a_second_thread_is_refused_where_the_kernel_has_no_barrier_any_more)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);

	assert_empty(ring);
	refuse(SYS_membarrier, 0, ENOSYS);
	on_plain_thread(be_refused, (void *)ring);
	assert_empty(ring);
	events_bpf__destroy(skel);
}

/* ------------------------------------------------------------------- one ring, one map */

TEST(a_map_is_mapped_once)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	int other = dup(ring_fd(skel));

	run(skel, 2);
	take(ring, 0);
	assert_ptr_equal(foster_bpf_map(other), ring);
	take(foster_bpf_map(other), 1);
	close(other);
	events_bpf__destroy(skel);
}

TEST(two_maps_are_two_rings)
{
	struct events_bpf *one = LOADED(events_bpf), *two = LOADED(events_bpf);
	const void *first = map_ring(one), *second = map_ring(two);

	run(one, 2);
	run(two, 1);
	for (__u64 i = 0; i < 2; i++) {
		take(first, i);
		if (i < 1)
			take(second, i);
	}
	assert_empty(second);
	events_bpf__destroy(one);
	events_bpf__destroy(two);
}

TEST(what_was_not_released_is_read_again_after_a_close)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);

	run(skel, 3);
	assert_int_equal(foster_ringbuf_release(take(ring, 0)), 0);
	take(ring, 1);
	assert_int_equal(foster_close(ring), 0);
	assert_int_equal(mapped_maps(), 2); /* .data and .bss, by libbpf */
	ring = map_ring(skel);
	take(ring, 1);
	take(ring, 2);
	events_bpf__destroy(skel);
}

static void touch_producer(void *ring)
{
	*(volatile char *)((char *)ring + page_size()) = 0;
}

TEST(what_the_kernel_writes_is_read_only)
{
	struct events_bpf *skel = LOADED(events_bpf);

	assert_child_dies(SIGSEGV, touch_producer, (void *)map_ring(skel));
	events_bpf__destroy(skel);
}

TEST(foster_knows_the_map_of_a_record)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;

	run(skel, 1);
	assert_int_equal(foster_bpf_map_info(take(ring, 0), &info), 0);
	assert_int_equal(info.map_type, BPF_MAP_TYPE_RINGBUF);
	assert_int_equal(info.map_id, map_id(ring_fd(skel)));
	assert_ptr_equal(info.base, ring);
	assert_int_equal(info.stride, 0);
	assert_null_with(ENOTSUP, FOSTER_ELEM(ring, __u64, 0));
	events_bpf__destroy(skel);
}

/* ----------------------------------------------------------------------- others with it */

static bool is_ready(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0) == 1;
}

TEST(the_descriptor_tells_of_records)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, ring_fd(skel), &event), 0);
	assert_false(is_ready(epoll));
	run(skel, 1);
	assert_true(is_ready(epoll));
	kept = take(ring, 0);
	assert_true(is_ready(epoll)); /* as the manual says */
	assert_int_equal(foster_ringbuf_release((const void *)kept), 0);
	assert_false(is_ready(epoll));
	close(epoll);
	events_bpf__destroy(skel);
}

static int count_sample(void *count, void *data, size_t bytes)
{
	(void)data;
	(void)bytes;
	++*(unsigned int *)count;
	return 0;
}

TEST(the_reader_of_libbpf_and_ours_take_turns)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const void *ring = map_ring(skel);
	unsigned int count = 0;
	struct ring_buffer *theirs =
		ring_buffer__new(ring_fd(skel), count_sample, &count, NULL);

	assert_non_null(theirs);
	for (__u64 i = 0; i < 20; i += 5) {
		run(skel, 2);
		assert_int_equal(foster_ringbuf_release(take(ring, i)), 0);
		assert_int_equal(foster_ringbuf_release(take(ring, i + 1)), 0);
		run(skel, 3);
		count = 0;
		assert_int_equal(ring_buffer__consume(theirs), 3);
		assert_int_equal(count, 3);
		assert_empty(ring);
	}
	ring_buffer__free(theirs);
	events_bpf__destroy(skel);
}

/* ---------------------------------------------------------------------------- refusals */

TEST(a_record_is_released_once)
{
	struct events_bpf *skel = LOADED(events_bpf);
	const struct event *event;

	map_ring(skel);
	run(skel, 2);
	event = take(map_ring(skel), 0);
	assert_fails(EINVAL, foster_ringbuf_release((const char *)event + 1));
	assert_int_equal(foster_ringbuf_release(event), 0);
	assert_fails(EINVAL, foster_ringbuf_release(event));
	assert_non_null(strstr(foster_bpf_strerror(), "no record"));
	events_bpf__destroy(skel);
}

TEST(only_rings_have_records)
{
	int fd = array_map(8, 1, 0);
	void *values = foster_bpf_map(fd);

	assert_non_null(values);
	assert_null_with(ENOTSUP, foster_ringbuf_next(values, NULL));
	assert_non_null(strstr(foster_bpf_strerror(), "not a ring buffer"));
	assert_fails(ENOTSUP, foster_ringbuf_release(values));
	assert_null_with(ENOENT, foster_ringbuf_next(&fd, NULL));
	assert_fails(ENOENT, foster_ringbuf_release(NULL));
	close(fd);
}

static int ring_map(enum bpf_map_type type, __u32 bytes)
{
	int fd = bpf_map_create(type, "ring", 0, 0, bytes, NULL);

	skip_without_bpf(fd, "a ring buffer");
	if (fd == -ENOMEM)
		test_skip("no memory for a ring of %u bytes", bytes);
	assert_true(fd >= 0);
	return fd;
}

TEST(rings_for_the_other_direction_are_refused)
{
	int fd = ring_map(31 /* BPF_MAP_TYPE_USER_RINGBUF */, 4096);

	assert_refused(ENOTSUP, fd, "user_ringbuf");
	close(fd);
}

/* With its own numbers of bytes, and above what fits the collector's heap. */
TEST(rings_of_all_sizes_are_mapped)
{
	static const __u32 sizes[] = { 4096, 1 << 16, 1 << 24, 1 << 29 };

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, sizes[i],
					NULL);
		const void *ring;

		if (fd == -ENOMEM)
			break;
		skip_without_bpf(fd, "a ring buffer");
		ring = foster_bpf_map(fd);
		assert_non_null(ring);
		assert_empty(ring);
		assert_int_equal(mark_of(ring).len,
				 2 * page_size() + 2 * (size_t)sizes[i]);
		assert_int_equal(foster_close(ring), 0);
		close(fd);
	}
}
