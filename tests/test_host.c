/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host keeps its collector: settings, rhythm, debugging modes, and its other memory.
 */
#include "support.h"

#include <sys/wait.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_mark.h>

static void *volatile kept;

struct settings {
	int on_demand, java, interior, leak, full_freq, unmap, disabled, recycler,
		incremental;
	unsigned long time_limit;
	GC_word divisor, non_gc, max_retries, max_heap;
	GC_warn_proc warn;
	GC_oom_func oom;
	GC_finalizer_notifier_proc notifier;
	GC_push_other_roots_proc push;
	GC_on_heap_resize_proc resize;
};

static struct settings settings_now(void)
{
	struct settings now;

	memset(&now, 0, sizeof(now));
	now.on_demand = GC_get_finalize_on_demand();
	now.java = GC_get_java_finalization();
	now.interior = GC_get_all_interior_pointers();
	now.leak = GC_get_find_leak();
	now.full_freq = GC_get_full_freq();
	now.unmap = GC_get_force_unmap_on_gcollect();
	now.disabled = GC_is_disabled();
	now.recycler = GC_get_dont_precollect();
	now.incremental = GC_is_incremental_mode();
	now.time_limit = GC_get_time_limit();
	now.divisor = GC_get_free_space_divisor();
	now.non_gc = GC_get_non_gc_bytes();
	now.max_retries = GC_get_max_retries();
	now.warn = GC_get_warn_proc();
	now.oom = GC_get_oom_fn();
	now.notifier = GC_get_finalizer_notifier();
	now.push = GC_get_push_other_roots();
	now.resize = GC_get_on_heap_resize();
	return now;
}

static void use_foster(void)
{
	struct mark mark = make_dropped(3);

	make_memfd_region(&kept, 1, AT_BASE);
	assert_goes(&mark);
	assert_int_equal(foster_close(kept), 0);
	kept = NULL;
	collect_times(1);
}

TEST(no_setting_of_a_host_that_uses_the_collector_is_changed)
{
	struct settings before, after;

	GC_INIT();
	before = settings_now();
	use_foster();
	after = settings_now();
	assert_memory_equal(&before, &after, sizeof(before));
	foster_fini(-1);
	after = settings_now();
	assert_memory_equal(&before, &after, sizeof(before));
}

/* Foster stands before the host's procedure for events, and hands on. */
static _Atomic int events;

static void GC_CALLBACK count_events(GC_EventType event UNUSED)
{
	atomic_fetch_add(&events, 1);
}

TEST(a_procedure_of_the_host_for_events_is_called_as_before)
{
	GC_INIT();
	GC_set_on_collection_event(count_events);
	use_foster();
	assert_true(events > 0);
	atomic_store(&events, 0);
	GC_gcollect();
	assert_in_range(events, 4, 20);
}

TEST(a_host_may_set_its_procedure_for_events_later)
{
	GC_INIT();
	use_foster();
	GC_set_on_collection_event(count_events);
	use_foster();
	assert_true(events > 0);
	GC_set_on_collection_event(NULL);
	use_foster();
}

static GC_on_collection_event_proc events_before;

static void GC_CALLBACK count_and_hand_on(GC_EventType event)
{
	atomic_fetch_add(&events, 1);
	if (events_before)
		events_before(event);
}

/* Its procedure calls ours, and ours would call it: this must end. */
TEST_WITHIN(a_host_may_hand_events_on_to_the_procedure_before, 20)
{
	GC_INIT();
	use_foster();
	events_before = GC_get_on_collection_event();
	GC_set_on_collection_event(count_and_hand_on);
	use_foster();
	use_foster();
	assert_true(events > 0);
}

static void check_on_demand(int on_demand)
{
	GC_INIT();
	GC_set_finalize_on_demand(on_demand);
	use_foster();
	assert_int_equal(GC_get_finalize_on_demand(), on_demand);
}

TEST(regions_go_where_the_host_runs_finalizers_on_demand)
{
	check_on_demand(1);
}

