/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer lies where the collector knows its way: in its objects, which count
 * while they are reached, by a finalizer too.  And what foster itself was given.
 */
#include "hide.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <gc/gc_typed.h>
#include <gc/javaxfc.h>

static void *volatile in_static;

/* The caller's registers must not be what keeps the object. */
static NOINLINE void put_into_object(void *(*make)(size_t))
{
	in_static = make(HIDE_ROOM);
	assert_non_null(in_static);
	hide_put(in_static);
}

static NOINLINE void clear_object(void)
{
	hide_clear(in_static);
}

static void check_object(void *(*make)(size_t))
{
	put_into_object(make);
	assert_kept();
	clear_object();
	assert_gone();
	assert_non_null(in_static);
}

/* The words stay in it, and it is not reached any more. */
static void check_dropped(void *(*make)(size_t))
{
	put_into_object(make);
	assert_kept();
	in_static = NULL;
	assert_gone();
}

/* -------------------------------------------------------------------------- objects */

static NOINLINE void *make_normal(size_t bytes)
{
	return GC_MALLOC(bytes);
}

HIDING_PLACE(a_collector_object)
{
	check_object(make_normal);
}

HIDING_PLACE(a_collector_object_until_it_is_dropped)
{
	check_dropped(make_normal);
}

static NOINLINE void *make_large(size_t bytes)
{
	return GC_MALLOC(bytes + 100000);
}

HIDING_PLACE(a_large_collector_object)
{
	check_object(make_large);
}

HIDING_PLACE(a_large_collector_object_until_it_is_dropped)
{
	check_dropped(make_large);
}

/* Only words that the description names are pointers: these four. */
static NOINLINE void *make_typed(size_t bytes)
{
	GC_word bitmap[GC_BITMAP_SIZE(char[64 * sizeof(void *)])] = { 0 };

	for (size_t i = 0; i < bytes / sizeof(void *); i++)
		GC_set_bit(bitmap, i);
	return GC_MALLOC_EXPLICITLY_TYPED(2 * bytes,
					  GC_make_descriptor(bitmap, 2 * bytes / 8));
}

HIDING_PLACE(an_explicitly_typed_object)
{
	check_object(make_typed);
}

HIDING_PLACE(an_explicitly_typed_object_until_it_is_dropped)
{
	check_dropped(make_typed);
}

static NOINLINE struct hidden make_uncollectable(void)
{
	void *object = GC_MALLOC_UNCOLLECTABLE(HIDE_ROOM);

	assert_non_null(object);
	hide_put(object);
	return hidden_of(object);
}

/* Nobody points to it. */
HIDING_PLACE(an_uncollectable_object)
{
	const struct hidden object = make_uncollectable();

	assert_kept();
	hide_clear(hidden_show(object));
	assert_gone();
}

HIDING_PLACE(an_uncollectable_object_until_it_is_freed)
{
	const struct hidden object = make_uncollectable();

	assert_kept();
	GC_FREE(hidden_show(object));
	assert_gone();
}

/* ----------------------------------------------------------------------- finalizers */

/* The words are in the last link. */
struct link {
	struct link *next;
	char area[HIDE_ROOM];
};

#define CHAIN 3

typedef void register_fn(void *, GC_finalization_proc, void *, GC_finalization_proc *,
			 void **);

static struct {
	register_fn *again; /* NULL: the object may go */
	_Atomic int runs;
} finalized;

/*
 * Follows the chain, as a program would.  It asks foster nothing: a call with the pointer
 * would keep the region by itself.
 */
static void finalize(void *object, void *data)
{
	struct link *link = object;

	atomic_fetch_add(&finalized.runs, 1);
	while (link->next)
		link = link->next;
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++) {
		uintptr_t word;

		memcpy(&word, link->area + hide_skew() + kind * sizeof(word),
		       sizeof(word));
		child_check(~word == hide_complement(kind));
	}
	if (finalized.again)
		finalized.again(object, finalize, data, NULL, NULL);
}

