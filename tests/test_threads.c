/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that the collector knows, and threads that it does not. */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* In a thread a failed assertion of cmocka cannot unwind: the process ends instead. */
#define must child_check

/* ------------------------------------------------------- every function, plain thread */

static int count_calls(const struct foster_info *info UNUSED, void *arg)
{
	++*(int *)arg;
	return 0;
}

static int never(const struct foster_holder *holder UNUSED, void *arg UNUSED)
{
	return 0;
}

struct use {
	char path[PATH_MAX];
	bool unseen; /* its regions are */
};

static void *use_everything(void *arg)
{
	const struct use *use = arg;
	struct foster_info info = FOSTER_INFO_INIT;
	struct foster_stats stats = { .size = sizeof(stats) };
	char *p, *q, *f, *a, byte = 0;
	int calls = 0;

	must(!GC_thread_is_registered());
	must(foster_init(NULL) == 0);
	p = foster_mmap(NULL, 3 * page_size(), RW, ANON, -1, 0);
	must(p != MAP_FAILED);
	memset(p, 1, 3 * page_size());
	q = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);
	must(q != MAP_FAILED);
	f = foster_map_file(use->path, NULL);
	must(f && pattern_holds(f, 64, 0));
	must(foster_info(p + 5, &info) == 0 && info.base == p);
	must(info.flags == (use->unseen ? FOSTER_INFO_UNSEEN : 0));
	must(info.pins == 0);
	must(foster_pin(p) == 0 && foster_unpin(p) == 0);
	must(foster_unpin(p) == -EINVAL);
	must(foster_munmap(p + page_size(), page_size()) == 0);
	must(foster_collect(20000) >= 0);
	must(p[0] == 1 && p[2 * page_size()] == 1);
	must(foster_stats(&stats) == 0 && stats.unseen == (use->unseen ? 3 : 0));
	must(foster_for_each(count_calls, &calls) == 0 && calls == 3);
	must(foster_close(p) == 0);
	must(foster_close(f) == 0);
	must(foster_disown(q) == 0);
	*q = 7;
	a = mmap(NULL, page_size(), RW, ANON, -1, 0);
	must(a != MAP_FAILED);
	must(!foster_adopt(a, 1, NULL, NULL) && errno == EINVAL);
	must(foster_adopt(a, page_size(), NULL, NULL) == a);
	must(foster_disown(a) == 0 && munmap(a, page_size()) == 0);
	must(foster_holders(p, never, NULL) == -ENOSYS);
	must(foster_copy(&byte, q, 1) == 0 && byte == 7);
	must(foster_copy(&byte, p, 1) == -EFAULT);
	/* q stays mapped: the second time, a is not to be where it was, which can not be adopted. */
	must(foster_thread_detach() == -EINVAL);
	must(foster_thread_attach() == 0);
	must(foster_thread_detach() == 0);
	must(foster_collect(20000) >= 0);
	must(!GC_thread_is_registered());
	return NULL;
}

static void check_every_function(bool unseen)
{
	struct use use = { .unseen = unseen };

	close(pattern_file(use.path, 64));
	on_plain_thread(use_everything, &use);
	on_plain_thread(use_everything, &use);
	unlink(use.path);
}

TEST(every_function_works_on_a_thread_unknown_to_the_collector)
{
	assert_int_equal(foster_init(NULL), 0);
	check_every_function(false);
}

TEST(without_the_sweep_every_function_works_on_an_unknown_thread)
{
	init_without_sweep();
	check_every_function(true);
}

static void *use_and_stop(void *arg UNUSED)
{
	char *p = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);

	must(p != MAP_FAILED);
	must(foster_fini(20000) == 1);
	*p = 1;
	must(foster_close(p) == 0);
	return NULL;
}

TEST(a_thread_unknown_to_the_collector_may_stop_foster)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(use_and_stop, NULL);
}

/* ------------------------------------------------------- regions of unknown threads */

static NOINLINE void hold_until_told(struct stay *stay)
{
	void *volatile slot;

	stay->mark = make_memfd_region(&slot, 2, AT_MIDDLE);
	moment_announce(&stay->made);
	moment_await(&stay->drop);
	slot = NULL;
}

