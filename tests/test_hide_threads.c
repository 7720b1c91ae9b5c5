/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer belongs to a thread: on its stack, below its stack pointer, in a
 * register, in its thread-local data, whether the collector knows the thread or not.
 */
#include "hide.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define STACK_BYTES ((size_t)256 << 10)

#define WORDS(name) volatile char name[HIDE_ROOM] __attribute__((aligned(8)))

/* --------------------------------------------------------------------------- stacks */

HIDING_PLACE(the_stack_of_the_main_thread)
{
	WORDS(area);

	hide_put(area);
	assert_kept();
	hide_clear(area);
	assert_gone();
}

HIDING_SHAPES(the_stack, sees_a_pointer_in_the_stack_of_the_main_thread)

/* For each keeper two tests: the collector knows the thread, or does not. */
#define HIDING_KEEPER(place, keeper)               \
	HIDING_PLACE(place##_of_a_known_thread)    \
	{                                          \
		check_keeper(keeper, true);        \
	}                                          \
	HIDING_PLACE(place##_of_an_unknown_thread) \
	{                                          \
		check_keeper(keeper, false);       \
	}

static void keep_on_stack(struct keeper *k)
{
	WORDS(area);

	hide_put(area);
	keeper_wait(k);
	hide_clear(area);
}

HIDING_KEEPER(the_stack, keep_on_stack)

static void read_byte(int fd)
{
	char byte;

	while (read(fd, &byte, 1) < 0)
		child_check(errno == EINTR);
}

static void keep_while_blocked(struct keeper *k)
{
	WORDS(area);

	hide_put(area);
	forget();
	moment_announce(&k->hidden);
	read_byte(k->pipe[0]);
	hide_clear(area);
}

HIDING_KEEPER(the_stack_in_a_system_call, keep_while_blocked)

/* The collector looks at the stack as it was at the call of GC_do_blocking() only. */
static void *GC_CALLBACK block(void *k)
{
	keep_while_blocked(k);
	return NULL;
}

static void keep_in_do_blocking(struct keeper *k)
{
	GC_do_blocking(block, k);
}

HIDING_PLACE(the_stack_of_a_thread_in_do_blocking)
{
	check_keeper(keep_in_do_blocking, true);
}

/* ------------------------------------------------------------------ signal handlers */

static struct {
	struct keeper *keeper;
	bool here; /* the words are on the alternate stack */
} handled;

static void on_signal(int signal UNUSED)
{
	if (handled.here)
		keep_on_stack(handled.keeper);
	else
		keeper_wait(handled.keeper);
}

static void *map_stack(size_t bytes)
{
	void *p = mmap(NULL, bytes, RW, ANON | MAP_STACK, -1, 0);

	child_check(p != MAP_FAILED);
	return p;
}

/*
 * The collector wants to be told of an alternate stack, or runs from one to the other.
 */
static void tell_collector(const stack_t *alternate)
{
	pthread_attr_t attr;
	size_t bytes;
	void *stack;

	child_check(pthread_getattr_np(pthread_self(), &attr) == 0);
	child_check(pthread_attr_getstack(&attr, &stack, &bytes) == 0);
	pthread_attr_destroy(&attr);
	GC_register_altstack(stack, bytes, alternate->ss_sp, alternate->ss_size);
}

static void raise_on_alternate_stack(struct keeper *k)
{
	const stack_t alternate = { .ss_sp = map_stack(STACK_BYTES),
				    .ss_size = STACK_BYTES };
	const stack_t none = { .ss_flags = SS_DISABLE };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	handled.keeper = k;
	child_check(sigaltstack(&alternate, NULL) == 0);
	if (k->known)
		tell_collector(&alternate);
	child_check(sigaction(SIGUSR1, &action, NULL) == 0);
	child_check(raise(SIGUSR1) == 0);
	child_check(sigaltstack(&none, NULL) == 0);
	child_check(munmap(alternate.ss_sp, alternate.ss_size) == 0);
}

static void keep_on_alternate_stack(struct keeper *k)
{
	handled.here = true;
	raise_on_alternate_stack(k);
}

HIDING_KEEPER(the_alternate_stack, keep_on_alternate_stack)

static void keep_under_alternate_stack(struct keeper *k)
{
	WORDS(area);

	hide_put(area);
	raise_on_alternate_stack(k);
	hide_clear(area);
}

HIDING_KEEPER(the_interrupted_stack, keep_under_alternate_stack)

/* ------------------------------------------------------------------------ registers */

#if defined(__x86_64__)
static void spin(struct keeper *k, hide_spin_fn *fn)
{
	uintptr_t complements[HIDE_KINDS];

	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		complements[kind] = hide_complement(kind);
	forget();
	fn(complements, &k->hidden.come, &k->drop.come);
}

static void keep_in_red_zone(struct keeper *k)
{
	spin(k, hide_spin_red_zone);
}

/*
 * The collector stops the threads that it knows in a handler, whose frame lies below; of a thread that
 * foster has met the stack is known all the same.
 */
static void keep_in_red_zone_once_known(struct keeper *k)
{
	child_check(foster_thread_attach() == 0);
	child_check(foster_thread_detach() == 0);
	spin(k, hide_spin_red_zone);
}

static void keep_in_callee_saved(struct keeper *k)
{
	spin(k, hide_spin_callee_saved);
}

static void keep_in_xmm(struct keeper *k)
{
	spin(k, hide_spin_xmm);
}

static void keep_in_ymm(struct keeper *k)
{
	spin(k, hide_spin_ymm);
}

static void keep_in_zmm(struct keeper *k)
{
	spin(k, hide_spin_zmm);
}

static void check_vector(const char *name, bool has, void (*hide)(struct keeper *),
			 bool known)
{
	if (!has)
		test_skip("this processor has no %s", name);
	check_keeper(hide, known);
}

#define HIDING_VECTOR(place, keeper, feature)                                          \
	HIDING_PLACE(place##_of_a_known_thread)                                        \
	{                                                                              \
		check_vector(feature, __builtin_cpu_supports(feature), keeper, true);  \
	}                                                                              \
	HIDING_PLACE(place##_of_an_unknown_thread)                                     \
	{                                                                              \
		check_vector(feature, __builtin_cpu_supports(feature), keeper, false); \
	}

HIDING_KEEPER(the_red_zone, keep_in_red_zone)
HIDING_PLACE(the_red_zone_of_a_thread_that_was_known)
{
	check_keeper(keep_in_red_zone_once_known, false);
}

HIDING_KEEPER(callee_saved_registers, keep_in_callee_saved)
HIDING_VECTOR(xmm_registers, keep_in_xmm, "sse2")
HIDING_VECTOR(ymm_registers, keep_in_ymm, "avx2")
HIDING_VECTOR(zmm_registers, keep_in_zmm, "avx512f")

/* Also in a system call the registers are the thread's. */
static void keep_in_registers_while_blocked(struct keeper *k)
{
	uintptr_t complements[HIDE_KINDS];

	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		complements[kind] = hide_complement(kind);
	forget();
	hide_sleep_callee_saved(complements, &k->hidden.come, k->pipe[0]);
}

HIDING_KEEPER(registers_in_a_system_call, keep_in_registers_while_blocked)

/* ------------------------------------------------------------------ birth and death */

/*
 * Threads on stacks of ours: with the stack goes whatever the C library keeps of a
 * thread that has ended.
 */
static pthread_t begin_on(void *stack, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attr, fn, arg), 0);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
	return thread;
}

static NOINLINE pthread_t begin_with_word(void *stack, enum hide_kind kind)
{
	return begin_on(stack, hide_start, hide_pointer(kind));
}

static bool all_started(void *unused UNUSED)
{
	return atomic_load(&hide_started) == HIDE_KINDS;
}

/*
 * The start argument, which the C library has and the thread not yet.  The three
 * stacks lie side by side, in one mapping of the kernel: what is below the stack
 * pointer of one may be above that of another.
 */
HIDING_PLACE(the_argument_of_a_thread_that_is_being_created)
{
	void *stack[HIDE_KINDS];
	pthread_t thread[HIDE_KINDS];

	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++) {
		stack[kind] = map_stack(STACK_BYTES);
		thread[kind] = begin_with_word(stack[kind], kind);
	}
	forget();
	assert_true(wait_until(all_started, NULL, 10000));
	assert_kept();
	atomic_store(&hide_start_go, 1);
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++) {
		thread_end(thread[kind]);
		munmap(stack[kind], STACK_BYTES);
	}
	assert_gone();
}
#endif

