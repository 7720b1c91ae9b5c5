/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster_copy() and files that are truncated: copies that do not die, windows that
 * survive.
 */
#include "support.h"

#include <pthread.h>

#define RW (PROT_READ | PROT_WRITE)

static void *volatile kept;

/* -------------------------------------------------------------------- ordinary memory */

TEST(every_length_and_alignment_is_copied)
{
	static unsigned char from[600], to[700];

	pattern_fill(from, sizeof(from));
	for (size_t align = 0; align < 9; align++) {
		for (size_t n = 0; n < 520; n++) {
			memset(to, 0xee, sizeof(to));
			assert_int_equal(foster_copy(to + 50 + align, from + align, n),
					 0);
			assert_memory_equal(to + 50 + align, from + align, n);
			assert_int_equal(to[49 + align], 0xee);
			assert_int_equal(to[50 + align + n], 0xee);
		}
	}
}

TEST(a_large_block_is_copied)
{
	const size_t bytes = 8 << 20;
	char *from = malloc(bytes), *to = malloc(bytes);

	pattern_fill(from, bytes);
	assert_int_equal(foster_copy(to, from, bytes), 0);
	assert_memory_equal(to, from, bytes);
	free(from);
	free(to);
}

TEST(a_length_beyond_all_objects_is_invalid)
{
	char byte = 0;

	assert_fails(EINVAL, foster_copy(&byte, &byte, SIZE_MAX));
	assert_fails(EINVAL, foster_copy(&byte, &byte, (size_t)PTRDIFF_MAX + 1));
	assert_int_equal(foster_copy_partial(&byte, &byte, SIZE_MAX), -EINVAL);
}

/* ---------------------------------------------------------------- memory that is gone */

TEST(a_source_that_was_revoked_is_a_fault)
{
	char to[100];

	kept = map_patterned_pages(2);
	assert_int_equal(foster_copy(to, kept, sizeof(to)), 0);
	assert_int_equal(foster_close(kept), 0);
	assert_fails(EFAULT, foster_copy(to, kept, sizeof(to)));
	assert_fails(EFAULT, foster_copy(to, kept, 1));
	assert_int_equal(foster_copy(to, kept, 0), 0);
}

TEST(a_target_that_was_revoked_is_a_fault)
{
	static const char from[100];

	kept = map_patterned_pages(1);
	assert_int_equal(foster_copy(kept, from, sizeof(from)), 0);
	assert_int_equal(foster_close(kept), 0);
	assert_fails(EFAULT, foster_copy(kept, from, sizeof(from)));
}

TEST(no_mapping_at_all_is_a_fault)
{
	char byte;

	assert_fails(EFAULT, foster_copy(&byte, NULL, 1));
	assert_fails(EFAULT, foster_copy(&byte, (void *)UINTPTR_MAX, 1));
	assert_fails(EFAULT, foster_copy(&byte, (void *)((uintptr_t)1 << 63), 1));
	assert_fails(EFAULT, foster_copy(NULL, &byte, 1));
}

TEST(a_partial_copy_tells_how_far_it_came)
{
	const size_t page = page_size();
	char *p = map_patterned_pages(2), to[256];

	assert_int_equal(foster_munmap(p + page, page), 0);
	for (size_t before = 0; before < 130; before++) {
		memset(to, 0, sizeof(to));
		assert_int_equal(foster_copy_partial(to, p + page - before, sizeof(to)),
				 before);
		assert_memory_equal(to, p + page - before, before);
	}
	assert_int_equal(foster_copy_partial(to, p, sizeof(to)), sizeof(to));
}

TEST(a_truncated_file_is_a_fault)
{
	char path[PATH_MAX], to[64];
	const size_t page = page_size();
	const int fd = pattern_file(path, 3 * page);
	const char *p = foster_map_file(path, NULL);

	unlink(path);
	assert_non_null(p);
	assert_int_equal(ftruncate(fd, (off_t)page), 0);
	assert_int_equal(foster_copy(to, p, sizeof(to)), 0);
	assert_fails(EFAULT, foster_copy(to, p + 2 * page, sizeof(to)));
	assert_int_equal(foster_copy_partial(to, p + page - 10, sizeof(to)), 10);
	close(fd);
}

/* ---------------------------------------------------------------- signals of the host */

static _Atomic int handled;
static sigjmp_buf out;

static void leap_out(int signal UNUSED)
{
	atomic_fetch_add(&handled, 1);
	siglongjmp(out, 1);
}

