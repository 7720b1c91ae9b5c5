/* SPDX-License-Identifier: BSD-2-Clause */
#include "stopping.h"

#include "os/companion.h"
#include "os/thread.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define AMPLE_MS 10000

void need_companion(void)
{
#ifdef __SANITIZE_THREAD__
	test_skip("two processes in the memory of one thread of ThreadSanitizer's");
#endif
}

struct stopping {
	stopped_fn *fn;
	void *arg;
	int ms;
	pid_t host;
	pid_t owner;
	struct scratch scratch;
	int result;
};

static void stop_here(void *arg)
{
	struct stopping *stopping = arg;
	struct stop *s;

	stopping->result = stop_all(&s, &stopping->scratch, stopping->host,
				    stopping->owner, deadline_in(stopping->ms));
	if (stopping->result)
		return;
	if (stopping->fn)
		stopping->fn(s, stopping->arg);
	stop_end(s);
}

int stop_within(stopped_fn *fn, void *arg, int ms)
{
	struct stopping stopping = {
		.fn = fn, .arg = arg, .ms = ms, .host = getpid(), .owner = thread_tid()
	};
	struct companion companion;

	need_companion();
	assert_int_equal(scratch_open(&stopping.scratch, SCRATCH_BYTES), 0);
	assert_int_equal(
		companion_start(&companion, &stopping.scratch, stop_here, &stopping), 0);
	assert_int_equal(companion_wait(&companion, deadline_in(ms + AMPLE_MS)), 0);
	scratch_close(&stopping.scratch);
	return stopping.result;
}

int stop_for(stopped_fn *fn, void *arg)
{
	return stop_within(fn, arg, AMPLE_MS);
}

void stand_ms(struct stop *s UNUSED, void *ms)
{
	thread_nap((uint64_t)(uintptr_t)ms * NS_PER_MS);
}

void stop_times(int times, int rest_ms)
{
	for (int i = 0; i < times; i++) {
		assert_int_equal(stop_for(NULL, NULL), 0);
		if (rest_ms)
			sleep_ms((unsigned int)rest_ms);
	}
}

static void *count_on(void *arg)
{
	struct spinner *spinner = arg;

	spinner->tid = thread_tid();
	while (!atomic_load_explicit(&spinner->end, memory_order_relaxed))
		atomic_fetch_add_explicit(&spinner->count, 1, memory_order_relaxed);
	return NULL;
}

void spinner_begin(struct spinner *spinner)
{
	spinner->thread = thread_begin(count_on, spinner);
	while (!spinner->count)
		sleep_ms(1);
}

void spinner_end(struct spinner *spinner)
{
	spinner->end = true;
	thread_end(spinner->thread);
}

struct moved {
	struct spinner *spinner;
	uint64_t before;
};

static bool has_moved(void *arg)
{
	struct moved *moved = arg;

	return moved->spinner->count != moved->before;
}

void assert_spins(struct spinner *spinner)
{
	struct moved moved = { spinner, spinner->count };

	assert_true(wait_until(has_moved, &moved, 10000));
}

struct spinner spinners[SPINNERS];

void begin_spinners(void)
{
	for (size_t i = 0; i < SPINNERS; i++)
		spinner_begin(&spinners[i]);
}

void assert_all_spin(void)
{
	for (size_t i = 0; i < SPINNERS; i++)
		assert_spins(&spinners[i]);
}

void end_spinners(void)
{
	for (size_t i = 0; i < SPINNERS; i++)
		spinner_end(&spinners[i]);
}

static void count_one(const struct stop_registers *regs UNUSED, void *arg)
{
	++*(size_t *)arg;
}

void count_stopped(struct stop *s, void *count)
{
	stop_each(s, count_one, count);
}

size_t stopped_now(void)
{
	size_t n = 0;

	assert_int_equal(stop_for(count_stopped, &n), 0);
	return n;
}
