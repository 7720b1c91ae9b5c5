/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer lies in a region of foster's own that is in doubt itself.  Such regions are read late,
 * and only if something speaks for them; so whatever keeps one must be noticed in time, or nothing
 * may go.
 */
#include "hide.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/sync.h"

#define RW (PROT_READ | PROT_WRITE)
#define LINKS 24
#define LINKS_MOST 3000

/* ------------------------------------------------------------------ chains of regions */

static uintptr_t link_complement[LINKS_MOST];
static uint64_t regions_before;
static void *volatile *in_malloc; /* where the collector does not look: what it holds is doubted */

static NOINLINE char *show_link(int i)
{
	return hidden_show((struct hidden){ link_complement[i] });
}

static NOINLINE void make_link(int i, int fd, size_t pages)
{
	char *p = foster_mmap(NULL, pages * page_size(), RW, MAP_SHARED, fd,
			      (off_t)((size_t)i * pages * page_size()));

	assert_ptr_not_equal(p, MAP_FAILED);
	*(volatile char *)p = 0;
	assert_int_equal(foster_pin(p), 0);
	link_complement[i] = ~(uintptr_t)p;
}

static NOINLINE void unpin_link(int i)
{
	assert_int_equal(foster_unpin(show_link(i)), 0);
}

static void unpin_links(int n)
{
	for (int i = 0; i < n; i++)
		unpin_link(i);
	forget();
}

static NOINLINE void touch_second_page(int i)
{
	show_link(i)[page_size()] = 0;
}

/* Nothing points to any of them, and they are pinned; the page that points to others is the first. */
static NOINLINE void make_links(int n, size_t pages)
{
	const int fd = memfd_create("links", 0);

	regions_before = stats_now().regions;
	assert_true(fd >= 0 && n <= LINKS_MOST);
	assert_int_equal(ftruncate(fd, (off_t)((size_t)n * pages * page_size())), 0);
	for (int i = 0; i < n; i++)
		make_link(i, fd, pages);
	in_malloc = calloc(1, 64);
	assert_non_null(in_malloc);
	forget();
}

static NOINLINE void point_from_link(int from, int to)
{
	hide_store(show_link(from) + 8, link_complement[to]);
}

static NOINLINE void hide_in_link(int i)
{
	hide_put(show_link(i) + 64);
	forget();
}

static void hold_link(int i)
{
	hide_store(in_malloc + 2, link_complement[i]);
}

static bool are_links_gone(void *before)
{
	return stats_now().regions <= *(uint64_t *)before;
}

/* They are many, and libgc itself may hold one. */
static void assert_links_gone(void)
{
	assert_true(collecting_until(are_links_gone, &regions_before, ROUNDS));
}

static void drop_links(void)
{
	in_malloc[2] = NULL;
	assert_links_gone();
}

/* As assert_kept(), but that looks at all memory, and makes pages that are not there. */
static void assert_kept_unseen(void)
{
	hide_unpin();
	assert_true(hide_kept());
}

/* From one to the next in steps of so many, which with n have nothing in common. */
static void check_chain(int n, size_t pages, int step)
{
	const int last = (n - 1) * step % n;

	make_links(n, pages);
	for (int i = 0; i + 1 < n; i++)
		point_from_link(i * step % n, (i + 1) * step % n);
	hide_in_link(last);
	hold_link(0);
	unpin_links(n);
	assert_kept_unseen();
	drop_links();
	assert_gone();
}

HIDING_PLACE(a_region_in_doubt)
{
	check_chain(1, 1, 1);
}

HIDING_PLACE(a_chain_of_regions_in_doubt)
{
	check_chain(LINKS, 1, 1);
}

HIDING_PLACE(a_chain_of_regions_in_doubt_backwards)
{
	check_chain(LINKS, 1, LINKS - 1);
}

HIDING_PLACE(a_chain_of_regions_in_doubt_up_and_down)
{
	check_chain(LINKS, 1, 7);
}

HIDING_PLACE(a_long_chain_of_regions_in_doubt)
{
	check_chain(LINKS_MOST, 1, 7);
}

/* The second page of each is not there: the kernel has to be asked what it is. */
HIDING_PLACE(a_chain_of_regions_that_are_not_all_there)
{
	check_chain(LINKS, 2, 7);
}

/* Some are found to be so when others have been passed over. */
HIDING_PLACE(a_chain_with_regions_that_are_not_all_there)
{
	make_links(LINKS, 2);
	for (int i = 0; i < LINKS; i++)
		if (i % 4 != 3)
			touch_second_page(i);
	for (int i = 0; i + 1 < LINKS; i++)
		point_from_link(i, i + 1);
	hide_in_link(LINKS - 1);
	hold_link(0);
	unpin_links(LINKS);
	assert_kept_unseen();
	drop_links();
	assert_gone();
}

/* ------------------------------------------------------------------ what speaks for one */