/* A thread that is on its way out. */
static void check_exiting(void *(*fn)(void *))
{
	static struct keeper k;
	void *stack = map_stack(STACK_BYTES);

	assert_int_equal(pipe(k.pipe), 0);
	k.thread = begin_on(stack, fn, &k);
	moment_await(&k.hidden);
	assert_kept();
	moment_announce(&k.drop);
	thread_end(k.thread);
	munmap(stack, STACK_BYTES);
	assert_gone();
}

/* More than the C library keeps of threads that have ended. */
#define LARGE_STACK ((size_t)256 << 20)

/* Of a stack: a frame, and what is at its top. */
struct ended {
	struct hidden frame, top;
};

static void *note_stack(void *arg)
{
	struct ended *ended = arg;

	child_check(foster_thread_attach() == 0);
	child_check(foster_thread_detach() == 0);
	ended->frame = hidden_of(__builtin_frame_address(0));
	ended->top = hidden_of(__builtin_thread_pointer());
	return NULL;
}

static struct ended stack_that_ended(void)
{
	struct ended there;
	pthread_attr_t attr;
	pthread_t thread;

	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, LARGE_STACK), 0);
	assert_int_equal(pthread_create(&thread, &attr, note_stack, &there), 0);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
	thread_end(thread);
	return there;
}