static void *hold_and_live_on(void *arg)
{
	struct stay *stay = arg;

	hold_until_told(stay);
	forget();
	moment_announce(&stay->dropped);
	moment_await(&stay->end);
	return NULL;
}

TEST(the_region_of_an_unknown_thread_lives_as_long_as_its_pointer)
{
	check_stay(hold_and_live_on);
}

static void *make_and_end(void *arg)
{
	void *volatile slot;

	*(struct mark *)arg = make_memfd_region(&slot, 2, AT_BASE);
	return NULL;
}

static struct mark region_of_ended(void)
{
	struct mark mark;

	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(make_and_end, &mark);
	return mark;
}

TEST(what_an_unknown_thread_held_goes_when_it_has_ended)
{
	struct mark mark = region_of_ended();

	assert_goes(&mark);
}

TEST(the_region_of_an_unknown_thread_has_no_pin_but_those_of_users)
{
	struct mark mark = region_of_ended();

	assert_int_equal(mark_info(&mark).pins, 0);
	assert_fails(EINVAL, foster_unpin(hidden_show(mark.base)));
	assert_int_equal(foster_pin(hidden_show(mark.base)), 0);
	assert_stays(&mark);
	assert_int_equal(foster_unpin(hidden_show(mark.base)), 0);
	assert_goes(&mark);
}

/* ---------------------------------------------------- unseen regions: without the sweep */

static struct mark unseen_region(void)
{
	struct mark mark;

	init_without_sweep();
	on_plain_thread(make_and_end, &mark);
	return mark;
}

TEST(without_the_sweep_an_unknown_thread_s_region_is_kept_until_it_is_closed)
{
	struct mark mark = unseen_region();

	assert_int_equal(mark_info(&mark).flags, FOSTER_INFO_UNSEEN);
	collect_times(2 * ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_true(mark_pattern_holds(&mark));
	assert_int_equal(foster_close(hidden_show(mark.base)), 0);
	assert_int_equal(maps_count_inode(mark.inode), 0);
	assert_goes(&mark);
}

TEST(an_unseen_region_cannot_be_unpinned_by_users)
{
	struct mark mark = unseen_region();

	assert_int_equal(mark_info(&mark).pins, 0);
	assert_fails(EINVAL, foster_unpin(hidden_show(mark.base)));
	assert_int_equal(foster_pin(hidden_show(mark.base)), 0);
	assert_int_equal(mark_info(&mark).pins, 1);
	assert_int_equal(foster_unpin(hidden_show(mark.base)), 0);
	assert_fails(EINVAL, foster_unpin(hidden_show(mark.base)));
	assert_stays(&mark);
}

TEST(the_next_region_in_the_range_of_an_unseen_one_is_seen)
{
	static void *volatile kept;
	struct mark mark = unseen_region();

	assert_int_equal(foster_close(hidden_show(mark.base)), 0);
	assert_goes(&mark);
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_int_equal(stats_now().reused, 1);
	assert_int_equal(mark_info(&mark).flags, 0);
	assert_int_equal(stats_now().unseen, 0);
	kept = NULL;
	assert_goes(&mark);
}

static void *drop_many_unseen(void *arg UNUSED)
{
	for (int i = 0; i < 30000; i++) {
		char *p = foster_mmap(NULL, page_size(), RW, ANON, -1, 0);

		must(p != MAP_FAILED);
		*p = 1;
		must(foster_close(p) == 0);
	}
	return NULL;
}

TEST(an_unknown_thread_may_map_and_close_for_long)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(drop_many_unseen, NULL);
	collect_times(ROUNDS);
	/* The pool keeps some thousand ranges. */
	assert_true(maps_count() < 15000);
	assert_int_equal(stats_now().regions, 0);
}

/* ------------------------------------------------------------------ attach and detach */

TEST(the_main_thread_is_known_already)
{
	assert_int_equal(foster_init(NULL), 0);
	assert_fails(EALREADY, foster_thread_attach());
	assert_fails(EINVAL, foster_thread_detach());
}

