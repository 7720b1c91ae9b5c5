/* SPDX-License-Identifier: BSD-2-Clause */
/* A copy of the process at one instant: what it sees, what it leaves, how it ends. */
#include "beside.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "os/snapshot.h"

/* What a snapshot is to do, taken in a companion, and what came of it. */
struct shot {
	void (*fn)(void *);
	void *arg;
	int ms; /* to wait for it */
	int taken;
	int waited;
	uint64_t took_ns;
	pid_t pid;
};

static void shoot(void *arg)
{
	struct shot *shot = arg;
	struct snapshot snapshot;
	uint64_t before = clock_ns();

	shot->taken = snapshot_take(&snapshot, shot->fn, shot->arg);
	shot->took_ns = clock_ns() - before;
	if (shot->taken)
		return;
	shot->pid = snapshot.pid;
	shot->waited = snapshot_wait(&snapshot, deadline_in(shot->ms));
}

static int in_companion(void (*fn)(void *), void *arg)
{
	return beside_within(fn, arg, 20000);
}

/* What snapshot_wait() says. */
static int run_within(void (*fn)(void *), void *arg, int ms)
{
	struct shot shot = { .fn = fn, .arg = arg, .ms = ms };

	assert_int_equal(in_companion(shoot, &shot), 0);
	assert_int_equal(shot.taken, 0);
	return shot.waited;
}

static int run(void (*fn)(void *), void *arg)
{
	return run_within(fn, arg, 10000);
}

static void *shared_page(void)
{
	void *p = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* ----------------------------------------------------------------------- what it sees */

/* One thread writes the same to both, the whole time. */
struct clocks {
	_Atomic uint64_t *private;
	_Atomic uint64_t *shared;
	/* Shared: what private was at first, and later, and shared the same. */
	_Atomic uint64_t *answer;
	_Atomic bool end;
};

static void *write_on(void *arg)
{
	struct clocks *clocks = arg;

	for (uint64_t n = 1; !clocks->end; n++) {
		*clocks->private = n;
		*clocks->shared = n;
	}
	return NULL;
}

static void look_twice(void *arg)
{
	struct clocks *clocks = arg;

	clocks->answer[0] = *clocks->private;
	clocks->answer[2] = *clocks->shared;
	/* Until the writer has got to run, too. */
	do {
		thread_nap(50 * NS_PER_MS);
	} while (*clocks->shared == clocks->answer[2]);
	clocks->answer[1] = *clocks->private;
	clocks->answer[3] = *clocks->shared;
}

TEST(private_memory_is_as_it_was_while_the_process_writes_on)
{
	struct clocks clocks = { .private = calloc(1, page_size()),
				 .shared = shared_page(),
				 .answer = shared_page() };
	pthread_t writer = thread_begin(write_on, &clocks);

	while (!*clocks.shared)
		sleep_ms(1);
	assert_int_equal(run(look_twice, &clocks), 0);
	clocks.end = true;
	thread_end(writer);
	assert_true(clocks.answer[0] > 0);
	assert_int_equal(clocks.answer[0], clocks.answer[1]);
	assert_true(*clocks.private > clocks.answer[0]);
	assert_true(clocks.answer[3] > clocks.answer[2]);
	free(clocks.private);
}

struct writing {
	int *private;
	int *shared;
};

static void write_both(void *arg)
{
	struct writing *w = arg;

	*w->private = 2;
	*w->shared = 2;
}

TEST(what_it_writes_stays_in_it_but_for_shared_memory)
{
	int private = 1;
	struct writing w = { &private, shared_page() };

	*w.shared = 1;
	assert_int_equal(run(write_both, &w), 0);
	assert_int_equal(private, 1);
	assert_int_equal(*w.shared, 2);
}

/* ------------------------------------------------------------------------ descriptors */

struct open_here {
	int fd;
	int *answer;
	char byte;
};

static void look_at_descriptor(void *arg)
{
	struct open_here *h = arg;

	h->answer[0] = fcntl(h->fd, F_GETFD) >= 0;
	h->answer[1] = open("/proc/self/maps", O_RDONLY | O_CLOEXEC) >= 0;
}

TEST(it_has_no_descriptors_and_what_it_opens_is_not_open_here)
{
	struct open_here h = { .fd = pattern_memfd(1, 0), .answer = shared_page() };
	size_t before = fd_count();

	h.answer[0] = 7;
	if (syscall(SYS_close_range, ~0u, ~0u, 0))
		test_skip("no close_range(), so they are shared: errno %d", errno);
	assert_int_equal(run(look_at_descriptor, &h), 0);
	assert_int_equal(h.answer[0], 0);
	assert_int_equal(h.answer[1], 1);
	assert_int_equal(fd_count(), before);
	assert_true(fcntl(h.fd, F_GETFD) >= 0);
}

static void last_until_told(void *arg)
{
	struct open_here *h = arg;

	h->answer[0] = 1;
	while (!((volatile int *)h->answer)[1])
		thread_nap(NS_PER_MS);
}

static void *close_and_read(void *arg)
{
	struct open_here *h = arg;
	int ends[2];

	ends[0] = h->fd;
	ends[1] = h->answer[2];
	while (!((volatile int *)h->answer)[0])
		sleep_ms(1);
	sleep_ms(20); /* it has been told: by now it has closed what it had */
	close(ends[1]);
	h->answer[3] = (int)read(ends[0], &h->byte, 1);
	((volatile int *)h->answer)[1] = 1;
	return NULL;
}

TEST(what_the_host_closes_meanwhile_is_closed)
{
	struct open_here h = { .answer = shared_page() };
	pthread_t closer;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	h.fd = ends[0];
	h.answer[2] = ends[1];
	h.answer[3] = -1;
	closer = thread_begin(close_and_read, &h);
	assert_int_equal(run(last_until_told, &h), 0);
	thread_end(closer);
	assert_int_equal(h.answer[3], 0);
}

/* ------------------------------------------------------------------------ how it ends */

TEST(one_that_does_not_end_is_killed_at_the_deadline)
{
	assert_killed_at_deadline(run_within);
}

TEST(a_fault_ends_it_and_not_the_companion)
{
	assert_int_equal(run(load_byte, inaccessible()), -ECHILD);
}

struct guarded {
	char *page;
	uintptr_t *answer;
};

static void guard_read(void *arg)
{
	struct guarded *g = arg;

	g->answer[1] = companion_guarded(load_byte, g->page + 9, &g->answer[0]);
}

TEST(a_guarded_read_of_inaccessible_memory_is_survived)
{
	struct guarded g = { inaccessible(), shared_page() };

	g.answer[1] = 77;
	assert_int_equal(run(guard_read, &g), 0);
	assert_int_equal(g.answer[0], (uintptr_t)g.page + 9);
	assert_int_equal(g.answer[1], false);
}

static void shoot_guarded(void *arg)
{
	uintptr_t fault;

	if (!companion_guarded(shoot, arg, &fault))
		((struct shot *)arg)->pid = (pid_t)syscall(SYS_getpid);
}

/* Its copy of the companion's stack has the frames to come back to. */
TEST(the_guard_it_was_taken_under_is_not_its_own)
{
	struct shot shot = { .fn = load_byte, .arg = inaccessible(), .ms = 10000 };

	assert_int_equal(in_companion(shoot_guarded, &shot), 0);
	assert_int_equal(shot.waited, -ECHILD);
}

/* -------------------------------------------------------------------------- who waits */

TEST(the_host_is_told_of_no_child_and_finds_none)
{
	volatile bool forever = true;
	int flags = __WALL | WNOHANG;

	assert_int_equal(run_within(spin, (void *)&forever, 20), -ETIMEDOUT);
	assert_int_equal(waitpid(-1, NULL, flags), -1);
	assert_int_equal(errno, ECHILD);
}

static void shoot_and_die(void *arg)
{
	struct shot *shot = arg;
	struct snapshot snapshot;

	shot->taken = snapshot_take(&snapshot, shot->fn, shot->arg);
	shot->pid = snapshot.pid;
	companion_die();
}

static bool is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) != 0;
}

