/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of adopted memory: kept while anything points into it, then released, once,
 * by the callback or by munmap(); or disowned, or closed, or inherited by a child.
 */
#include "adopting.h"

#include <pthread.h>

#include "base/sync.h"
#include "os/ledger.h"

static void *volatile kept;

/* Where an adopted piece of a page of its own lies. */
static NOINLINE struct hidden piece_new(size_t offset)
{
	return hidden_of(area_new(1) + offset);
}

/* Adopted by a callback, with no pointer left to it. */
static NOINLINE struct mark adopt_dropped(size_t len, foster_release_fn *fn, void *arg)
{
	char *p = area_new(1);
	struct mark mark;

	p += 501;
	assert_ptr_equal(foster_adopt(p, len, fn, arg), p);
	mark = mark_of(p);
	return mark;
}

/* -------------------------------------------------------------------------- the callback */

TEST(the_callback_is_told_what_was_adopted)
{
	static int arg;
	struct hidden at = piece_new(501);

	adopting_begin();
	adopt_bytes(NULL, at, 77, &arg);
	assert_true(are_released(1));
	assert_true(atomic_load(&adopting_released.sum) == at.complement);
	assert_int_equal(adopting_released.len, 77);
	assert_ptr_equal(adopting_released.arg, &arg);
}

TEST(the_callback_runs_once)
{
	adopting_begin();
	adopt_dropped(100, on_release, NULL);
	assert_true(are_released(1));
	collect_times(2 * ROUNDS);
	assert_int_equal(atomic_load(&adopting_released.calls), 1);
}

TEST(the_callback_runs_on_fosters_thread)
{
	adopting_begin();
	adopt_dropped(100, on_release, NULL);
	assert_true(are_released(1));
	assert_int_not_equal(adopting_released.tid, gettid());
	assert_int_not_equal(adopting_released.tid, 0);
}

static void pass_on(void *addr UNUSED, size_t len UNUSED, void *arg)
{
	atomic_fetch_add((_Atomic int *)arg, 1);
}

TEST(a_region_without_a_callback_is_unmapped)
{
	struct mark mark;
	struct maps_line line;

	adopting_begin();
	mark = adopt_pages(NULL, 3);
	assert_goes(&mark);
	assert_false(maps_line_of(mark.base, &line) && line.perms[0] == 'r');
}

TEST(a_region_with_a_callback_stays_mapped)
{
	static _Atomic int calls;
	struct mark mark;

	adopting_begin();
	mark = adopt_dropped(100, pass_on, (void *)&calls);
	assert_goes(&mark);
	assert_true(mark_is_mapped(&mark));
	assert_int_equal(atomic_load(&calls), 1);
}

TEST(counters_tell_of_a_release)
{
	struct foster_stats before, after;

	adopting_begin();
	before = stats_now();
	adopt_dropped(100, on_release, NULL);
	assert_true(are_released(1));
	assert_int_equal(foster_collect(20000), 0);
	after = stats_now();
	assert_int_equal(after.released, before.released + 1);
	assert_int_equal(after.regions, before.regions);
	assert_int_equal(after.bytes, before.bytes);
	assert_int_equal(after.in_place, before.in_place);
	assert_int_equal(after.mapped, before.mapped + 1);
}

TEST(collect_counts_what_was_released)
{
	int released = 0;

	adopting_begin();
	for (int i = 0; i < 10; i++)
		adopt_dropped(10, on_release, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		forget();
		released += foster_collect(20000);
	}
	assert_int_equal(released, 10);
}

/* ------------------------------------------------------------- what a callback may call */

static struct {
	void *volatile other; /* a region that lives */
	_Atomic int calls;
} within;

static void must_be_deadlock(int r)
{
	child_check(r == -EDEADLK && errno == EDEADLK);
}