static void *attach_twice(void *arg UNUSED)
{
	must(foster_thread_attach() == 0);
	must(GC_thread_is_registered());
	errno = 0;
	must(foster_thread_attach() == -EALREADY && errno == EALREADY);
	must(foster_thread_detach() == 0);
	must(!GC_thread_is_registered());
	errno = 0;
	must(foster_thread_detach() == -EINVAL && errno == EINVAL);
	must(foster_thread_attach() == 0);
	must(foster_thread_detach() == 0);
	return NULL;
}

TEST(attaching_twice_and_detaching_twice_is_told)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(attach_twice, NULL);
}

static void *attached_by_host(void *arg UNUSED)
{
	struct GC_stack_base base;

	must(GC_get_stack_base(&base) == GC_SUCCESS);
	must(GC_register_my_thread(&base) == GC_SUCCESS);
	must(foster_thread_attach() == -EALREADY);
	must(foster_thread_detach() == -EINVAL);
	must(GC_thread_is_registered());
	must(GC_unregister_my_thread() == GC_SUCCESS);
	return NULL;
}

TEST(a_thread_that_the_host_made_known_is_not_foster_s_to_detach)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(attached_by_host, NULL);
}

static void *attach_and_leave(void *arg UNUSED)
{
	void *volatile slot;

	must(foster_thread_attach() == 0);
	*(struct mark *)arg = make_memfd_region(&slot, 1, AT_BASE);
	return NULL;
}

TEST(a_thread_that_ends_attached_is_detached)
{
	struct mark mark;

	assert_int_equal(foster_init(NULL), 0);
	for (int i = 0; i < 50; i++) {
		on_plain_thread(attach_and_leave, &mark);
		assert_int_equal(mark_info(&mark).flags, 0);
		assert_goes(&mark);
	}
}

static void *attach_and_exit(void *arg UNUSED)
{
	must(foster_thread_attach() == 0);
	pthread_exit(NULL);
}

TEST(a_thread_that_calls_pthread_exit_attached_is_detached)
{
	assert_int_equal(foster_init(NULL), 0);
	for (int i = 0; i < 20; i++) {
		on_plain_thread(attach_and_exit, NULL);
		collect_times(1);
	}
}

static void *attach_with_signals_blocked(void *arg)
{
	struct moment *moments = arg;
	sigset_t all;

	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
	must(foster_thread_attach() == 0);
	moment_announce(&moments[0]);
	moment_await(&moments[1]);
	return NULL;
}

/*
 * A thread that the collector could not stop would make every collection wait for ever.
 */
TEST_WITHIN(a_thread_with_all_signals_blocked_may_attach, 20)
{
	struct moment moments[2] = { 0 };
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	thread = thread_begin(attach_with_signals_blocked, moments);
	moment_await(&moments[0]);
	collect_times(2);
	moment_announce(&moments[1]);
	thread_end(thread);
}

static void *attach_with_small_stack(void *arg UNUSED)
{
	void *volatile slot;
	struct mark mark;

	must(foster_thread_attach() == 0);
	mark = make_memfd_region(&slot, 1, AT_BASE);
	must(foster_collect(20000) >= 0);
	must(mark_pattern_holds(&mark));
	must(foster_thread_detach() == 0);
	return NULL;
}

TEST(a_thread_on_a_stack_of_the_host_may_attach)
{
	const size_t bytes = 1 << 20;
	void *stack = mmap(NULL, bytes, RW, ANON, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, bytes), 0);
	assert_int_equal(pthread_create(&thread, &attr, attach_with_small_stack, NULL),
			 0);
	thread_end(thread);
	pthread_attr_destroy(&attr);
}

/* As one may that pools memory: what was a stack is a buffer next. */
TEST(what_was_a_stack_of_the_host_holds_pointers)
{
	const size_t bytes = 1 << 20;
	void *volatile *stack = mmap(NULL, bytes, RW, ANON, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	struct mark mark;

	assert_int_equal(foster_init(NULL), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, (void *)stack, bytes), 0);
	assert_int_equal(pthread_create(&thread, &attr, make_and_end, &mark), 0);
	thread_end(thread);
	pthread_attr_destroy(&attr);
	mark = make_memfd_region(stack, 2, AT_MIDDLE);
	assert_stays(&mark);
	*stack = NULL;
	assert_goes(&mark);
}

