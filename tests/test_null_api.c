/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public functions with the null collector: the test says what is reachable, so that
 * what goes and what stays is known exactly, and sanitizers can watch.
 *
 * The same source is built plain, with the address and undefined-behaviour sanitizers,
 * and with the thread sanitizer.
 */
#include "support.h"

#include <pthread.h>

#include "gc/null.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#define must child_check

/* No collection but those that a test asks for. */
static void begin(unsigned int pool_mib)
{
	const struct foster_options options = { .size = sizeof(options),
						.idle_collect_ms = FOSTER_NEVER,
						.collect_regions = 1 << 30,
						.collect_mib = 1 << 20,
						.pool_mib = pool_mib };

	assert_int_equal(foster_init(&options), 0);
}

static unsigned char *null_pages(size_t pages)
{
	unsigned char *p = foster_mmap(NULL, pages * page_size(), RW, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true(gc_null_reach((uintptr_t)p, true));
	return p;
}

static void drop(const void *p)
{
	assert_true(gc_null_reach((uintptr_t)p, false));
}

static bool is_known(const void *p)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(p, &info) == 0;
}

TEST(what_is_reachable_stays_and_what_is_not_goes)
{
	unsigned char *p, *q;

	begin(0);
	p = null_pages(2);
	q = null_pages(3);
	*p = *q = 1;
	drop(p);
	assert_int_equal(foster_collect(-1), 1);
	assert_false(is_known(p));
	assert_true(is_known(q));
	assert_int_equal(*q, 1);
	drop(q);
	assert_int_equal(foster_collect(-1), 1);
	assert_int_equal(foster_collect(-1), 0);
}

TEST(a_released_range_is_inaccessible_until_it_is_used_again)
{
	struct maps_line line;
	unsigned char *p, *q;

	begin(0);
	p = null_pages(2);
	memset(p, 0xff, 2 * page_size());
	drop(p);
	assert_int_equal(foster_collect(-1), 1);
	assert_true(maps_line_of(hidden_of(p), &line));
	assert_string_equal(line.perms, "---p");
	q = null_pages(2);
	assert_ptr_equal(q, p);
	assert_int_equal(q[0], 0);
	assert_int_equal(q[2 * page_size() - 1], 0);
}

TEST(a_large_range_is_used_again_for_its_size_only)
{
	unsigned char *p, *q;

	begin(0);
	p = null_pages(90);
	drop(p);
	assert_int_equal(foster_collect(-1), 1);
	q = null_pages(70);
	assert_ptr_not_equal(q, p);
	assert_int_equal(stats_now().reused, 0);
	assert_ptr_equal(null_pages(90), p);
	assert_int_equal(stats_now().reused, 1);
}

TEST(without_a_pool_the_collector_gets_the_object_back)
{
	size_t before;

	begin(FOSTER_NEVER);
	before = gc_null_objects();
	for (int i = 0; i < 20; i++)
		drop(null_pages(3));
	assert_int_equal(foster_collect(-1), 20);
	assert_true(foster_collect(-1) >= 0);
	assert_int_equal(gc_null_objects(), before);
	assert_int_equal(stats_now().pool_ranges, 0);
}

TEST(closed_addresses_are_reserved_until_unreachable)
{
	unsigned char *p;

	begin(0);
	p = null_pages(2);
	assert_int_equal(foster_close(p), 0);
	assert_int_equal(foster_collect(-1), 0);
	assert_true(is_known(p));
	assert_ptr_not_equal(null_pages(2), p);
	drop(p);
	assert_int_equal(foster_collect(-1), 1);
	assert_false(is_known(p));
	assert_ptr_equal(null_pages(2), p);
}

TEST(pins_keep_what_is_unreachable)
{
	unsigned char *p;

	begin(0);
	p = null_pages(1);
	assert_int_equal(foster_pin(p), 0);
	assert_int_equal(foster_pin(p), 0);
	drop(p);
	assert_int_equal(foster_collect(-1), 0);
	assert_int_equal(foster_unpin(p), 0);
	assert_int_equal(foster_collect(-1), 0);
	assert_int_equal(foster_unpin(p), 0);
	assert_int_equal(foster_collect(-1), 1);
}

TEST(where_two_signs_are_needed_one_collection_is_not_enough)
{
	unsigned char *p;

	begin(0);
	gc_null_set_signs(2);
	p = null_pages(1);
	drop(p);
	assert_int_equal(foster_collect(-1), 1);
	assert_false(is_known(p));
}