static void call_everything(void *addr, size_t len, void *arg UNUSED)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct foster_stats stats = FOSTER_STATS_INIT;
	char *p, *q;

	child_check(foster_info(within.other, &info) == 0);
	child_check(foster_stats(&stats) == 0 && stats.regions >= 1);
	child_check(foster_pin(within.other) == 0 && foster_unpin(within.other) == 0);
	must_be_deadlock(foster_collect(1000));
	must_be_deadlock(foster_collect(0));
	must_be_deadlock(foster_fini(1000));
	p = foster_mmap(NULL, 2 * page_size(), RW, ANON, -1, 0);
	child_check(p != MAP_FAILED);
	memset(p, 1, 2 * page_size());
	child_check(foster_close(p) == 0);
	p = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
	child_check(p != MAP_FAILED && foster_disown(p) == 0);
	/* While the addresses of that one are in use: they are kept for ever. */
	q = mmap(NULL, page_size(), RW, ANON, -1, 0);
	child_check(foster_adopt(q, page_size(), NULL, NULL) == q);
	child_check(foster_disown(q) == 0 && munmap(q, page_size()) == 0);
	child_check(munmap(p, page_size()) == 0);
	memset(addr, 0, len);
	atomic_fetch_add(&within.calls, 1);
}

static bool was_called(void *calls)
{
	return atomic_load(&within.calls) >= *(int *)calls;
}

static bool within_was_called(int calls)
{
	forget();
	return collecting_until(was_called, &calls, ROUNDS);
}

/* No lock is held, and foster's thread need not wait for itself. */
TEST_WITHIN(the_callback_may_call_any_function, 30)
{
	struct mark other;

	adopting_begin();
	other = make_anon_region(&within.other, 1, AT_BASE);
	adopt_dropped(100, call_everything, NULL);
	assert_true(within_was_called(1));
	assert_true(mark_is_tracked(&other));
}

static void *use_foster(void *arg UNUSED)
{
	void *p = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);

	child_check(p != MAP_FAILED && foster_close(p) == 0);
	child_check(foster_pin(within.other) == 0 && foster_unpin(within.other) == 0);
	return NULL;
}


/* But for one that needs foster's thread, as those do that the collector does not know. */
static void *use_foster_attached(void *arg)
{
	child_check(foster_thread_attach() == 0);
	use_foster(arg);
	child_check(foster_thread_detach() == 0);
	return NULL;
}

static void wait_for_an_attached_thread(void *addr UNUSED, size_t len UNUSED, void *arg UNUSED)
{
	pthread_t thread;

	child_check(pthread_create(&thread, NULL, use_foster_attached, NULL) == 0);
	child_check(pthread_join(thread, NULL) == 0);
	atomic_fetch_add(&within.calls, 1);
}

TEST_WITHIN(the_callback_may_wait_for_a_thread_that_uses_foster, 30)
{
	adopting_begin();
	make_anon_region(&within.other, 1, AT_BASE);
	adopt_dropped(100, wait_for_an_attached_thread, NULL);
	assert_true(within_was_called(1));
}

/* What it is called for is no region any more, and may be one again. */
static void adopt_again(void *addr, size_t len, void *arg)
{
	struct foster_info info = FOSTER_INFO_INIT;

	child_check(foster_info(addr, &info) == -ENOENT);
	memset(addr, 0, len);
	if (atomic_fetch_add(&within.calls, 1) < 2)
		child_check(foster_adopt(addr, len, adopt_again, arg) == addr);
}

TEST(the_callback_may_adopt_the_same_range_again)
{
	adopting_begin();
	adopt_dropped(100, adopt_again, NULL);
	assert_true(within_was_called(1));
	assert_true(within_was_called(2));
	assert_true(within_was_called(3));
	assert_int_equal(stats_now().regions, 0);
}

static void disown_other(void *addr UNUSED, size_t len UNUSED, void *arg UNUSED)
{
	child_check(foster_disown(within.other) == 0);
	atomic_fetch_add(&within.calls, 1);
}

TEST(the_callback_may_disown_another_region)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_bytes(&within.other, piece_new(64), 64, NULL);
	adopt_dropped(100, disown_other, NULL);
	assert_true(within_was_called(1));
	assert_false(mark_is_tracked(&mark));
	within.other = NULL;
	collect_times(ROUNDS);
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
}

/* ----------------------------------------------------------------- beside foster's own memory */

#define BESIDE ((size_t)500) /* pages of each of three pieces; the middle one is the accounts' */