TEST(regions_go_where_the_host_switches_finalizers_on_demand_back_and_forth)
{
	GC_INIT();
	for (int i = 0; i < 6; i++) {
		struct mark mark = make_dropped(1);

		GC_set_finalize_on_demand(i % 2);
		assert_goes(&mark);
		assert_int_equal(GC_get_finalize_on_demand(), i % 2);
	}
}

/* The finalizers of a host that runs them on demand never run on foster's thread. */
static _Atomic int runs;

static void count_run(void *object UNUSED, void *data UNUSED)
{
	atomic_fetch_add(&runs, 1);
}

static NOINLINE void drop_finalizable(void)
{
	GC_register_finalizer(GC_MALLOC(16), count_run, NULL, NULL, NULL);
}

TEST(finalizers_on_demand_wait_for_the_host)
{
	GC_INIT();
	GC_set_finalize_on_demand(1);
	assert_int_equal(foster_init(NULL), 0);
	for (int i = 0; i < 10; i++)
		drop_finalizable();
	collect_times(ROUNDS);
	assert_int_equal(runs, 0);
	GC_invoke_finalizers();
	assert_true(runs >= 9);
}

/* ----------------------------------------------------------------------------- rhythm */

/* In incremental mode each twentieth is a full one. */
#define CYCLES 20

static NOINLINE void allocate_until(GC_word cycle)
{
	void *volatile live[1000];

	for (size_t i = 0; (long)(GC_get_gc_no() - cycle) < 0; i++)
		live[i % COUNT_OF(live)] = GC_MALLOC(64);
}

/* Bytes that a host allocates from one collection of its to the next, on average. */
static NOINLINE size_t bytes_between_collections(void)
{
	size_t before;

	allocate_until(GC_get_gc_no() + 2);
	before = GC_get_total_bytes();
	allocate_until(GC_get_gc_no() + CYCLES);
	return (GC_get_total_bytes() - before) / CYCLES;
}

static NOINLINE void *make_live_list(size_t bytes)
{
	void **list = NULL;

	for (size_t i = 0; i < bytes / 64; i++) {
		void **node = GC_MALLOC(64);

		*node = list;
		list = node;
	}
	return list;
}

static NOINLINE void map_regions(void *volatile *region, size_t n, size_t bytes)
{
	for (size_t i = 0; i < n; i++) {
		region[i] = foster_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
					0);
		assert_ptr_not_equal(region[i], MAP_FAILED);
	}
}

/* What lives at a time. */
struct crowd {
	size_t n, kib;
};

#define CROWD_MOST 4000
#define LIST_BYTES ((size_t)5 << 20)

/* Beside the collector's heap, and in it: from 256 KiB on, and below. */
static const struct crowd large[] = {
	{ 1, 1 << 10 }, { 100, 1 << 10 }, { 900, 1 << 10 },
	{ 9, 100 << 10 }, { 3, 900 << 10 }, { 0, 0 }
};
static const struct crowd small[] = {
	{ 250, 4 }, { 10, 128 }, { 500, 128 }, { CROWD_MOST, 4 }, { CROWD_MOST, 224 }, { 0, 0 }
};

/* Within 5 %, but for a delay of so many bytes. */
static void assert_as_often(size_t alone, size_t delay, const char *when)
{
	const size_t now = bytes_between_collections();

	test_say("%s: %zu KiB from one collection to the next, alone %zu", when, now >> 10,
		 alone >> 10);
	assert_true(now <= alone + alone / 20 + delay);
	assert_true(now >= alone - alone / 20);
}

/* The collections of foster's own rounds are not the host's. */
static void begin_rhythm(void)
{
	const struct foster_options options = { .size = sizeof(options),
						.collect_mib = 1 << 20,
						.collect_regions = 1 << 30,
						.idle_collect_ms = FOSTER_NEVER };

	assert_int_equal(foster_init(&options), 0);
}

static void *volatile crowded[CROWD_MOST];

static void drop_crowd(void)
{
	memset((void *)crowded, 0, sizeof(crowded));
	collect_times(2);
}