TEST(while_collection_is_disabled_it_is_busy)
{
	begin(0);
	gc_null_disable(true);
	drop(null_pages(1));
	assert_fails(EBUSY, foster_collect(-1));
	gc_null_disable(false);
	assert_int_equal(foster_collect(-1), 1);
}

TEST(when_no_object_can_be_made_mapping_fails_and_leaves_nothing)
{
	size_t before;

	begin(0);
	before = gc_null_objects();
	gc_null_fail(1000);
	assert_map_fails(ENOMEM, foster_mmap(NULL, page_size(), RW, ANON, -1, 0));
	assert_int_equal(gc_null_objects(), before);
	assert_int_equal(stats_now().mapped, 0);
	assert_true(stats_now().retried > 0);
	gc_null_fail(0);
	null_pages(1);
}

TEST(one_failed_allocation_is_tried_again)
{
	begin(0);
	gc_null_fail(1);
	null_pages(1);
	assert_int_equal(stats_now().retried, 1);
}

/* -------------------------------------------------------------------- against a model */

#define SLOTS 24
#define PAGES_MOST 6

struct slot {
	unsigned char *p; /* NULL: empty */
	size_t pages;
	unsigned char fill;
	bool revoked[PAGES_MOST];
	bool closed, reachable;
	unsigned int pins;
	uint64_t id;
};

static struct slot slot[SLOTS];
static uint64_t closed, disowned, mapped;

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static bool all_revoked(const struct slot *s)
{
	for (size_t i = 0; i < s->pages; i++)
		if (!s->revoked[i])
			return false;
	return true;
}

static bool any_revoked(const struct slot *s)
{
	for (size_t i = 0; i < s->pages; i++)
		if (s->revoked[i])
			return true;
	return false;
}

static void set_closed(struct slot *s)
{
	for (size_t i = 0; i < s->pages; i++)
		s->revoked[i] = true;
	s->closed = true;
	closed++;
}

static void op_map(struct slot *s, uint32_t *seed)
{
	struct foster_info info = FOSTER_INFO_INIT;

	*s = (struct slot){ .pages = 1 + next_random(seed) % PAGES_MOST,
			    .reachable = true };
	s->fill = (unsigned char)(1 + next_random(seed) % 255);
	s->p = null_pages(s->pages);
	assert_int_equal(s->p[0], 0);
	assert_int_equal(s->p[s->pages * page_size() - 1], 0);
	memset(s->p, s->fill, s->pages * page_size());
	assert_int_equal(foster_info(s->p, &info), 0);
	s->id = info.id;
	mapped++;
}

static void op_close(struct slot *s, uint32_t *seed)
{
	const size_t at = next_random(seed) % (s->pages * page_size());

	assert_int_equal(foster_close(s->p + at), s->closed ? -EALREADY : 0);
	if (!s->closed)
		set_closed(s);
}

static void op_munmap(struct slot *s, uint32_t *seed)
{
	const size_t from = next_random(seed) % s->pages;
	const size_t count = 1 + next_random(seed) % (s->pages - from);
	bool fresh = false;

	for (size_t i = from; i < from + count; i++)
		fresh |= !s->revoked[i];
	assert_int_equal(foster_munmap(s->p + from * page_size(), count * page_size()),
			 fresh ? 0 : -EALREADY);
	for (size_t i = from; i < from + count; i++)
		s->revoked[i] = true;
	if (!s->closed && all_revoked(s))
		set_closed(s);
}

static void op_pin(struct slot *s, uint32_t *seed UNUSED)
{
	assert_int_equal(foster_pin(s->p), s->closed ? -ESTALE : 0);
	s->pins += !s->closed;
}

static void op_unpin(struct slot *s, uint32_t *seed UNUSED)
{
	assert_int_equal(foster_unpin(s->p), s->pins ? 0 : -EINVAL);
	s->pins -= s->pins != 0;
}

static void op_reach(struct slot *s, uint32_t *seed)
{
	s->reachable = next_random(seed) % 3 == 0;
	assert_true(gc_null_reach((uintptr_t)s->p, s->reachable));
}

static void op_disown(struct slot *s, uint32_t *seed)
{
	if (next_random(seed) % 4)
		return;
	assert_int_equal(foster_disown(s->p), any_revoked(s) ? -EALREADY : 0);
	if (any_revoked(s))
		return;
	assert_int_equal(s->p[0], s->fill);
	disowned++;
	s->p = NULL;
}