static NOINLINE struct hidden area_around_accounts(void)
{
	const size_t part = BESIDE * page_size();

	char *p = area_new(3 * BESIDE), *taken;

	/* The kernel takes the highest gap that is large enough. */
	do
		taken = mmap(NULL, part, PROT_NONE, ANON, -1, 0);
	while (taken != MAP_FAILED && taken > p);
	assert_int_equal(munmap(p + part, part), 0);
	taken = ledger_take(part - 64); /* all of it, with what the ledger adds */
	assert_true(taken >= p + part && taken < p + 2 * part);
	return hidden_of(p);
}

static NOINLINE void adopt_beside(struct hidden area)
{
	char *p = hidden_show(area);

	/* Whose end is where the accounts begin, and the other way round. */
	assert_non_null(foster_adopt(p + BESIDE * page_size() - 100, 100, on_release, NULL));
	assert_non_null(foster_adopt(p + 2 * BESIDE * page_size(), 100, on_release, NULL));
}

TEST(accounts_keep_nothing_that_lies_beside_them)
{
	struct hidden area;

	adopting_begin();
	area = area_around_accounts();
	adopt_beside(area);
	assert_true(are_released(2));
}

/* --------------------------------------------------------------------------- its argument */

/* An argument that points into another region is all that points there. */
static NOINLINE struct mark adopt_with_arg_into(struct hidden other)
{
	struct mark mark = adopt_bytes(&kept, piece_new(900), 40, hidden_show(other));

	return mark;
}

TEST(a_region_stays_that_the_argument_of_another_points_into)
{
	struct mark other, holder;
	struct hidden at = piece_new(501);

	adopting_begin();
	other = adopt_bytes(NULL, at, 100, NULL);
	holder = adopt_with_arg_into((struct hidden){ at.complement - 50 });
	assert_stays(&other);
	assert_true(stats_now().kept_region > 0);
	assert_stays(&holder);
	kept = NULL;
	assert_true(are_released(2));
}

TEST(an_argument_of_a_disowned_region_keeps_nothing)
{
	struct mark other;
	struct hidden at = piece_new(501);

	adopting_begin();
	other = adopt_bytes(NULL, at, 100, NULL);
	adopt_with_arg_into(at);
	assert_stays(&other);
	assert_int_equal(foster_disown(kept), 0);
	assert_true(are_released(1));
	assert_false(mark_is_tracked(&other));
}

/* ----------------------------------------------------------------------------------- pins */

TEST(a_pin_keeps_it)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_bytes(&kept, piece_new(333), 10, NULL);
	assert_int_equal(foster_pin((char *)kept + 9), 0);
	kept = NULL;
	forget();
	assert_stays(&mark);
	assert_int_equal(mark_info(&mark).pins, 1);
	assert_int_equal(foster_unpin(hidden_show(mark.base)), 0);
	assert_true(are_released(1));
}

TEST(a_pin_of_its_neighbour_does_not_keep_it)
{
	struct hidden at = piece_new(333);
	struct mark second;
	void *volatile slot;

	adopting_begin();
	adopt_bytes(NULL, at, 10, NULL);
	second = adopt_bytes(&slot, (struct hidden){ at.complement - 10 }, 10, NULL);
	assert_int_equal(foster_pin(slot), 0);
	slot = NULL;
	assert_true(are_released(1));
	assert_true(mark_is_tracked(&second));
}

/* ----------------------------------------------------------------------- disown and close */

TEST(a_disowned_region_is_not_released)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_bytes(&kept, piece_new(333), 10, NULL);
	assert_int_equal(foster_disown(kept), 0);
	kept = NULL;
	forget();
	collect_times(ROUNDS);
	assert_false(mark_is_tracked(&mark));
	assert_true(mark_is_mapped(&mark));
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
}

TEST(disowned_pages_stay_mapped)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_pages(&kept, 2);
	assert_int_equal(foster_disown(kept), 0);
	kept = NULL;
	forget();
	collect_times(ROUNDS);
	assert_true(mark_is_readable(&mark));
}