/* Regions that live, or have gone, must not make the collector wait for more garbage. */
static void check_rhythm(const struct crowd *crowd)
{
	size_t alone;

	begin_rhythm();
	kept = make_live_list(LIST_BYTES);
	alone = bytes_between_collections();
	for (; crowd->n; crowd++) {
		map_regions(crowded, crowd->n, crowd->kib << 10);
		assert_as_often(alone, 0, "with regions");
		drop_crowd();
		assert_as_often(alone, 0, "without them");
	}
}

TEST_WITHIN(the_host_s_collections_come_as_often_with_regions_live, 120)
{
	GC_INIT();
	check_rhythm(large);
}

TEST_WITHIN(the_host_s_collections_come_as_often_with_small_regions_live, 120)
{
	GC_INIT();
	check_rhythm(small);
}

static void start_incremental(void)
{
	GC_INIT();
	GC_enable_incremental();
	if (!GC_is_incremental_mode())
		test_skip("no incremental mode here");
	/* A step that runs out of time puts the end off, by so much as others compute. */
	GC_set_time_limit(GC_TIME_UNLIMITED);
}

TEST_WITHIN(collections_in_incremental_mode_come_as_often_with_regions_live, 120)
{
	start_incremental();
	check_rhythm(large);
}

TEST_WITHIN(collections_in_incremental_mode_come_as_often_with_small_regions_live, 120)
{
	start_incremental();
	check_rhythm(small);
}

/* In a child, where there are no regions. */
static size_t rhythm_with_roots(void (*start)(void), size_t bytes)
{
	char *roots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t *shared = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	assert_true(shared != MAP_FAILED && roots != MAP_FAILED);
	child = fork();
	if (child == 0) {
		start();
		GC_add_roots(roots, roots + bytes);
		kept = make_live_list(LIST_BYTES);
		*shared = bytes_between_collections();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return *shared;
}

/*
 * A collection begins some steps of the allocator after it is due, and these are not small: with 100 KiB of
 * roots more or less it is 2.48 to 2.61 MB.  (Measured in incremental mode, with libgc 8.2.2.)
 */
static size_t rhythm_alone(void (*start)(void))
{
	const size_t one = rhythm_with_roots(start, 4 << 10);
	const size_t other = rhythm_with_roots(start, 200 << 10);

	return one > other ? one : other;
}

/*
 * The host begins to allocate when regions lie in the collector's heap.  For them libgc made that larger
 * by a share of it, at most by 16 MiB, and does not collect before the host has filled what is left over.
 */
static void check_late_host(void (*start)(void), size_t delay)
{
	const size_t alone = rhythm_alone(start);

	start();
	begin_rhythm();
	map_regions(crowded, 500, 128 << 10);
	kept = make_live_list(LIST_BYTES);
	assert_as_often(alone, delay, "with older regions");
	drop_crowd();
	assert_as_often(alone, delay, "without them");
}

static void start_collector(void)
{
	GC_INIT();
}

TEST_WITHIN(older_regions_delay_collections_by_one_growth_of_the_heap_at_most, 120)
{
	check_late_host(start_collector, 16 << 20);
}

TEST_WITHIN(collections_in_incremental_mode_come_as_often_with_older_regions, 120)
{
	start_incremental(); /* the child inherits it */
	check_late_host(start_collector, 0);
}

static NOINLINE void allocate_much(void)
{
	for (size_t i = 0; i < (8 << 20) / 64; i++)
		kept = GC_MALLOC(64);
	kept = NULL;
}

TEST(regions_of_a_host_that_allocates_lie_beside_the_collector_s_heap)
{
	void *volatile region[3];
	struct foster_info info = { .size = sizeof(info) };
	size_t mappings;

	GC_INIT();
	begin_rhythm();
	make_memfd_region(&region[0], 1, AT_BASE);
	assert_non_null(GC_base((void *)region[0]));
	allocate_much();
	mappings = maps_count();
	for (size_t i = 1; i < COUNT_OF(region); i++) {
		make_memfd_region(&region[i], 1, AT_BASE);
		assert_null(GC_base((void *)region[i]));
		assert_int_equal(foster_info((void *)region[i], &info), 0);
		assert_int_equal(info.tracking, FOSTER_TRACK_IN_PLACE);
	}
	/* One, and a forbidden page behind it. */
	assert_int_equal(maps_count(), mappings + 2 * (COUNT_OF(region) - 1));
}

/* Of any sizes: or the end of one would be the beginning of the other. */
TEST(regions_beside_the_collector_s_heap_do_not_abut)
{
	static const size_t pages[] = { 1, 3, 1, 9, 2, 60, 1, 1, 63, 4 };
	char *end = NULL;

	GC_INIT();
	begin_rhythm();
	allocate_much();
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		char *p = map_pages(pages[i]);

		assert_true(!end || p >= end + page_size());
		end = p + pages[i] * page_size();
	}
}