static NOINLINE void make_chain(int links, register_fn *fn, bool all)
{
	struct link *head = NULL;

	for (int i = 0; i < links; i++) {
		struct link *link = GC_MALLOC(sizeof(*link));

		assert_non_null(link);
		if (!head)
			hide_put(link->area);
		link->next = head;
		head = link;
		if (all || i == links - 1)
			fn(link, finalize, NULL, NULL, NULL);
	}
}

/* In every round the object is unreachable, finalized, and there again. */
static void check_finalizable(int links, register_fn *fn)
{
	finalized.again = fn;
	make_chain(links, fn, false);
	forget();
	assert_kept();
	assert_true(atomic_load(&finalized.runs) >= 2);
	finalized.again = NULL;
	assert_gone();
}

HIDING_PLACE(a_finalizable_object)
{
	check_finalizable(1, GC_register_finalizer);
}

HIDING_PLACE(what_a_finalizable_object_reaches)
{
	check_finalizable(CHAIN, GC_register_finalizer);
}

HIDING_PLACE(what_an_object_that_is_finalized_ignoring_itself_reaches)
{
	check_finalizable(CHAIN, GC_register_finalizer_ignore_self);
}

/* Without Java's rules the collector keeps the object alone, not what it reaches. */
HIDING_PLACE(an_object_that_is_finalized_in_no_order)
{
	check_finalizable(1, GC_register_finalizer_no_order);
}

HIDING_PLACE(what_an_object_that_is_finalized_in_no_order_reaches)
{
	GC_set_java_finalization(1);
	check_finalizable(CHAIN, GC_register_finalizer_no_order);
}

HIDING_PLACE(what_an_object_that_is_finalized_when_unreachable_reaches)
{
	GC_set_java_finalization(1);
	check_finalizable(CHAIN, GC_register_finalizer_unreachable);
}

/* They are finalized one by one, the one that holds the words last, when asked. */
HIDING_PLACE(a_chain_of_finalizable_objects)
{
	GC_set_finalize_on_demand(1);
	make_chain(CHAIN, GC_register_finalizer, true);
	forget();
	assert_kept();
	for (int i = 0; i < CHAIN; i++) {
		assert_true(hide_whole());
		assert_int_equal(atomic_load(&finalized.runs), i);
		GC_invoke_finalizers();
		hide_collect();
	}
	assert_int_equal(atomic_load(&finalized.runs), CHAIN);
	assert_gone();
}

/* ------------------------------------------------------------ what foster was given */

#define HELD 24

/* Regions of a few bytes, that hold a word each as the argument of their callback. */
static void *volatile holders[HIDE_KINDS];
static _Atomic int holders_released;

static void count_holder(void *addr UNUSED, size_t len, void *arg)
{
	child_check(len == HELD);
	child_check(arg != NULL);
	atomic_fetch_add(&holders_released, 1);
}

static NOINLINE void adopt_holder(enum hide_kind kind)
{
	char *p = mmap(NULL, 3 * page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	p += page_size() + 100;
	holders[kind] = foster_adopt(p, HELD, count_holder, hide_pointer(kind));
	assert_ptr_equal(holders[kind], p);
}

static void adopt_holders(void)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		adopt_holder(kind);
	forget();
}

HIDING_PLACE(the_argument_of_a_callback)
{
	adopt_holders();
	assert_kept();
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		holders[kind] = NULL;
	assert_gone();
	assert_int_equal(atomic_load(&holders_released), HIDE_KINDS);
}

HIDING_PLACE(the_argument_of_a_callback_until_it_is_disowned)
{
	adopt_holders();
	assert_kept();
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		assert_int_equal(foster_disown(holders[kind]), 0);
	assert_gone();
	assert_int_equal(atomic_load(&holders_released), 0);
}
