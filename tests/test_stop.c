/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stopping all threads: that they stand still, what is read of them, and who comes and
 * goes.
 */
#include "stopping.h"

#include <semaphore.h>

#include "os/companion.h"
#include "os/thread.h"

/* --------------------------------------------------------------------- standing still */

struct standing {
	size_t moved;
	size_t seen;
};

static void compare_counts(struct stop *s UNUSED, void *arg)
{
	struct standing *standing = arg;
	uint64_t before[SPINNERS];

	for (size_t i = 0; i < SPINNERS; i++)
		before[i] = spinners[i].count;
	thread_nap(30 * NS_PER_MS);
	for (size_t i = 0; i < SPINNERS; i++)
		standing->moved += spinners[i].count != before[i];
}

TEST(all_threads_stand_still_and_go_on_afterwards)
{
	struct standing standing = { 0 };

	begin_spinners();
	for (int i = 0; i < 5; i++)
		assert_int_equal(stop_for(compare_counts, &standing), 0);
	assert_int_equal(standing.moved, 0);
	assert_all_spin();
	end_spinners();
}

TEST(the_thread_that_waits_for_the_companion_is_left_out)
{
	assert_int_equal(stopped_now(), 0);
	begin_spinners();
	assert_int_equal(stopped_now(), SPINNERS);
	end_spinners();
}

static void *wait_for_end(void *arg)
{
	sem_t *end = arg;

	while (sem_wait(end))
		assert_int_equal(errno, EINTR);
	return NULL;
}

#define MANY 100

TEST(a_hundred_threads_are_stopped)
{
	pthread_t threads[MANY];
	sem_t end;

	sem_init(&end, 0, 0);
	for (size_t i = 0; i < MANY; i++)
		threads[i] = thread_begin(wait_for_end, &end);
	assert_int_equal(stopped_now(), MANY);
	for (size_t i = 0; i < MANY; i++)
		sem_post(&end);
	for (size_t i = 0; i < MANY; i++)
		thread_end(threads[i]);
}

static void *spin_deaf(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while (!*(_Atomic bool *)arg)
		;
	return NULL;
}

TEST(a_thread_that_blocks_all_signals_is_stopped)
{
	_Atomic bool end = false;
	pthread_t deaf = thread_begin(spin_deaf, &end);

	sleep_ms(20);
	assert_int_equal(stopped_now(), 1);
	end = true;
	thread_end(deaf);
}

/* -------------------------------------------------------------------------- registers */

#ifdef __x86_64__
#include <immintrin.h>

#define MAGIC_GENERAL 0xfeedc0de12345671ull
#define MAGIC_VECTOR 0xfeedc0de12345672ull
#define MAGIC_UPPER 0xfeedc0de12345673ull

struct holding {
	_Atomic bool ready;
	_Atomic bool end;
	_Atomic pid_t tid;
	_Atomic uintptr_t frame;
};

/*
 * The words are in no memory: in a register that calls preserve, and in one of 128 bits.
 */
static void *hold_in_registers(void *arg)
{
	struct holding *h = arg;
	char here;

	h->tid = thread_tid();
	h->frame = (uintptr_t)&here;
	__asm__ volatile("mov %[general], %%r12\n\t"
			 "not %%r12\n\t"
			 "mov %[vector], %%rax\n\t"
			 "not %%rax\n\t"
			 "movq %%rax, %%xmm9\n\t"
			 "xor %%eax, %%eax\n\t"
			 "movb $1, %[ready]\n"
			 "1:	pause\n\t"
			 "cmpb $0, %[end]\n\t"
			 "je 1b"
			 : [ready] "=m"(h->ready)
			 : [end] "m"(h->end), [general] "r"(~MAGIC_GENERAL),
			   [vector] "r"(~MAGIC_VECTOR)
			 : "rax", "r12", "xmm9", "memory", "cc");
	return NULL;
}

__attribute__((target("avx"))) static void *hold_in_upper_half(void *arg)
{
	struct holding *h = arg;
	uint64_t words[4] = { 0, 0, 0, ~MAGIC_UPPER };

	h->tid = thread_tid();
	__asm__ volatile("vmovdqu %[words], %%ymm10\n\t"
			 "vpcmpeqd %%xmm11, %%xmm11, %%xmm11\n\t"
			 "vinsertf128 $1, %%xmm11, %%ymm11, %%ymm11\n\t"
			 "vxorps %%ymm11, %%ymm10, %%ymm10\n\t"
			 "movb $1, %[ready]\n"
			 "1:	pause\n\t"
			 "cmpb $0, %[end]\n\t"
			 "je 1b\n\t"
			 "vzeroupper"
			 : [ready] "=m"(h->ready)
			 : [end] "m"(h->end), [words] "m"(words)
			 : "xmm10", "xmm11", "memory", "cc");
	return NULL;
}