TEST(memory_of_a_stranger_where_a_region_would_lie_is_not_touched)
{
	void *volatile region[2];
	struct mark mark;
	char *next;

	GC_INIT();
	begin_rhythm();
	allocate_much();
	make_memfd_region(&region[0], 1, AT_BASE);
	next = mmap((char *)region[0] + 2 * page_size(), page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	assert_ptr_not_equal(next, MAP_FAILED);
	*next = 7;
	mark = make_memfd_region(&region[1], 1, AT_BASE);
	assert_ptr_not_equal(region[1], next);
	region[1] = NULL;
	assert_goes(&mark);
	assert_int_equal(*next, 7);
}

TEST(the_heap_of_the_host_does_not_grow_by_regions_that_come_and_go)
{
	size_t before;

	GC_INIT();
	assert_int_equal(foster_init(NULL), 0);
	kept = make_live_list(1 << 20);
	for (int i = 0; i < 3000; i++)
		make_dropped(1);
	collect_times(1);
	before = GC_get_heap_size();
	for (int i = 0; i < 10000; i++)
		make_dropped(1);
	collect_times(1);
	assert_true(GC_get_heap_size() <= before + (16 << 20));
}

/* -------------------------------------------------------------------- debugging modes */

TEST(a_host_that_checks_its_heap_may_close_and_collect)
{
	GC_INIT();
	kept = GC_debug_malloc(100, "test_host.c", 1);
	assert_non_null(kept);
	for (int i = 0; i < 20; i++) {
		static void *volatile region;
		struct mark mark = make_memfd_region(&region, 1 + (size_t)i % 4, AT_BASE);

		GC_gcollect();
		assert_true(mark_pattern_holds(&mark));
		assert_int_equal(foster_close(region), 0);
		GC_gcollect();
		region = NULL;
		assert_goes(&mark);
		GC_gcollect();
	}
}

TEST(a_file_is_not_written_to_in_a_host_that_checks_its_heap)
{
	struct mark mark;

	GC_INIT();
	kept = GC_debug_malloc(100, "test_host.c", 1);
	mark = make_memfd_region(&kept, 4, AT_MIDDLE);
	collect_times(ROUNDS);
	assert_true(mark_pattern_holds(&mark));
}

TEST(a_host_that_collects_incrementally_may_map_use_and_drop)
{
	GC_INIT();
	GC_enable_incremental();
	for (int i = 0; i < 30; i++) {
		struct mark mark = make_memfd_region(&kept, 2, AT_MIDDLE);

		for (int k = 0; k < 20000; k++)
			assert_non_null(GC_MALLOC(64));
		assert_true(mark_pattern_holds(&mark));
		memset(hidden_show(mark.base), 1, 100);
		kept = NULL;
		assert_goes(&mark);
	}
}

TEST(a_read_only_region_is_not_made_writable_by_a_host_that_collects_incrementally)
{
	struct maps_line line;
	struct mark mark;

	GC_INIT();
	GC_enable_incremental();
	{
		const int fd = pattern_memfd(page_size(), 0);

		kept = foster_mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(kept, MAP_FAILED);
		close(fd);
	}
	mark = mark_of(kept);
	collect_times(ROUNDS);
	for (int k = 0; k < 20000; k++)
		assert_non_null(GC_MALLOC(64));
	assert_true(maps_line_of(mark.base, &line));
	assert_string_equal(line.perms, "r--s");
}

/* ----------------------------------------------------------------- memory of the host */

/*
 * What foster gives back to the collector is ordinary memory: it can be written and is no
 * file.
 */
TEST(the_collector_may_use_what_foster_gave_back)
{
	const struct foster_options options = { .size = sizeof(options),
						.pool_mib = FOSTER_NEVER };
	uint64_t inode = 0;

	assert_int_equal(foster_init(&options), 0);
	for (int i = 0; i < 200; i++)
		inode = make_dropped(8).inode;
	collect_times(2 * ROUNDS);
	GC_gcollect();
	for (int i = 0; i < 2000; i++) {
		char *object = GC_MALLOC_ATOMIC(30000);

		assert_non_null(object);
		memset(object, 0xff, 30000);
	}
	assert_int_equal(maps_count_inode(inode), 0);
}

TEST(objects_and_regions_do_not_overwrite_each_other)
{
	static unsigned char *volatile object[300];
	static void *volatile region[300];
	struct mark mark[300];

	assert_int_equal(foster_init(NULL), 0);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT_OF(object); i++) {
			const size_t bytes = 3000 + 997 * (i % 40);

			object[i] = GC_MALLOC(bytes);
			memset(object[i], (int)i, bytes);
			mark[i] = make_anon_region(&region[i], 1 + i % 7, AT_BASE);
		}
		collect_times(1);
		for (size_t i = 0; i < COUNT_OF(object); i++) {
			assert_int_equal(object[i][0], i % 256);
			assert_int_equal(object[i][2999 + 997 * (i % 40)], i % 256);
			assert_true(mark_pattern_holds(&mark[i]));
		}
	}
}