static void check_slot(const struct slot *s)
{
	struct foster_info info = FOSTER_INFO_INIT;
	size_t revoked = 0;

	for (size_t i = 0; i < s->pages; i++) {
		unsigned char *page = s->p + i * page_size();

		assert_int_equal(foster_info(page + 77, &info), 0);
		assert_int_equal(info.state,
				 s->revoked[i] ? FOSTER_REVOKED : FOSTER_LIVE);
		if (!s->revoked[i]) {
			assert_int_equal(page[0], s->fill);
			assert_int_equal(page[page_size() - 1], s->fill);
		}
		revoked += s->revoked[i];
	}
	assert_int_equal(info.id, s->id);
	assert_ptr_equal(info.base, s->p);
	assert_int_equal(info.len, s->pages * page_size());
	assert_int_equal(info.revoked, revoked * page_size());
	assert_int_equal(info.pins, s->pins);
}

static void op_check(struct slot *s, uint32_t *seed UNUSED)
{
	check_slot(s);
}

static void collect_and_compare(void)
{
	int expected = 0;

	for (size_t i = 0; i < SLOTS; i++)
		expected += slot[i].p && !slot[i].reachable && !slot[i].pins;
	assert_int_equal(foster_collect(-1), expected);
	for (size_t i = 0; i < SLOTS; i++) {
		struct foster_info info = FOSTER_INFO_INIT;

		if (!slot[i].p)
			continue;
		if (slot[i].reachable || slot[i].pins) {
			check_slot(&slot[i]);
			continue;
		}
		assert_int_equal(foster_info(slot[i].p, &info), -ENOENT);
		slot[i].p = NULL;
	}
}

static int count_one(const struct foster_info *info, void *arg)
{
	size_t *count = arg;

	for (size_t i = 0; i < SLOTS; i++)
		if (slot[i].p && slot[i].id == info->id) {
			assert_ptr_equal(info->base, slot[i].p);
			count[0]++;
		}
	count[1]++;
	return 0;
}

static void compare_counters(void)
{
	const struct foster_stats stats = stats_now();
	size_t live = 0, bytes = 0, reserved = 0, count[2] = { 0, 0 };

	for (size_t i = 0; i < SLOTS; i++) {
		live += slot[i].p && !slot[i].closed;
		bytes += slot[i].p && !slot[i].closed ? slot[i].pages * page_size() : 0;
		reserved += slot[i].p && slot[i].closed;
	}
	assert_int_equal(stats.regions, live);
	assert_int_equal(stats.bytes, bytes);
	assert_int_equal(stats.revoked, reserved);
	assert_int_equal(stats.closed, closed);
	assert_int_equal(stats.disowned, disowned);
	assert_int_equal(stats.mapped, mapped);
	assert_int_equal(stats.released, mapped - disowned - live - reserved);
	assert_int_equal(foster_for_each(count_one, count), 0);
	assert_int_equal(count[0], live + reserved);
	assert_int_equal(count[1], live + reserved);
}

static void run_against_model(uint32_t seed, int rounds)
{
	static void (*const op[])(struct slot *, uint32_t *) = {
		op_close, op_munmap, op_pin,	op_unpin,
		op_reach, op_reach,  op_disown, op_check,
	};

	for (int i = 0; i < rounds; i++) {
		struct slot *s = &slot[next_random(&seed) % SLOTS];
		const uint32_t choice = next_random(&seed);

		if (!s->p)
			op_map(s, &seed);
		else
			op[choice % COUNT_OF(op)](s, &seed);
		if (next_random(&seed) % 40 == 0)
			collect_and_compare();
		if (i % 50 == 0)
			compare_counters();
	}
	collect_and_compare();
	compare_counters();
}

TEST_WITHIN(random_operations_agree_with_a_model, 120)
{
	begin(0);
	for (uint32_t seed = 1; seed <= 5; seed++)
		run_against_model(seed, 4000);
}

TEST_WITHIN(random_operations_without_a_pool_agree_with_a_model, 120)
{
	begin(FOSTER_NEVER);
	for (uint32_t seed = 6; seed <= 8; seed++)
		run_against_model(seed, 4000);
}

TEST_WITHIN(random_operations_with_a_small_pool_agree_with_a_model, 120)
{
	begin(1);
	for (uint32_t seed = 9; seed <= 11; seed++)
		run_against_model(seed, 4000);
}

/* ----------------------------------------------------------------------------- crowds */

#define CROWD 4

