/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_pin() and foster_unpin(): a region is kept whatever is seen. */
#include "support.h"

#include <sys/time.h>

#define PINS_MAX 16777214

static void *volatile kept;

static NOINLINE struct mark make_pinned(int pins)
{
	void *volatile slot;
	struct mark mark = make_memfd_region(&slot, 2, AT_MIDDLE);

	for (int i = 0; i < pins; i++)
		assert_int_equal(foster_pin(slot), 0);
	slot = NULL;
	return mark;
}

static NOINLINE int unpin_hidden(const struct mark *mark)
{
	return foster_unpin(hidden_show(mark->base));
}

static NOINLINE int pin_hidden(const struct mark *mark)
{
	return foster_pin(hidden_show(mark->base));
}

TEST(a_pin_keeps_a_region_that_nobody_points_to)
{
	struct mark mark = make_pinned(1);

	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
}

TEST(a_region_goes_after_its_pin_is_taken_back)
{
	struct mark mark = make_pinned(1);

	assert_stays(&mark);
	assert_int_equal(unpin_hidden(&mark), 0);
	assert_goes(&mark);
}

TEST(pins_are_counted)
{
	struct mark mark = make_pinned(3);

	assert_int_equal(mark_info(&mark).pins, 3);
	assert_int_equal(unpin_hidden(&mark), 0);
	assert_int_equal(unpin_hidden(&mark), 0);
	assert_int_equal(mark_info(&mark).pins, 1);
	assert_stays(&mark);
	assert_int_equal(unpin_hidden(&mark), 0);
	assert_int_equal(mark_info(&mark).pins, 0);
	assert_goes(&mark);
}

TEST(pinning_does_not_hold_what_is_pointed_to_longer)
{
	struct mark mark = make_memfd_region(&kept, 1, AT_BASE);

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(foster_pin(kept), 0);
		assert_int_equal(foster_unpin(kept), 0);
	}
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
}

TEST(a_region_cannot_be_pinned_more_often_than_documented)
{
	make_memfd_region(&kept, 1, AT_BASE);
	for (int i = 0; i < PINS_MAX; i++)
		if (foster_pin(kept))
			fail();
	assert_fails(EOVERFLOW, foster_pin(kept));
	for (int i = 0; i < PINS_MAX; i++)
		if (foster_unpin(kept))
			fail();
	assert_fails(EINVAL, foster_unpin(kept));
	assert_int_equal(foster_pin(kept), 0);
}

TEST(unpinning_what_is_not_pinned_is_invalid)
{
	struct mark mark = make_memfd_region(&kept, 1, AT_BASE);

	assert_fails(EINVAL, foster_unpin(kept));
	assert_int_equal(foster_pin(kept), 0);
	assert_int_equal(foster_unpin(kept), 0);
	assert_fails(EINVAL, foster_unpin(kept));
	assert_int_equal(mark_info(&mark).pins, 0);
}

TEST(a_pointer_to_no_region_cannot_be_pinned)
{
	static char own;

	make_memfd_region(&kept, 1, AT_END);
	assert_fails(ENOENT, foster_pin(&own));
	assert_fails(ENOENT, foster_unpin(&own));
	assert_fails(ENOENT, foster_pin(NULL));
	assert_fails(ENOENT, foster_unpin(NULL));
	assert_fails(ENOENT, foster_pin(kept));
	assert_fails(ENOENT, foster_unpin(kept));
}

TEST(a_revoked_region_cannot_be_pinned)
{
	struct mark mark = make_memfd_region(&kept, 1, AT_BASE);

	assert_int_equal(foster_close(kept), 0);
	assert_fails(ESTALE, foster_pin(kept));
	assert_int_equal(mark_info(&mark).pins, 0);
}