static struct {
	_Atomic int said, done;
} on_other_stack;

static void attach_from_handler_stack(int signal UNUSED)
{
	atomic_store(&on_other_stack.said, foster_thread_attach());
	atomic_store(&on_other_stack.done, 1);
}

static void *attach_on_alternate_stack(void *arg UNUSED)
{
	const stack_t other = { .ss_sp = malloc(1 << 18), .ss_size = 1 << 18 };
	struct sigaction action = { .sa_handler = attach_from_handler_stack,
				    .sa_flags = SA_ONSTACK };

	must(sigaltstack(&other, NULL) == 0);
	must(sigaction(SIGUSR1, &action, NULL) == 0);
	must(pthread_kill(pthread_self(), SIGUSR1) == 0);
	must(on_other_stack.done);
	return NULL;
}

TEST(a_thread_cannot_attach_on_a_stack_that_is_not_its_own)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(attach_on_alternate_stack, NULL);
	assert_int_equal(on_other_stack.said, -ENOTSUP);
}

static struct mark interrupted;

static void collect_on_handler_stack(int signal UNUSED)
{
	assert_stays(&interrupted);
}

/* Its frame lies below the handler's, on the same stack. */
static NOINLINE void hold_and_be_interrupted(void)
{
	void *volatile slot;

	interrupted = make_memfd_region(&slot, 2, AT_MIDDLE);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_true(mark_pattern_holds(&interrupted));
	slot = NULL;
}

TEST(what_a_handler_on_a_part_of_the_same_stack_interrupts_stays)
{
	char other[1 << 17];
	const stack_t stack = { .ss_sp = other, .ss_size = sizeof(other) };
	struct sigaction action = { .sa_handler = collect_on_handler_stack,
				    .sa_flags = SA_ONSTACK };

	assert_int_equal(foster_init(NULL), 0);
	assert_int_equal(sigaltstack(&stack, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	hold_and_be_interrupted();
	/* What the handler had on it. */
	memset(other, 0, sizeof(other));
	__asm__ volatile("" : : "r"(other) : "memory");
	assert_goes(&interrupted);
}

/* --------------------------------------------------------------- right above a stack */

#define STACK_BYTES ((size_t)1 << 20)

struct above {
	struct moment called, end;
	bool attach;
	struct mark mark;
};

static void *call_and_wait(void *arg)
{
	struct above *above = arg;

	if (above->attach)
		must(foster_thread_attach() == 0);
	must(foster_collect(20000) >= 0);
	moment_announce(&above->called);
	moment_await(&above->end);
	return NULL;
}

/* A thread that has called foster, on a stack whose end is the beginning of a region. */
static NOINLINE pthread_t thread_below_region(struct above *above)
{
	/* A page more: no other's beginning is the region's end. */
	char *stack = mmap(NULL, STACK_BYTES + 2 * page_size(), RW, ANON, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;

	assert_ptr_not_equal(stack, MAP_FAILED);
	assert_ptr_equal(foster_adopt(stack + STACK_BYTES, page_size(), NULL, NULL),
			 stack + STACK_BYTES);
	above->mark = mark_of(stack + STACK_BYTES);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attr, call_and_wait, above), 0);
	pthread_attr_destroy(&attr);
	memset(&attr, 0, sizeof(attr));
	moment_await(&above->called);
	return thread;
}

static void check_above(bool attach, bool ended)
{
	struct above above = { .attach = attach };
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	thread = thread_below_region(&above);
	if (!ended)
		assert_goes(&above.mark);
	moment_announce(&above.end);
	thread_end(thread);
	if (ended)
		assert_goes(&above.mark);
}

/* (While a thread is attached libgc remembers where its stack ends.) */
TEST(a_region_right_above_the_stack_of_a_thread_goes)
{
	check_above(false, false);
}

TEST(a_region_right_above_the_stack_of_a_thread_that_ended_goes)
{
	check_above(false, true);
}

TEST(a_region_right_above_the_stack_of_an_attached_thread_that_ended_goes)
{
	check_above(true, true);
}