struct looked_for {
	pid_t tid;
	uint64_t word;
	bool general;
	bool vector;
	uintptr_t sp;
};

static bool contains(const void *at, size_t bytes, uint64_t word)
{
	for (size_t i = 0; at && i + 8 <= bytes; i += 8)
		if (memcmp((const char *)at + i, &word, 8) == 0)
			return true;
	return false;
}

static void look_in(const struct stop_registers *regs, void *arg)
{
	struct looked_for *l = arg;

	if (regs->tid != l->tid)
		return;
	l->general = contains(regs->general, regs->general_bytes, l->word);
	l->vector = contains(regs->vector, regs->vector_bytes, l->word);
	l->sp = regs->sp;
}

static void look_for(struct stop *s, void *arg)
{
	stop_each(s, look_in, arg);
}

static struct looked_for found_of(struct holding *h, uint64_t word)
{
	struct looked_for found = { .word = word };

	while (!h->ready)
		sleep_ms(1);
	found.tid = h->tid;
	assert_int_equal(stop_for(look_for, &found), 0);
	return found;
}

TEST(a_word_in_a_general_register_is_found)
{
	struct holding h = { 0 };
	pthread_t holder = thread_begin(hold_in_registers, &h);

	assert_true(found_of(&h, MAGIC_GENERAL).general);
	assert_false(found_of(&h, MAGIC_GENERAL ^ 1).general);
	h.end = true;
	thread_end(holder);
}

TEST(a_word_in_a_vector_register_is_found)
{
	struct holding h = { 0 };
	pthread_t holder = thread_begin(hold_in_registers, &h);

	assert_true(found_of(&h, MAGIC_VECTOR).vector);
	assert_false(found_of(&h, MAGIC_VECTOR).general);
	h.end = true;
	thread_end(holder);
}

TEST(a_word_in_the_upper_half_of_a_vector_register_is_found)
{
	struct holding h = { 0 };
	pthread_t holder;

	if (!__builtin_cpu_supports("avx"))
		test_skip("the processor has no registers of 256 bits");
	holder = thread_begin(hold_in_upper_half, &h);
	assert_true(found_of(&h, MAGIC_UPPER).vector);
	h.end = true;
	thread_end(holder);
}

TEST(the_stack_pointer_is_the_threads)
{
	struct holding h = { 0 };
	pthread_t holder = thread_begin(hold_in_registers, &h);
	struct looked_for found = found_of(&h, 0);

	assert_true(found.sp <= h.frame + 64);
	assert_true(found.sp > h.frame - 8192);
	h.end = true;
	thread_end(holder);
}
#endif

/* ------------------------------------------------------------------- coming and going */

static void *do_nothing(void *arg)
{
	return arg;
}

static _Atomic uint64_t created;

static void *create_on(void *arg)
{
	struct spinner *end = arg;

	while (!end->end) {
		thread_end(thread_begin(do_nothing, NULL));
		created++;
	}
	return NULL;
}

static void compare_created(struct stop *s UNUSED, void *arg)
{
	uint64_t before = created;

	thread_nap(5 * NS_PER_MS);
	*(bool *)arg |= created != before;
}

TEST(threads_that_start_threads_all_the_time_are_stopped)
{
	struct spinner end = { 0 };
	bool moved = false;
	pthread_t creators[2];

	for (size_t i = 0; i < COUNT_OF(creators); i++)
		creators[i] = thread_begin(create_on, &end);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stop_for(compare_created, &moved), 0);
	assert_false(moved);
	end.end = true;
	for (size_t i = 0; i < COUNT_OF(creators); i++)
		thread_end(creators[i]);
	assert_true(created > 100);
}

/* Each lives on in the one it started: nobody is there for long. */
static _Atomic int links;
static _Atomic bool chain_ends;

static void *start_next_and_leave(void *arg)
{
	pthread_t next;

	pthread_detach(pthread_self());
	links++;
	if (chain_ends || pthread_create(&next, NULL, start_next_and_leave, arg))
		moment_announce(arg);
	return NULL;
}

static void compare_links(struct stop *s UNUSED, void *arg)
{
	int before = links;

	thread_nap(5 * NS_PER_MS);
	*(bool *)arg |= links != before;
}