/* Unknown threads: what they map is kept until they close it. */
static void *map_use_close(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < 500; i++) {
		const size_t pages = 1 + next_random(&seed) % 4;
		struct foster_info info = FOSTER_INFO_INIT;
		unsigned char *p =
			foster_mmap(NULL, pages * page_size(), RW, ANON, -1, 0);

		must(p != MAP_FAILED && p[0] == 0);
		must(gc_null_reach((uintptr_t)p, true));
		memset(p, 1, pages * page_size());
		must(foster_info(p, &info) == 0 && info.base == p);
		must(info.flags & FOSTER_INFO_UNSEEN);
		must(foster_pin(p) == 0 && foster_unpin(p) == 0);
		if (pages > 1 && next_random(&seed) % 2)
			must(foster_munmap(p + page_size(), page_size()) == 0);
		must(p[0] == 1);
		must(foster_close(p) == 0);
		must(foster_close(p) == -EALREADY);
		must(gc_null_reach((uintptr_t)p, false));
	}
	return NULL;
}

static _Atomic bool stop;

static int look(const struct foster_info *info, void *arg UNUSED)
{
	must(info->size == sizeof(*info) && info->id && info->base && info->len);
	return 0;
}

static void *collect_and_look(void *arg UNUSED)
{
	while (!atomic_load(&stop)) {
		must(foster_collect(60000) >= 0);
		must(foster_for_each(look, NULL) == 0);
		must(stats_now().mapped < UINT64_MAX);
	}
	return NULL;
}

TEST_WITHIN(threads_map_and_close_while_others_collect_and_look, 120)
{
	pthread_t worker[CROWD], watcher[2];

	begin(0);
	for (size_t i = 0; i < COUNT_OF(watcher); i++)
		watcher[i] = thread_begin(collect_and_look, NULL);
	for (uintptr_t i = 0; i < CROWD; i++)
		worker[i] = thread_begin(map_use_close, (void *)(i + 1));
	for (size_t i = 0; i < CROWD; i++)
		thread_end(worker[i]);
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT_OF(watcher); i++)
		thread_end(watcher[i]);
	assert_true(foster_collect(-1) >= 0);
	assert_int_equal(stats_now().regions, 0);
	assert_int_equal(stats_now().closed, CROWD * 500);
	assert_int_equal(stats_now().mapped, CROWD * 500);
}

/* Pointers to shared regions: pinned, looked at, closed by whoever comes first. */
#define SHARED 64

static unsigned char *shared[SHARED];
static _Atomic unsigned int closers;

static void *quarrel(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (int i = 0; i < 4000; i++) {
		unsigned char *p = shared[next_random(&seed) % SHARED];
		struct foster_info info = FOSTER_INFO_INIT;
		const int pin = foster_pin(p);

		must(pin == 0 || pin == -ESTALE || pin == -ENOENT);
		if (pin == 0) {
			must(foster_info(p, &info) == 0 && info.base == p &&
			     info.pins > 0);
			must(foster_unpin(p) == 0);
		}
		if (next_random(&seed) % 50 == 0)
			atomic_fetch_add(&closers, foster_close(p + 1) == 0);
		if (next_random(&seed) % 50 == 1)
			gc_null_reach((uintptr_t)p, false);
	}
	return NULL;
}

TEST_WITHIN(threads_quarrel_over_regions_while_others_collect, 120)
{
	pthread_t worker[CROWD], watcher;

	begin(0);
	for (size_t i = 0; i < SHARED; i++)
		shared[i] = null_pages(1 + i % 3);
	watcher = thread_begin(collect_and_look, NULL);
	for (uintptr_t i = 0; i < CROWD; i++)
		worker[i] = thread_begin(quarrel, (void *)(i + 1));
	for (size_t i = 0; i < CROWD; i++)
		thread_end(worker[i]);
	atomic_store(&stop, true);
	thread_end(watcher);
	for (size_t i = 0; i < SHARED; i++)
		gc_null_reach((uintptr_t)shared[i], false);
	assert_true(foster_collect(-1) >= 0);
	assert_int_equal(stats_now().regions, 0);
	assert_int_equal(stats_now().revoked, 0);
	assert_int_equal(stats_now().closed, closers);
	assert_int_equal(stats_now().released, SHARED);
}

static void *stop_and_start(void *arg UNUSED)
{
	for (int i = 0; i < 60; i++) {
		must(foster_fini(60000) >= 0);
		must(foster_init(NULL) == 0);
	}
	return NULL;
}

TEST_WITHIN(threads_map_and_close_while_foster_is_stopped_and_started, 120)
{
	pthread_t worker[2], stopper;

	begin(0);
	stopper = thread_begin(stop_and_start, NULL);
	for (uintptr_t i = 0; i < COUNT_OF(worker); i++)
		worker[i] = thread_begin(map_use_close, (void *)(i + 1));
	for (size_t i = 0; i < COUNT_OF(worker); i++)
		thread_end(worker[i]);
	thread_end(stopper);
	assert_int_equal(stats_now().regions, 0);
}