/* --------------------------------------------------------------- behind foster's back */

static NOINLINE struct hidden unmap_behind(struct mark *mark, void *volatile *slot,
					   size_t pages)
{
	*mark = make_memfd_region(slot, pages, AT_BASE);
	assert_int_equal(munmap(*slot, pages * page_size()), 0);
	return hidden_of(*slot);
}

static NOINLINE void map_own(struct hidden at, size_t pages)
{
	void *p = mmap(hidden_show(at), pages * page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(p, hidden_show(at));
	pattern_fill(p, pages * page_size());
}

static bool is_abandoned(void *arg UNUSED)
{
	return stats_now().abandoned == 1;
}

TEST(memory_of_a_stranger_in_the_range_of_a_region_is_not_unmapped)
{
	struct mark mark;
	struct hidden at;

	at = unmap_behind(&mark, &kept, 3);
	map_own(at, 3);
	kept = NULL;
	forget();
	assert_true(collecting_until(is_abandoned, NULL, ROUNDS));
	assert_true(pattern_holds(hidden_show(at), 3 * page_size(), 0));
	assert_false(mark_is_tracked(&mark));
	assert_int_equal(stats_now().regions, 0);
	collect_times(2);
	assert_true(pattern_holds(hidden_show(at), 3 * page_size(), 0));
}

TEST(memory_of_a_stranger_in_the_range_of_a_region_is_not_closed)
{
	struct mark mark;
	struct hidden at;

	at = unmap_behind(&mark, &kept, 3);
	map_own(at, 3);
	assert_fails(ESTALE, foster_close(kept));
	assert_true(pattern_holds(kept, 3 * page_size(), 0));
}

TEST(a_range_that_the_host_unmapped_is_let_go)
{
	struct mark mark;

	unmap_behind(&mark, &kept, 2);
	kept = NULL;
	forget();
	assert_true(collecting_until(is_abandoned, NULL, ROUNDS));
	assert_false(mark_is_tracked(&mark));
	mark = make_dropped(2);
	assert_goes(&mark);
}
