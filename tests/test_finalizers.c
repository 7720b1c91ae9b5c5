/* SPDX-License-Identifier: BSD-2-Clause */
/* Finalizers and links of the host that lead to a region. */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/javaxfc.h>

static void *volatile in_static;

/* ------------------------------------------------------------- finalizers of the host */

struct finalizable {
	void *volatile pointer; /* into the region */
	struct finalizable *next;
};

static struct {
	_Atomic int runs;
	_Atomic int intact;
	_Atomic int order[4];
	uint64_t id;
	void *volatile resurrected;
	size_t len;
} finalized;

/* Reads the region through the object, as a finalizer of a program would. */
static void finalizer(void *object, void *data)
{
	const struct finalizable *f = object;
	struct foster_info info = FOSTER_INFO_INIT;
	const int run = atomic_fetch_add(&finalized.runs, 1);

	atomic_store(&finalized.order[run % 4], (int)(intptr_t)data);
	if (f->pointer && foster_info(f->pointer, &info) == 0 &&
	    info.id == finalized.id && info.state != FOSTER_REVOKED &&
	    pattern_holds(info.base, info.len, 0))
		atomic_fetch_add(&finalized.intact, 1);
}

static void resurrecting_finalizer(void *object, void *data)
{
	finalizer(object, data);
	finalized.resurrected = object;
}

typedef void register_fn(void *, GC_finalization_proc, void *, GC_finalization_proc *,
			 void **);

static void register_plain(void *object, GC_finalization_proc fn, void *data,
			   GC_finalization_proc *old, void **old_data)
{
	GC_register_finalizer(object, fn, data, old, old_data);
}

static void register_ignore_self(void *object, GC_finalization_proc fn, void *data,
				 GC_finalization_proc *old, void **old_data)
{
	GC_register_finalizer_ignore_self(object, fn, data, old, old_data);
}

static void register_no_order(void *object, GC_finalization_proc fn, void *data,
			      GC_finalization_proc *old, void **old_data)
{
	GC_register_finalizer_no_order(object, fn, data, old, old_data);
}

static void register_unreachable(void *object, GC_finalization_proc fn, void *data,
				 GC_finalization_proc *old, void **old_data)
{
	GC_register_finalizer_unreachable(object, fn, data, old, old_data);
}

/*
 * Collects until so many finalizers have run.  Each of a chain needs a collection of its
 * own; unreachable ones are taken out of the queue by every second collection.
 */
static void collect_until_finalized(int runs)
{
	for (int i = 0; i < 12 && atomic_load(&finalized.runs) < runs; i++) {
		forget();
		GC_gcollect();
		GC_invoke_finalizers();
	}
	assert_int_equal(atomic_load(&finalized.runs), runs);
}

static NOINLINE struct mark make_finalizable(register_fn *reg, GC_finalization_proc fn)
{
	struct finalizable *f = GC_MALLOC(sizeof(*f));
	struct mark mark = make_memfd_region(&f->pointer, 2, AT_MIDDLE);

	finalized.id = mark.id;
	reg(f, fn, NULL, NULL, NULL);
	return mark;
}

static void init_with_java(int java)
{
	GC_INIT();
	GC_set_java_finalization(java);
	assert_int_equal(foster_init(NULL), 0);
}

static void check_finalizer_sees_region(int java, register_fn *reg)
{
	struct mark mark;

	init_with_java(java);
	mark = make_finalizable(reg, finalizer);
	collect_until_finalized(1);
	assert_int_equal(finalized.intact, 1);
	assert_goes(&mark);
}

/* The finalizer is queued and nobody runs it: the region stays through any collection. */
static void check_pending_finalizer_keeps(int java, register_fn *reg)
{
	struct mark mark;

	init_with_java(java);
	GC_set_finalize_on_demand(1);
	mark = make_finalizable(reg, finalizer);
	for (int i = 0; i < 6; i++) {
		collect_times(1);
		assert_true(mark_is_mapped(&mark));
	}
	assert_int_equal(finalized.runs, 0);
	collect_until_finalized(1);
	assert_int_equal(finalized.intact, 1);
	assert_goes(&mark);
}

