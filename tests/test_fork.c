/* SPDX-License-Identifier: BSD-2-Clause */
/* The child of fork has what the parent had, and neither disturbs the other. */
#include "support.h"

#include <pthread.h>
#include <sys/wait.h>

#define RW (PROT_READ | PROT_WRITE)

static void *volatile kept;
static struct mark mark;

static bool tracked(void)
{
	return mark_is_tracked(&mark) && mark_is_mapped(&mark);
}

static bool child_collect_until_gone(const struct mark *m)
{
	for (int i = 0; i < 2 * ROUNDS; i++) {
		forget();
		child_check(foster_collect(20000) >= 0);
		if (!mark_is_tracked(m))
			return true;
	}
	return false;
}

static void use(void *arg UNUSED)
{
	struct foster_info info = FOSTER_INFO_INIT;

	child_check(mark_pattern_holds(&mark));
	child_check(foster_info(kept, &info) == 0 && info.id == mark.id);
	child_check(foster_pin(kept) == 0 && foster_unpin(kept) == 0);
	((char *)kept)[0] ^= 0; /* writable */
}

TEST(the_child_may_use_what_the_parent_mapped)
{
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_child_passes(use, NULL);
	assert_true(tracked());
}

static void close_it(void *arg UNUSED)
{
	child_check(foster_close(kept) == 0);
	child_check(maps_count_inode(mark.inode) == 0);
	child_check(foster_close(kept) == -EALREADY);
}

TEST(what_the_child_closes_stays_in_the_parent)
{
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_child_passes(close_it, NULL);
	assert_true(tracked());
	assert_true(mark_pattern_holds(&mark));
	assert_int_equal(stats_now().closed, 0);
}

static void collect(void *arg UNUSED)
{
	child_check(foster_collect(20000) >= 0);
	child_check(tracked() && mark_pattern_holds(&mark));
}

TEST(collections_of_the_child_keep_what_is_reachable)
{
	mark = make_memfd_region(&kept, 2, AT_MIDDLE);
	assert_child_passes(collect, NULL);
	assert_true(tracked());
}

static void drop_and_collect(void *arg UNUSED)
{
	kept = NULL;
	child_check(child_collect_until_gone(&mark));
	child_check(maps_count_inode(mark.inode) == 0);
}

TEST(a_release_in_the_child_does_not_disturb_the_parent)
{
	mark = make_memfd_region(&kept, 2, AT_MIDDLE);
	assert_child_passes(drop_and_collect, NULL);
	assert_stays(&mark);
	assert_true(mark_pattern_holds(&mark));
	kept = NULL;
	assert_goes(&mark);
}

static void map_and_drop(void *arg UNUSED)
{
	struct mark mine;

	for (int i = 0; i < 100; i++)
		mine = make_dropped(1 + (size_t)i % 3);
	child_check(child_collect_until_gone(&mine));
	child_check(stats_now().released > 90);
}

TEST(the_child_may_map_and_drop)
{
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_child_passes(map_and_drop, NULL);
	assert_true(tracked());
}

TEST(a_child_of_a_process_that_never_used_foster_may)
{
	assert_child_passes(map_and_drop, NULL);
}

static void nothing(void *arg UNUSED)
{
}

TEST(a_child_that_never_calls_foster_has_no_thread_of_it)
{
	make_memfd_region(&kept, 1, AT_BASE);
	assert_true(status_figure("Threads") >= 2);
	assert_child_passes(nothing, NULL);
}

static void expect_one_thread(void *arg UNUSED)
{
	child_check(status_figure("Threads") == 1);
	child_check(foster_collect(20000) >= 0);
	child_check(status_figure("Threads") >= 2);
}

TEST(the_thread_of_foster_is_in_the_child_when_it_is_needed)
{
	make_memfd_region(&kept, 1, AT_BASE);
	assert_child_passes(expect_one_thread, NULL);
}

static void fork_again(void *arg UNUSED)
{
	child_check(foster_collect(20000) >= 0);
	assert_child_passes(drop_and_collect, NULL);
	child_check(tracked());
}

TEST(the_child_of_a_child_may_collect)
{
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_child_passes(fork_again, NULL);
	assert_true(tracked());
}

static void finish(void *arg UNUSED)
{
	child_check(foster_fini(20000) == 1);
	child_check(tracked());
}

TEST(the_child_may_stop_foster)
{
	mark = make_memfd_region(&kept, 1, AT_BASE);
	assert_child_passes(finish, NULL);
	assert_stays(&mark);
}

static void count_regions(void *arg)
{
	const struct foster_stats *before = arg;
	const struct foster_stats now = stats_now();

	child_check(now.regions == before->regions);
	child_check(now.bytes == before->bytes);
	child_check(now.revoked == before->revoked);
	child_check(now.unseen == before->unseen);
}

TEST(the_child_counts_what_it_has)
{
	static void *volatile region[5];
	struct foster_stats before;

	for (size_t i = 0; i < COUNT_OF(region); i++)
		make_memfd_region(&region[i], i + 1, AT_BASE);
	assert_int_equal(foster_close(region[0]), 0);
	before = stats_now();
	assert_child_passes(count_regions, &before);
}