TEST(what_was_disowned_may_be_adopted_again)
{
	adopting_begin();
	adopt_bytes(&kept, piece_new(333), 10, NULL);
	assert_int_equal(foster_disown(kept), 0);
	adopt_bytes(NULL, hidden_of((char *)kept - 1), 12, NULL);
	kept = NULL;
	assert_true(are_released(1));
	assert_int_equal(adopting_released.len, 12);
	assert_int_equal(stats_now().disowned, 1);
}

TEST(a_region_with_a_callback_cannot_be_closed)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_bytes(&kept, hidden_of(area_new(1)), page_size(), NULL);
	assert_fails(ENOTSUP, foster_close(kept));
	assert_fails(ENOTSUP, foster_munmap(kept, page_size()));
	assert_int_equal(mark_info(&mark).state, FOSTER_LIVE);
	*(char *)kept = 1;
	assert_stays(&mark);
	kept = NULL;
	assert_true(are_released(1));
}

/* Its page is not its own. */
TEST(bytes_of_a_page_cannot_be_unmapped)
{
	struct mark mark;
	char *p = area_new(1);

	adopting_begin();
	mark = adopt_bytes(&kept, hidden_of(p + 10), 10, NULL);
	assert_fails(ENOTSUP, foster_close(kept));
	assert_fails(ENOENT, foster_munmap(p, page_size()));
	assert_true(mark_is_tracked(&mark));
	p[0] = p[10] = 1;
}

static void touch(void *p)
{
	*(volatile char *)p = 1;
}

TEST(adopted_pages_may_be_closed)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_pages(&kept, 3);
	assert_int_equal(foster_close((char *)kept + 5000), 0);
	assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
	assert_child_dies(SIGSEGV, touch, (char *)kept + 2 * page_size());
	collect_times(ROUNDS); /* its addresses stay reserved */
	assert_int_equal(mark_info(&mark).state, FOSTER_REVOKED);
	assert_fails(EALREADY, foster_close(kept));
	kept = NULL;
	assert_goes(&mark);
	assert_int_equal(stats_now().revoked, 0);
}

/* Nothing is left there, not even reserved. */
TEST(the_addresses_of_closed_pages_go)
{
	struct mark mark;
	struct maps_line line;

	adopting_begin();
	mark = adopt_pages(&kept, 3);
	assert_int_equal(foster_close(kept), 0);
	kept = NULL;
	assert_goes(&mark);
	assert_false(maps_line_of(mark.base, &line));
}

static NOINLINE void unmap_the_second(char *p)
{
	assert_int_equal(foster_munmap(p + page_size(), page_size()), 0);
	assert_child_dies(SIGSEGV, touch, p + page_size());
	p[0] = p[2 * page_size()] = 1;
}

/* Far from others, below the libraries. */
#define FAR_BELOW ((char *)0x1a2b3c4d5000)

static NOINLINE struct mark adopt_shared_page(void)
{
	char *p = mmap(FAR_BELOW, page_size(), RW,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(p, FAR_BELOW);
	*p = 1;
	assert_ptr_equal(foster_adopt(p, page_size(), NULL, NULL), p);
	return mark_of(p);
}

/* The sweep notes how far mappings follow each other: up to the end of this one. */
TEST(shared_memory_with_nothing_behind_it_goes)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_shared_page();
	assert_goes(&mark);
}

TEST(a_page_of_adopted_ones_may_be_unmapped)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_pages(&kept, 3);
	unmap_the_second(kept);
	assert_int_equal(mark_info(&mark).state, FOSTER_LIVE);
	assert_int_equal(mark_info(&mark).revoked, page_size());
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

TEST(adopted_pages_that_were_unmapped_by_their_host_are_let_go)
{
	struct mark mark;
	const uint64_t abandoned = (adopting_begin(), stats_now().abandoned);
	char *p;

	mark = adopt_pages(&kept, 2);
	p = kept;
	assert_int_equal(munmap(p, 2 * page_size()), 0);
	/* Somebody else's. */
	assert_ptr_equal(mmap(p, 2 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
			      0),
			 p);
	p = NULL;
	kept = NULL;
	forget();
	collect_times(ROUNDS);
	assert_false(mark_is_tracked(&mark));
	assert_true(mark_is_readable(&mark));
	assert_int_equal(stats_now().abandoned, abandoned + 1);
}