static void check_resurrection_keeps(int java, register_fn *reg)
{
	struct mark mark;

	init_with_java(java);
	mark = make_finalizable(reg, resurrecting_finalizer);
	collect_until_finalized(1);
	assert_int_equal(finalized.intact, 1);
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	finalized.resurrected = NULL;
	assert_goes(&mark);
}

/* first -> second -> third -> region; each has a finalizer and looks at the region. */
static NOINLINE struct mark make_chain(register_fn *reg)
{
	struct finalizable *f[3];
	struct mark mark;

	for (int i = 0; i < 3; i++)
		f[i] = GC_MALLOC(sizeof(*f[i]));
	mark = make_memfd_region(&f[2]->pointer, 2, AT_LAST_BYTE);
	finalized.id = mark.id;
	for (int i = 0; i < 3; i++) {
		f[i]->pointer = f[2]->pointer;
		f[i]->next = i < 2 ? f[i + 1] : NULL;
		reg(f[i], finalizer, (void *)(intptr_t)(i + 1), NULL, NULL);
	}
	memset(f, 0, sizeof(f));
	return mark;
}

static void check_chain_sees_region(int java, register_fn *reg, bool ordered)
{
	struct mark mark;

	init_with_java(java);
	mark = make_chain(reg);
	collect_until_finalized(3);
	assert_int_equal(finalized.intact, 3);
	for (int i = 0; ordered && i < 3; i++)
		assert_int_equal(finalized.order[i], i + 1);
	assert_goes(&mark);
}