TEST(pins_keep_the_addresses_of_a_closed_region_reserved)
{
	struct mark mark = make_pinned(2);

	assert_int_equal(foster_close(hidden_show(mark.base)), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
	collect_times(ROUNDS);
	assert_true(mark_is_tracked(&mark));
	assert_int_equal(mark_info(&mark).pins, 2);
	assert_int_equal(unpin_hidden(&mark), 0);
	collect_times(ROUNDS);
	assert_true(mark_is_tracked(&mark));
	assert_int_equal(unpin_hidden(&mark), 0);
	assert_goes(&mark);
}

static NOINLINE struct mark make_pinned_with_hole(void)
{
	void *volatile slot;
	struct mark mark = make_memfd_region(&slot, 3, AT_BASE);

	assert_int_equal(foster_munmap(slot, page_size()), 0);
	assert_int_equal(foster_pin((char *)slot + page_size()), 0);
	slot = NULL;
	return mark;
}

TEST(a_region_with_a_revoked_page_can_be_pinned_at_another)
{
	struct mark mark = make_pinned_with_hole();

	collect_times(ROUNDS);
	assert_true(mark_is_tracked(&mark));
	assert_int_equal(maps_count_inode(mark.inode), 1);
	assert_int_equal(unpin_hidden(&mark), 0);
	assert_goes(&mark);
}

TEST(pins_do_not_pass_to_the_next_region_in_the_range)
{
	struct mark mark = make_pinned(5);

	for (int i = 0; i < 5; i++)
		assert_int_equal(unpin_hidden(&mark), 0);
	assert_goes(&mark);
	for (int i = 0; i < 20; i++) {
		mark = make_memfd_region(&kept, 2, AT_BASE);
		assert_int_equal(mark_info(&mark).pins, 0);
		assert_fails(EINVAL, unpin_hidden(&mark));
		kept = NULL;
		assert_goes(&mark);
	}
}

/* -------------------------------------------------------------------- signal handlers */

static struct {
	struct mark mark;
	_Atomic int calls, failures;
} in_handler;

static void look_from_handler(int signal UNUSED)
{
	const int before = errno;
	struct foster_info info = FOSTER_INFO_INIT;
	struct foster_stats stats = { .size = sizeof(stats) };
	int failed = 0;

	failed |= pin_hidden(&in_handler.mark) != 0;
	failed |= foster_info(hidden_show(in_handler.mark.base), &info) != 0;
	failed |= info.id != in_handler.mark.id || info.pins == 0;
	failed |= foster_stats(&stats) != 0 || stats.regions == 0;
	failed |= unpin_hidden(&in_handler.mark) != 0;
	failed |= foster_pin(&in_handler) != -ENOENT;
	atomic_fetch_add(&in_handler.failures, failed);
	atomic_fetch_add(&in_handler.calls, 1);
	errno = before;
}

static void on_signal(int signal, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	assert_int_equal(sigaction(signal, &action, NULL), 0);
}

TEST(pins_work_in_a_signal_handler)
{
	in_handler.mark = make_memfd_region(&kept, 2, AT_BASE);
	on_signal(SIGUSR1, look_from_handler);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(in_handler.calls, 1);
	assert_int_equal(in_handler.failures, 0);
	assert_int_equal(mark_info(&in_handler.mark).pins, 0);
}

/* Interrupts foster in the middle of all that changes its tables. */
TEST(pins_work_in_a_signal_handler_that_interrupts_foster)
{
	const struct itimerval every = { { 0, 200 }, { 0, 200 } },
			       off = { { 0, 0 }, { 0, 0 } };
	const uint64_t end = now_ms() + 1500;

	in_handler.mark = make_memfd_region(&kept, 2, AT_BASE);
	on_signal(SIGALRM, look_from_handler);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
	while (now_ms() < end) {
		char *p = foster_mmap(NULL, 3 * page_size(), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_ptr_not_equal(p, MAP_FAILED);
		assert_int_equal(foster_munmap(p, page_size()), 0);
		assert_int_equal(foster_close(p), 0);
		assert_int_equal(pin_hidden(&in_handler.mark), 0);
		assert_int_equal(unpin_hidden(&in_handler.mark), 0);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
	assert_true(in_handler.calls > 100);
	assert_int_equal(in_handler.failures, 0);
	assert_int_equal(mark_info(&in_handler.mark).pins, 0);
}

/* ---------------------------------------------------------------------------- threads */

/*
 * Neither the thread's argument nor its stack, both of which the C library keeps for the next thread,
 * has the address when it has ended.
 */
static void *pin_and_unpin(void *arg)
{
	for (int i = 0; i < 100000; i++)
		if (pin_hidden(arg) || unpin_hidden(arg))
			abort();
	forget();
	return NULL;
}

TEST(pins_of_many_threads_add_up)
{
	struct mark mark = make_memfd_region(&kept, 1, AT_BASE);
	pthread_t thread[4];

	assert_int_equal(foster_pin(kept), 0);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(pin_and_unpin, &mark);
	for (int i = 0; i < 20; i++)
		collect_times(1);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_int_equal(mark_info(&mark).pins, 1);
	assert_int_equal(foster_unpin(kept), 0);
	kept = NULL;
	assert_goes(&mark);
}