static void check_host_handler(int flags)
{
	struct sigaction action = { .sa_handler = leap_out, .sa_flags = flags };
	char to[8];

	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	kept = map_patterned_pages(1);
	assert_int_equal(foster_close(kept), 0);
	assert_fails(EFAULT, foster_copy(to, kept, sizeof(to)));
	assert_int_equal(handled, 0);
	if (sigsetjmp(out, 1) == 0) {
		load_byte(NULL);
		fail_msg("no fault");
	}
	assert_int_equal(handled, 1);
	/* A fault of the host in a revoked range is the host's too. */
	if (sigsetjmp(out, 1) == 0) {
		load_byte(kept);
		fail_msg("no fault");
	}
	assert_int_equal(handled, 2);
	assert_fails(EFAULT, foster_copy(to, kept, sizeof(to)));
	assert_int_equal(handled, 2);
}

TEST(a_handler_of_the_host_gets_what_is_not_foster_s)
{
	check_host_handler(0);
}

TEST(a_handler_of_the_host_that_does_not_block_its_signal_gets_it_too)
{
	check_host_handler(SA_NODEFER);
}

TEST(without_a_handler_of_the_host_a_fault_kills)
{
	char to[8];

	kept = map_patterned_pages(1);
	assert_int_equal(foster_close(kept), 0);
	assert_fails(EFAULT, foster_copy(to, kept, sizeof(to)));
	assert_child_dies(SIGSEGV, load_byte, NULL);
	assert_child_dies(SIGSEGV, load_byte, kept);
}

static void raise_fault(void *arg UNUSED)
{
	raise(SIGSEGV);
}

TEST(a_fault_signal_that_was_sent_kills)
{
	char to[8];

	assert_fails(EFAULT, foster_copy(to, NULL, 1));
	assert_child_dies(SIGSEGV, raise_fault, NULL);
}

static void *copy_often(void *arg)
{
	char to[64];

	for (int i = 0; i < 20000; i++)
		child_check(foster_copy(to, arg, sizeof(to)) == -EFAULT);
	return NULL;
}

TEST(many_threads_may_fault_at_once)
{
	pthread_t thread[4];

	kept = map_patterned_pages(1);
	assert_int_equal(foster_close(kept), 0);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread[i] = thread_begin(copy_often, kept);
	for (int i = 0; i < 10; i++)
		collect_times(1);
	for (size_t i = 0; i < COUNT_OF(thread); i++)
		thread_end(thread[i]);
}

/* --------------------------------------------------------------- windows that survive */

static struct {
	_Atomic int calls;
	void *base;
	size_t len;
	void *arg;
	_Atomic int collect;
} damage;

static void on_damage(void *base, size_t len, void *arg)
{
	damage.base = base;
	damage.len = len;
	damage.arg = arg;
	damage.collect = foster_collect(1000);
	atomic_fetch_add(&damage.calls, 1);
}

static int survivor_fd;

static char *map_surviving(size_t pages, unsigned int flags)
{
	char path[PATH_MAX];
	const struct foster_map_opts opts = { .size = sizeof(opts),
					      .flags = FOSTER_MAP_SURVIVE | flags,
					      .on_damage = on_damage,
					      .damage_arg = &damage };
	char *p;

	survivor_fd = pattern_file(path, pages * page_size());
	p = foster_map_file(path, &opts);
	unlink(path);
	assert_non_null(p);
	return p;
}

static void *volatile survivor;

static NOINLINE struct mark map_with_argument(void)
{
	struct foster_map_opts opts = { .size = sizeof(opts),
					.flags = FOSTER_MAP_SURVIVE,
					.on_damage = on_damage };
	void *volatile other;
	struct mark mark = make_memfd_region(&other, 1, AT_MIDDLE);
	char path[PATH_MAX];

	close(pattern_file(path, page_size()));
	opts.damage_arg = other;
	survivor = foster_map_file(path, &opts);
	unlink(path);
	assert_non_null(survivor);
	other = NULL;
	return mark;
}

static NOINLINE void pin(const struct mark *mark, int (*how)(const void *))
{
	assert_int_equal(how(hidden_show(mark->base)), 0);
}

/* Once the window has gone its range waits in the pool, and the argument is forgotten. */
TEST(the_argument_keeps_what_it_points_to_as_long_as_the_window_is_kept)
{
	struct mark mark = map_with_argument();

	forget();
	assert_stays(&mark);
	pin(&mark, foster_pin);
	survivor = NULL;
	collect_times(ROUNDS);
	assert_int_equal(stats_now().pool_ranges, 1);
	pin(&mark, foster_unpin);
	forget();
	assert_goes(&mark);
}

static bool was_told(void *arg UNUSED)
{
	return atomic_load(&damage.calls) > 0;
}