#define WITH_BOTH_SETTINGS(variant, ordered)                                     \
	TEST(a_##variant##_finalizer_sees_the_region_intact_with_java)           \
	{                                                                        \
		check_finalizer_sees_region(1, register_##variant);              \
	}                                                                        \
	TEST(a_##variant##_finalizer_sees_the_region_intact_without_java)        \
	{                                                                        \
		check_finalizer_sees_region(0, register_##variant);              \
	}                                                                        \
	TEST(a_pending_##variant##_finalizer_keeps_the_region_with_java)         \
	{                                                                        \
		check_pending_finalizer_keeps(1, register_##variant);            \
	}                                                                        \
	TEST(a_pending_##variant##_finalizer_keeps_the_region_without_java)      \
	{                                                                        \
		check_pending_finalizer_keeps(0, register_##variant);            \
	}                                                                        \
	TEST(a_resurrecting_##variant##_finalizer_keeps_the_region_with_java)    \
	{                                                                        \
		check_resurrection_keeps(1, register_##variant);                 \
	}                                                                        \
	TEST(a_resurrecting_##variant##_finalizer_keeps_the_region_without_java) \
	{                                                                        \
		check_resurrection_keeps(0, register_##variant);                 \
	}                                                                        \
	TEST(a_chain_of_##variant##_finalizers_sees_the_region_with_java)        \
	{                                                                        \
		check_chain_sees_region(1, register_##variant, ordered);         \
	}                                                                        \
	TEST(a_chain_of_##variant##_finalizers_sees_the_region_without_java)     \
	{                                                                        \
		check_chain_sees_region(0, register_##variant, ordered);         \
	}

WITH_BOTH_SETTINGS(plain, true)
WITH_BOTH_SETTINGS(ignore_self, true)
WITH_BOTH_SETTINGS(no_order, false)
WITH_BOTH_SETTINGS(unreachable, false)

TEST(java_finalization_may_be_turned_off_while_regions_live)
{
	struct mark mark;

	init_with_java(1);
	mark = make_finalizable(register_no_order, finalizer);
	GC_set_java_finalization(0);
	collect_until_finalized(1);
	assert_int_equal(finalized.intact, 1);
	assert_goes(&mark);
}

TEST(finalizing_all_leaves_a_live_region_alone)
{
	struct mark mark = make_memfd_region(&in_static, 2, AT_MIDDLE);

	GC_finalize_all();
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	in_static = NULL;
	assert_goes(&mark);
}

TEST(finalizing_all_ends_with_many_regions)
{
	struct mark first;

	for (int i = 0; i < 500; i++)
		first = make_dropped(1);
	GC_finalize_all();
	assert_goes(&first);
}

/*
 * The object under a region is ours; a host that registers on it must not break anything.
 */
static NOINLINE void host_finalizer(void *object UNUSED, void *data UNUSED)
{
	atomic_fetch_add(&finalized.runs, 1);
}

static NOINLINE struct mark make_with_host_finalizer(void *volatile *slot)
{
	struct mark mark = make_memfd_region(slot, 2, AT_BASE);
	void *base = GC_base(*slot);

	assert_non_null(base);
	GC_register_finalizer_no_order(base, host_finalizer, NULL, NULL, NULL);
	return mark;
}

TEST(a_finalizer_of_the_host_on_the_object_below_is_survived)
{
	struct mark mark = make_with_host_finalizer(&in_static);

	assert_stays(&mark);
	assert_int_equal(finalized.runs, 0);
	in_static = NULL;
	assert_goes(&mark);
	collect_until_finalized(1);
}

/* ------------------------------------------------------------------------------ links */

static NOINLINE struct mark make_with_disappearing_link(void **link,
							int (*reg)(void **, const void *))
{
	void *volatile slot;
	struct mark mark = make_memfd_region(&slot, 2, AT_BASE);
	void *object = GC_base(slot);

	*link = (void *)GC_HIDE_POINTER(object);
	assert_int_equal(reg(link, object), GC_SUCCESS);
	slot = NULL;
	return mark;
}

static int register_short_link(void **link, const void *object)
{
	return GC_general_register_disappearing_link(link, object);
}

static int register_long_link(void **link, const void *object)
{
	return GC_register_long_link(link, object);
}

/* Whoever follows a link finds the region, or NULL: never memory that is gone. */
static void check_link(int (*reg)(void **, const void *))
{
	static void *link;
	struct mark mark;

	assert_int_equal(foster_init(NULL), 0);
	mark = make_with_disappearing_link(&link, reg);
	for (int i = 0; i < 2 * ROUNDS; i++) {
		if (link)
			assert_true(mark_is_mapped(&mark));
		collect_times(1);
	}
	assert_null(link);
	assert_false(mark_is_tracked(&mark));
	assert_int_equal(maps_count_inode(mark.inode), 0);
}

TEST(a_disappearing_link_to_a_region_is_cleared_before_it_goes)
{
	check_link(register_short_link);
}

TEST(a_long_link_to_a_region_is_cleared_before_it_goes)
{
	check_link(register_long_link);
}

static NOINLINE struct mark make_linked_finalizable(void **link)
{
	struct finalizable *f = GC_MALLOC(sizeof(*f));
	struct mark mark = make_memfd_region(&f->pointer, 2, AT_MIDDLE);

	finalized.id = mark.id;
	GC_register_finalizer_no_order(f, finalizer, NULL, NULL, NULL);
	*link = (void *)GC_HIDE_POINTER(f);
	assert_int_equal(GC_register_long_link(link, f), GC_SUCCESS);
	return mark;
}

static NOINLINE bool region_intact_through(void **link)
{
	struct finalizable *f = GC_REVEAL_POINTER(*link);
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(f->pointer, &info) == 0 &&
	       pattern_holds(info.base, info.len, 0);
}

TEST(a_long_link_to_an_object_with_a_pending_finalizer_leads_to_the_region)
{
	static void *link;
	struct mark mark;

	init_with_java(1);
	GC_set_finalize_on_demand(1);
	mark = make_linked_finalizable(&link);
	for (int i = 0; i < 4; i++) {
		collect_times(1);
		assert_non_null(link);
		assert_true(region_intact_through(&link));
	}
	GC_invoke_finalizers();
	assert_int_equal(finalized.intact, 1);
	for (int i = 0; i < 2 * ROUNDS && mark_is_tracked(&mark); i++) {
		if (link)
			assert_true(region_intact_through(&link));
		collect_times(1);
	}
	assert_null(link);
	assert_false(mark_is_tracked(&mark));
}