TEST(a_thread_that_goes_on_in_ever_new_threads_is_stopped)
{
	struct moment over = { 0 };
	bool moved = false;

	thread_begin(start_next_and_leave, &over);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stop_for(compare_links, &moved), 0);
	assert_false(moved);
	assert_true(links > 100);
	chain_ends = true;
	moment_await(&over);
}

static void *stop_without_main(void *arg UNUSED)
{
	struct spinner spinner = { 0 };
	size_t n = 0;

	sleep_ms(50); /* until the other is gone */
	spinner_begin(&spinner);
	for (int i = 0; i < 5; i++) {
		n = 0;
		child_check(stop_for(count_stopped, &n) == 0);
		child_check(n == 1);
	}
	assert_spins(&spinner);
	_exit(0);
}

static void leave_main(void *arg UNUSED)
{
	thread_begin(stop_without_main, NULL);
	pthread_exit(NULL);
}

TEST(a_main_thread_that_has_ended_is_not_waited_for)
{
	need_companion();
	assert_child_passes(leave_main, NULL);
}

/*
 * A thread that ends holding robust mutexes is on its way for long, while nothing of it
 * shows that it has no more to run; and a main thread does not announce its end.
 */
#define ROBUST 2000

static void hold_robust_mutexes(void)
{
	pthread_mutex_t *mutexes = calloc(ROBUST, sizeof(*mutexes));
	pthread_mutexattr_t robust;

	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	for (size_t i = 0; i < ROBUST; i++) {
		pthread_mutex_init(&mutexes[i], &robust);
		pthread_mutex_lock(&mutexes[i]);
	}
}

static struct moment main_ends;

static void *stop_while_main_ends(void *arg UNUSED)
{
	for (int i = 0; i < 20; i++) {
		child_check(stop_for(NULL, NULL) == 0);
		if (i == 3)
			moment_announce(&main_ends);
	}
	_exit(0);
}

static void leave_main_soon(void *wait_ns)
{
	hold_robust_mutexes();
	thread_begin(stop_while_main_ends, NULL);
	while (!main_ends.come)
		;
	thread_nap((uintptr_t)wait_ns);
	pthread_exit(NULL);
}

TEST(a_main_thread_that_ends_meanwhile_is_not_waited_for)
{
	need_companion();
	for (uintptr_t i = 0; i < 30; i++)
		assert_child_passes(leave_main_soon, (void *)(i * 20000));
}

/* --------------------------------------------------------------------------- its cost */

struct timing {
	struct scratch scratch;
	pid_t host;
	pid_t owner;
	int result;
	uint64_t stop;
	uint64_t end;
};

static void time_it(void *arg)
{
	struct timing *t = arg;
	uint64_t start = clock_ns(), stopped;
	struct stop *s;

	t->result = stop_all(&s, &t->scratch, t->host, t->owner, deadline_in(10000));
	stopped = clock_ns();
	if (t->result)
		return;
	stop_end(s);
	t->stop = stopped - start;
	t->end = clock_ns() - stopped;
}

static struct timing least_of(int times)
{
	struct timing least = { .stop = UINT64_MAX, .end = UINT64_MAX };

	for (int i = 0; i < times; i++) {
		struct timing t = { .host = getpid(), .owner = thread_tid() };
		struct companion companion;

		assert_int_equal(scratch_open(&t.scratch, (size_t)8 << 20), 0);
		assert_int_equal(companion_start(&companion, &t.scratch, time_it, &t), 0);
		assert_int_equal(companion_wait(&companion, deadline_in(20000)), 0);
		assert_int_equal(t.result, 0);
		scratch_close(&t.scratch);
		least.stop = t.stop < least.stop ? t.stop : least.stop;
		least.end = t.end < least.end ? t.end : least.end;
		sleep_ms(1);
	}
	return least;
}

static void say_figures(size_t threads)
{
	struct timing t = least_of(20);

	printf("# %zu threads stopped in %u us, let go in %u us\n", threads,
	       (unsigned int)(t.stop / 1000), (unsigned int)(t.end / 1000));
}

TEST(the_figures)
{
	pthread_t threads[MANY];
	sem_t end;

	need_companion();
	stop_open();
	say_figures(0);
	begin_spinners();
	say_figures(SPINNERS);
	end_spinners();
	sem_init(&end, 0, 0);
	for (size_t i = 0; i < MANY; i++)
		threads[i] = thread_begin(wait_for_end, &end);
	say_figures(MANY);
	for (size_t i = 0; i < MANY; i++)
		sem_post(&end);
	for (size_t i = 0; i < MANY; i++)
		thread_end(threads[i]);
}