TEST(it_dies_with_the_companion)
{
	volatile bool forever = true;
	struct shot shot = { .fn = spin, .arg = (void *)&forever };

	assert_int_equal(in_companion(shoot_and_die, &shot), -ECHILD);
	assert_int_equal(shot.taken, 0);
	assert_true(wait_until(is_gone, &shot.pid, 10000));
}

/* As the first process of a container does. */
TEST(a_host_that_inherits_it_has_nothing_to_reap)
{
	volatile bool forever = true;
	struct shot shot = { .fn = spin, .arg = (void *)&forever };

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(in_companion(shoot_and_die, &shot), -ECHILD);
	assert_int_not_equal(kill(shot.pid, 0), 0);
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* --------------------------------------------------------------------------- its cost */

static void do_nothing(void *arg UNUSED)
{
}

static uint64_t least_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		struct shot shot = { .fn = do_nothing, .ms = 10000 };

		assert_int_equal(in_companion(shoot, &shot), 0);
		assert_int_equal(shot.waited, 0);
		least = shot.took_ns < least ? shot.took_ns : least;
	}
	return least;
}

TEST(the_figures)
{
	const size_t bytes = (size_t)256 << 20;
	uint64_t empty = least_cost();
	uint64_t full;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	memset(p, 1, bytes);
	full = least_cost();
	printf("# taken in %u us, and %u us more for 256 MiB of resident memory\n",
	       (unsigned int)(empty / 1000), (unsigned int)((full - empty) / 1000));
	munmap(p, bytes);
}