TEST(lost_pages_of_a_surviving_window_read_as_zeros)
{
	const size_t page = page_size();
	char *p = map_surviving(4, 0);

	assert_int_equal(ftruncate(survivor_fd, (off_t)page), 0);
	assert_true(pattern_holds(p, page, 0));
	for (size_t i = page; i < 4 * page; i += 16)
		assert_int_equal(p[i], 0);
	assert_true(pattern_holds(p, page, 0));
}

TEST(damage_is_told_once)
{
	const size_t page = page_size();
	char *p = map_surviving(4, 0);

	assert_int_equal(ftruncate(survivor_fd, 0), 0);
	for (size_t i = 0; i < 4; i++)
		load_byte(p + i * page);
	assert_true(wait_until(was_told, NULL, 10000));
	collect_times(2);
	sleep_ms(50);
	assert_int_equal(damage.calls, 1);
	assert_ptr_equal(damage.base, p);
	assert_int_equal(damage.len, 4 * page);
	assert_ptr_equal(damage.arg, &damage);
	assert_int_equal(damage.collect, -EDEADLK);
	assert_int_equal(stats_now().damaged, 1);
}

TEST(a_damaged_region_is_marked)
{
	struct foster_info info = FOSTER_INFO_INIT;
	char *p = map_surviving(2, 0);

	assert_int_equal(foster_info(p, &info), 0);
	assert_false(info.flags & FOSTER_INFO_DAMAGED);
	assert_int_equal(ftruncate(survivor_fd, 0), 0);
	load_byte(p);
	assert_int_equal(foster_info(p, &info), 0);
	assert_true(info.flags & FOSTER_INFO_DAMAGED);
}

TEST(a_writable_surviving_window_takes_stores)
{
	const size_t page = page_size();
	char *p = map_surviving(2, FOSTER_MAP_WRITE);

	assert_int_equal(ftruncate(survivor_fd, 0), 0);
	p[page + 5] = 7;
	assert_int_equal(p[page + 5], 7);
	assert_int_equal(p[page + 6], 0);
}

TEST(a_window_that_was_not_asked_to_survive_dies)
{
	char path[PATH_MAX];
	const int fd = pattern_file(path, 2 * page_size());
	char *plain = foster_map_file(path, NULL);

	unlink(path);
	kept = map_surviving(1, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_child_dies(SIGBUS, load_byte, plain);
}

TEST(a_copy_does_not_repair_a_surviving_window)
{
	char *p = map_surviving(2, 0), to[8];

	assert_int_equal(ftruncate(survivor_fd, 0), 0);
	assert_fails(EFAULT, foster_copy(to, p, sizeof(to)));
	assert_int_equal(damage.calls, 0);
}

TEST(a_revoked_surviving_window_faults)
{
	char *p = map_surviving(2, 0);

	kept = p;
	assert_int_equal(ftruncate(survivor_fd, 0), 0);
	load_byte(p);
	assert_int_equal(foster_close(p), 0);
	assert_child_dies(SIGSEGV, load_byte, p);
	assert_child_dies(SIGSEGV, load_byte, p + page_size());
}

/*
 * The kernel writes the address of a thread's last fault into the frame of each signal it
 * gets later, also of the one with which the collector stops it, and there it is found.
 */
static void forget_fault(void)
{
	struct sigaction action = { .sa_handler = leap_out }, before;

	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	if (sigsetjmp(out, 1) == 0)
		load_byte(NULL);
	memset(&out, 0, sizeof(out)); /* registers, one of which may point there */
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
}

static NOINLINE struct mark make_damaged(void)
{
	char *p = map_surviving(3, 0);
	const struct mark mark = mark_of(p);

	assert_int_equal(ftruncate(survivor_fd, 0), 0);
	load_byte(p + page_size());
	forget_fault();
	return mark;
}

TEST(a_damaged_region_goes_after_its_last_pointer)
{
	struct mark mark = make_damaged();

	assert_true(wait_until(was_told, NULL, 10000));
	damage.base = NULL;
	assert_goes(&mark);
	assert_int_equal(stats_now().abandoned, 0);
}

TEST(the_next_region_in_a_damaged_range_is_whole)
{
	struct mark mark = make_damaged();
	struct foster_info info = FOSTER_INFO_INIT;

	assert_true(wait_until(was_told, NULL, 10000));
	damage.base = NULL;
	assert_goes(&mark);
	mark = make_memfd_region(&kept, 3, AT_BASE);
	assert_int_equal(foster_info(kept, &info), 0);
	assert_int_equal(info.flags, 0);
	assert_true(mark_pattern_holds(&mark));
}