/* It was forbidden after it was seen. */
HIDING_PLACE(a_region_in_doubt_that_is_forbidden)
{
	make_links(1, 1);
	hide_in_link(0);
	hold_link(0);
	unpin_links(1);
	assert_int_equal(mprotect(show_link(0), page_size(), PROT_NONE), 0);
	assert_kept();
	assert_int_equal(mprotect(show_link(0), page_size(), RW), 0);
	drop_links();
	assert_gone();
}

static _Atomic bool again;

static void revive(void *object, void *data)
{
	if (atomic_load(&again))
		GC_register_finalizer(object, revive, data, NULL, NULL);
}

static NOINLINE void hold_in_finalizable_object(void)
{
	void *volatile *object = GC_MALLOC(64);

	assert_non_null(object);
	hide_store(object + 1, link_complement[0]);
	atomic_store(&again, true);
	GC_register_finalizer((void *)object, revive, NULL, NULL, NULL);
}

/* It is marked after the moment only. */
HIDING_PLACE(a_region_in_doubt_that_a_finalizer_will_see)
{
	make_links(2, 1);
	point_from_link(0, 1);
	hide_in_link(1);
	hold_in_finalizable_object();
	unpin_links(2);
	assert_kept();
	atomic_store(&again, false);
	assert_gone();
}

/* An ordinary page before it, which foster does not take for the region, but the collector does. */
HIDING_PLACE(a_region_whose_object_is_pointed_to)
{
	make_links(2, 1);
	point_from_link(0, 1);
	hide_in_link(1);
	{
		void *volatile *object = GC_MALLOC_UNCOLLECTABLE(64);

		assert_non_null(object);
		hide_store(object + 1, link_complement[0] + 64);
		unpin_links(2);
		assert_kept();
		object[1] = NULL;
	}
	assert_gone();
}

/* ------------------------------------------------------------------ after the moment */

static _Atomic bool armed;

static void pin_first(const char *point)
{
	if (!strcmp(point, "sweep-decided") && atomic_exchange(&armed, false))
		child_check(foster_pin(show_link(0)) == 0);
}

/* Nothing spoke for it at the moment; what it points to was not looked for. */
HIDING_PLACE(a_region_that_is_pinned_after_the_moment)
{
	make_links(2, 1);
	point_from_link(0, 1);
	hide_in_link(1);
	unpin_links(2);
	atomic_store(&armed, true);
	sync_hook = pin_first;
	assert_kept();
	assert_false(atomic_load(&armed));
	sync_hook = NULL;
	unpin_link(0);
	assert_gone();
}

static struct moment decided, done;
static struct mark tail;

static void wait_decided(const char *point)
{
	if (strcmp(point, "sweep-decided") || !atomic_exchange(&armed, false))
		return;
	moment_announce(&decided);
	moment_await(&done);
}

/* No further: what is shown stays in any case. */
static int store_first(const struct foster_info *info, void *arg UNUSED)
{
	if (~(uintptr_t)info->base != link_complement[0])
		return 0;
	in_malloc[2] = info->base;
	return 1;
}

static void *visit(void *arg UNUSED)
{
	moment_await(&decided);
	child_check(foster_for_each(store_first, NULL) == 1);
	forget();
	moment_announce(&done);
	return NULL;
}

static NOINLINE void point_to_tail(void)
{
	tail = make_memfd_region((void *volatile *)(show_link(0) + 8), 1, AT_BASE);
}

static void check_visit(unsigned int way)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	struct foster_stats before;
	pthread_t thread;

	options.idle_collect_ms = FOSTER_NEVER;
	options.sweep = way;
	assert_int_equal(foster_init(&options), 0);
	make_links(1, 1);
	point_to_tail();
	before = stats_now();
	thread = thread_begin(visit, NULL);
	unpin_links(1);
	atomic_store(&armed, true);
	sync_hook = wait_decided;
	assert_int_equal(foster_collect(60000), 0);
	assert_false(atomic_load(&armed));
	thread_end(thread);
	sync_hook = NULL;
	assert_stays(&tail);
	/* And the rounds after that did decide. */
	assert_true(stats_now().undecided <= before.undecided + 1);
	drop_links();
	assert_goes(&tail);
}

TEST(pause_keeps_what_a_region_points_to_that_is_shown_after_the_moment)
{
	check_visit(FOSTER_SWEEP_PAUSE);
}

TEST(tracked_keeps_what_a_region_points_to_that_is_shown_after_the_moment)
{
	check_visit(FOSTER_SWEEP_TRACKED);
}

TEST(snapshot_keeps_what_a_region_points_to_that_is_shown_after_the_moment)
{
	check_visit(FOSTER_SWEEP_SNAPSHOT);
}

/* ------------------------------------------------------------------ what nothing speaks for */

/* All in one round, which reads none of them. */
IN_EACH_WAY(releases_regions_that_point_to_each_other_in_a_circle)
{
	make_links(LINKS, 1);
	for (int i = 0; i < LINKS; i++)
		point_from_link(i, (i + 7) % LINKS);
	unpin_links(LINKS);
	assert_links_gone();
}