/* ---------------------------------------------------------------- children of threads */

static void *fork_on_thread(void *arg)
{
	*(int *)arg = child_status(drop_and_collect, NULL);
	return NULL;
}

/*
 * Only the forking thread lives on in the child: what it is, the collector need not know.  But the
 * stacks of the others are there, and what they have left on them counts.
 */
TEST(the_child_of_an_unknown_thread_may_collect)
{
	int status = -1;

	mark = make_memfd_region(&kept, 2, AT_BASE);
	forget();
	on_plain_thread(fork_on_thread, &status);
	assert_int_equal(status, 0);
	assert_stays(&mark);
}

static void *fork_on_attached_thread(void *arg)
{
	child_check(foster_thread_attach() == 0);
	*(int *)arg = child_status(drop_and_collect, NULL);
	return NULL;
}

TEST(the_child_of_an_attached_thread_may_collect)
{
	int status = -1;

	mark = make_memfd_region(&kept, 2, AT_BASE);
	forget();
	on_plain_thread(fork_on_attached_thread, &status);
	assert_int_equal(status, 0);
	assert_stays(&mark);
}

/* On the stack of one thread, for another to use. */
struct job {
	void *volatile region;
	int status;
};

static void use_job(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < ROUNDS; i++) {
		forget();
		child_check(foster_collect(20000) >= 0);
	}
	child_check(tracked() && mark_pattern_holds(&mark));
	job->region = NULL;
	child_check(child_collect_until_gone(&mark));
}

static void *fork_for_job(void *arg)
{
	struct job *job = arg;

	job->status = child_status(use_job, job);
	return NULL;
}

static void *give_job_to_other(void *arg UNUSED)
{
	struct job job = { NULL, -1 };

	mark = make_memfd_region(&job.region, 2, AT_MIDDLE);
	forget();
	on_plain_thread(fork_for_job, &job);
	child_check(job.status == 0);
	child_check(tracked());
	return NULL;
}

TEST(what_lies_on_the_main_stack_stays_in_the_child_of_another_thread)
{
	give_job_to_other(NULL);
}

TEST(what_lies_on_a_thread_s_stack_stays_in_the_child_of_another)
{
	assert_int_equal(foster_init(NULL), 0);
	on_plain_thread(give_job_to_other, NULL);
	assert_goes(&mark);
}

static void use_every_function(void *arg UNUSED)
{
	struct foster_stats stats = { .size = sizeof(stats) };
	char *p = foster_mmap(NULL, 2 * page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);

	child_check(p != MAP_FAILED);
	*p = 1;
	child_check(foster_munmap(p, page_size()) == 0);
	child_check(foster_close(p) == 0);
	child_check(foster_disown(kept) == 0);
	child_check(foster_stats(&stats) == 0);
	child_check(foster_collect(20000) >= 0);
	child_check(foster_fini(20000) >= 0);
}

TEST(every_function_works_in_the_child)
{
	mark = make_memfd_region(&kept, 2, AT_BASE);
	assert_child_passes(use_every_function, NULL);
	assert_true(tracked());
}

/* ------------------------------------------------------- fork in the middle of it all */

static struct {
	_Atomic bool stop;
} busy;

static void *map_and_close_until_told(void *arg)
{
	if (arg)
		child_check(foster_thread_attach() == 0);
	while (!atomic_load(&busy.stop)) {
		char *p = foster_mmap(NULL, 2 * page_size(), RW,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		child_check(p != MAP_FAILED);
		*p = 1;
		child_check(foster_munmap(p, page_size()) == 0);
		child_check(foster_close(p) == 0);
	}
	return NULL;
}

static void check_fork_while_busy(void *thread_arg)
{
	pthread_t thread[2];

	mark = make_memfd_region(&kept, 2, AT_BASE);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(map_and_close_until_told, thread_arg);
	for (int i = 0; i < 60; i++) {
		assert_child_passes(i % 2 ? drop_and_collect : use_every_function, NULL);
		if (i % 10 == 0)
			collect_times(1);
	}
	atomic_store(&busy.stop, true);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
	assert_stays(&mark);
}

TEST_WITHIN(fork_while_unknown_threads_map_and_close_is_safe, 180)
{
	check_fork_while_busy(NULL);
}

TEST_WITHIN(fork_while_attached_threads_map_and_close_is_safe, 180)
{
	check_fork_while_busy(&busy);
}

static void *fork_often(void *arg UNUSED)
{
	for (int i = 0; i < 50; i++)
		child_check(child_status(nothing, NULL) == 0);
	return NULL;
}

TEST_WITHIN(fork_while_collections_run_is_safe, 180)
{
	pthread_t thread;

	mark = make_memfd_region(&kept, 2, AT_BASE);
	thread = thread_begin(fork_often, NULL);
	for (int i = 0; i < 100; i++) {
		make_dropped(1);
		assert_true(foster_collect(60000) >= 0);
	}
	thread_end(thread);
	assert_stays(&mark);
}