/* What foster knows of the thread speaks of the memory no more. */
HIDING_PLACE(memory_mapped_where_a_stack_was)
{
	const struct ended ended = stack_that_ended();
	const uintptr_t start = ~ended.frame.complement & ~(page_size() - 1);
	const size_t len = (~ended.top.complement | (page_size() - 1)) + 1 - start;
	char *p = mmap((void *)start, len, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	hide_put(p + 64);
	assert_kept();
	hide_clear(p + 64);
	assert_gone();
	munmap(p, len);
}

static struct {
	pthread_key_t key[HIDE_KINDS];
	struct keeper *keeper;
} exiting;

/*
 * The value is an argument here, and no longer in its slot; the other slots are full.
 */
static void destroy_value(void *value)
{
	keeper_wait(exiting.keeper);
	__asm__ volatile("" ::"r"(value));
}

static NOINLINE void set_value(enum hide_kind kind)
{
	child_check(pthread_setspecific(exiting.key[kind], hide_pointer(kind)) == 0);
}

static void *exit_with_values(void *arg)
{
	exiting.keeper = arg;
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		set_value(kind);
	forget();
	return NULL;
}

HIDING_PLACE(the_destructor_of_an_exiting_thread)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		assert_int_equal(pthread_key_create(&exiting.key[kind], destroy_value),
				 0);
	check_exiting(exit_with_values);
}

static void clean_up(void *k)
{
	keep_on_stack(k);
}

static void *exit_with_cleanup(void *arg)
{
	pthread_cleanup_push(clean_up, arg);
	pthread_exit(NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

HIDING_PLACE(the_cleanup_handler_of_an_exiting_thread)
{
	check_exiting(exit_with_cleanup);
}

/* ---------------------------------------------------------------- thread-local data */

static __thread WORDS(in_thread);

HIDING_PLACE(thread_local_data_of_the_main_thread)
{
	hide_put(in_thread);
	assert_kept();
	hide_clear(in_thread);
	assert_gone();
}

static void keep_in_thread_local(struct keeper *k)
{
	hide_put(in_thread);
	keeper_wait(k);
	hide_clear(in_thread);
}

HIDING_KEEPER(thread_local_data, keep_in_thread_local)

/* Beyond the first 32 keys the C library takes malloc's memory. */
#define KEYS 40

static pthread_key_t keys[KEYS];

static NOINLINE void set_specific(unsigned int key, enum hide_kind kind, bool set)
{
	void *p = set ? hide_pointer(kind) : NULL;

	child_check(pthread_setspecific(keys[key], p) == 0);
}

static void set_all(unsigned int first, bool set)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		set_specific(first + kind, kind, set);
	forget();
}

static void make_keys(void)
{
	for (unsigned int i = 0; i < KEYS; i++)
		assert_int_equal(pthread_key_create(&keys[i], NULL), 0);
}

static void keep_in_specific(struct keeper *k)
{
	set_all(0, true);
	keeper_wait(k);
	set_all(0, false);
}

static void keep_in_late_specific(struct keeper *k)
{
	set_all(KEYS - HIDE_KINDS, true);
	keeper_wait(k);
	set_all(KEYS - HIDE_KINDS, false);
}

HIDING_PLACE(thread_specific_data)
{
	make_keys();
	check_keeper(keep_in_specific, false);
}

HIDING_PLACE(thread_specific_data_of_a_late_key)
{
	make_keys();
	check_keeper(keep_in_late_specific, true);
}