/* ----------------------------------------------------------------------------------- fork */

static void drop_and_collect(void *arg)
{
	int calls = *(int *)arg;

	kept = NULL;
	forget();
	for (int i = 0; i < 2 * ROUNDS; i++)
		child_check(foster_collect(20000) >= 0);
	child_check(atomic_load(&adopting_released.calls) == calls);
}

/* Its memory is a copy, and it has the region as the parent has. */
TEST(the_child_has_the_region_and_its_callback)
{
	int one = 1;
	struct mark mark;

	adopting_begin();
	mark = adopt_bytes(&kept, piece_new(77), 100, NULL);
	assert_child_passes(drop_and_collect, &one);
	assert_int_equal(atomic_load(&adopting_released.calls), 0);
	assert_stays(&mark);
	kept = NULL;
	assert_true(are_released(1));
}

static void keep_and_collect(void *mark)
{
	for (int i = 0; i < ROUNDS; i++)
		child_check(foster_collect(20000) >= 0);
	child_check(mark_is_tracked(mark));
	child_check(atomic_load(&adopting_released.calls) == 0);
}

TEST(the_child_keeps_what_it_points_to)
{
	struct mark mark;

	adopting_begin();
	mark = adopt_bytes(&kept, piece_new(77), 100, NULL);
	assert_child_passes(keep_and_collect, &mark);
}

TEST(a_callback_that_has_run_does_not_run_in_the_child)
{
	int one = 1;

	adopting_begin();
	adopt_dropped(100, on_release, NULL);
	assert_true(are_released(1));
	assert_child_passes(drop_and_collect, &one);
}

static struct {
	struct moment inside, go_on;
} slow;

static void be_slow(void *addr, size_t len, void *arg)
{
	moment_announce(&slow.inside);
	moment_await(&slow.go_on);
	on_release(addr, len, arg);
}

static void *collect_once(void *arg UNUSED)
{
	child_check(foster_collect(20000) >= 0);
	return NULL;
}

/* The first round of a collection, when it has begun, and what was in doubt before the second. */
static struct {
	struct moment begun, made;
	_Atomic int rounds;
	_Atomic uint64_t doubted;
} first;

static void make_meanwhile(const char *point)
{
	if (strcmp(point, "round") == 0 && atomic_load(&first.rounds) == 1)
		atomic_store(&first.doubted, stats_now().doubted);
	if (strcmp(point, "round-begun") == 0 && atomic_fetch_add(&first.rounds, 1) == 0) {
		moment_announce(&first.begun);
		moment_await(&first.made);
	}
}

/* Many threads may make many of them during a round, which would go on and on. */
TEST(what_is_made_when_a_round_has_begun_waits_for_the_next)
{
	uint64_t doubted_before;
	pthread_t thread;

	adopting_begin();
	adopt_dropped(100, on_release, NULL); /* whose number the other gets */
	assert_true(are_released(1));
	doubted_before = stats_now().doubted;
	sync_hook = make_meanwhile;
	thread = thread_begin(collect_once, NULL);
	moment_await(&first.begun);
	adopt_dropped(100, on_release, NULL);
	forget();
	moment_announce(&first.made);
	thread_end(thread);
	sync_hook = NULL;
	assert_true(first.rounds >= 2);
	assert_int_equal(first.doubted, doubted_before);
	assert_int_equal(atomic_load(&adopting_released.calls), 2);
}

/* Whether it has done its work yet, nobody knows but the parent's. */
TEST(a_callback_that_is_running_does_not_run_in_the_child_too)
{
	int none = 0;
	pthread_t thread;

	adopting_begin();
	adopt_dropped(100, be_slow, NULL);
	forget();
	thread = thread_begin(collect_once, NULL);
	moment_await(&slow.inside);
	assert_child_passes(drop_and_collect, &none);
	moment_announce(&slow.go_on);
	thread_end(thread);
	assert_int_equal(atomic_load(&adopting_released.calls), 1);
}
