/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves the hidden words when it is told to: see hide_mover.h. */
#include "hide_mover.h"

#include <sys/syscall.h>
#include <time.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/sync.h"

#define POINT_BYTES 32
#define POLL_NS 20000
#define POLLS_AT_MOST 100000 /* for an action to be done: seconds */

const char *const mover_place_names[] = {
	"a known thread's stack",
	"an unknown thread's stack",
	"static data",
	"malloc's memory",
	"thread-local data",
	"a collector object",
	"shared memory",
	"registers",
};

/*
 * Shared with every process that may come to a point.  No address of a region is in
 * it.
 */
static struct control {
	_Atomic int armed;
	_Atomic unsigned int calls, at;
	_Atomic int command, fired, given_up;
	char point[POINT_BYTES];
} * control;

static struct {
	volatile void *area[PLACE_MEMORY];
	enum mover_place from, to;
	void (*action)(void);
} places;

static volatile char static_area[HIDE_ROOM] __attribute__((aligned(8)));
static __thread volatile char thread_area[HIDE_ROOM] __attribute__((aligned(8)));

/* ---------------------------------------------------------------------- the waiting */

/* Without the C library: errno is not ours here. */
static void pause_briefly(void)
{
	const struct timespec rest = { 0, POLL_NS };

#if defined(__x86_64__)
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_nanosleep), "D"(&rest), "S"(NULL)
			 : "rcx", "r11", "memory");
#else
	nanosleep(&rest, NULL);
#endif
}

static bool is_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* On whatever thread or process comes to a point. */
static void on_point(const char *name)
{
	struct control *c = control;

	if (!atomic_load(&c->armed) || !is_same(name, c->point))
		return;
	if (atomic_fetch_add(&c->calls, 1) + 1 != atomic_load(&c->at))
		return;
	atomic_store(&c->command, 1);
	for (int i = 0; i < POLLS_AT_MOST; i++) {
		if (!atomic_load(&c->command)) {
			atomic_store(&c->fired, 1);
			return;
		}
		pause_briefly();
	}
	atomic_store(&c->given_up, 1);
}

static void *obey(void *unused UNUSED)
{
	for (;;) {
		while (!atomic_load(&control->command))
			pause_briefly();
		places.action();
		forget();
		atomic_store(&control->command, 0);
	}
	return NULL;
}

/* -------------------------------------------------------------------- the registers */

#if defined(__x86_64__)
/*
 * Of the thread that has the words in registers: what it is to do, and with which
 * area.
 */
static struct {
	_Atomic int command; /* 1: take from there; 2: put there */
	volatile void *area; /* its first word */
} registers;

/*
 * Sleeps for moments, else it would take a processor.  rbx: registers, rbp: the area.
 */
static void *have_registers(void *unused UNUSED)
{
	static const struct timespec rest = { 0, POLL_NS };

	__asm__ volatile("1:	movl	$35, %%eax\n" /* nanosleep */
			 "	movq	%1, %%rdi\n"
			 "	xorl	%%esi, %%esi\n"
			 "	syscall\n"
			 "	movl	(%0), %%eax\n"
			 "	testl	%%eax, %%eax\n"
			 "	je	1b\n"
			 "	movq	8(%0), %%rdx\n"
			 "	cmpl	$1, %%eax\n"
			 "	jne	2f\n"
			 "	movq	(%%rdx), %%r12\n"
			 "	movq	8(%%rdx), %%r13\n"
			 "	movq	16(%%rdx), %%r14\n"
			 "	movq	$0, (%%rdx)\n"
			 "	movq	$0, 8(%%rdx)\n"
			 "	movq	$0, 16(%%rdx)\n"
			 "	jmp	3f\n"
			 "2:	movq	%%r12, (%%rdx)\n"
			 "	movq	%%r13, 8(%%rdx)\n"
			 "	movq	%%r14, 16(%%rdx)\n"
			 "	xorl	%%r12d, %%r12d\n"
			 "	xorl	%%r13d, %%r13d\n"
			 "	xorl	%%r14d, %%r14d\n"
			 "3:	movl	$0, (%0)\n"
			 "	jmp	1b\n" ::"b"(&registers),
			 "r"(&rest)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r11", "r12", "r13", "r14",
			   "memory", "cc");
	return NULL;
}

static void command_registers(int command, enum mover_place place)
{
	registers.area = hide_slot(places.area[place], 0);
	atomic_store(&registers.command, command);
	while (atomic_load(&registers.command))
		pause_briefly();
}

static void begin_registers(void)
{
	thread_begin(have_registers, NULL);
}
#else
static void command_registers(int command UNUSED, enum mover_place place UNUSED)
{
	test_skip("no registers are named on this processor");
}

static void begin_registers(void)
{
}
#endif

/* ------------------------------------------------------------------------ the moves */

void mover_follow_plan(void)
{
	const enum mover_place from = places.from, to = places.to;

	if (to == PLACE_REGISTER) {
		command_registers(1, from);
		return;
	}
	if (from == PLACE_REGISTER) {
		command_registers(2, to);
		return;
	}
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_move(hide_slot(places.area[to], kind),
			  hide_slot(places.area[from], kind));
}

void mover_plan(enum mover_place from, enum mover_place to)
{
	places.from = from;
	places.to = to;
}

void mover_move(enum mover_place from, enum mover_place to)
{
	mover_plan(from, to);
	mover_follow_plan();
	forget();
}

/* ----------------------------------------------------------------------- the places */

struct owner {
	bool known;
	struct moment ready;
};

/* Owns a stack, and thread-local data, until the process ends. */
static void *own(void *arg)
{
	volatile char area[HIDE_ROOM] __attribute__((aligned(8))) = { 0 };
	struct owner *owner = arg;

	if (owner->known)
		child_check(foster_thread_attach() == 0);
	places.area[owner->known ? PLACE_STACK : PLACE_UNKNOWN_STACK] = area;
	if (!owner->known)
		places.area[PLACE_THREAD_LOCAL] = thread_area;
	moment_announce(&owner->ready);
	for (;;)
		pause();
	return NULL;
}

static void begin_owner(bool known)
{
	static struct owner owners[2];
	struct owner *owner = &owners[known];

	owner->known = known;
	thread_begin(own, owner);
	moment_await(&owner->ready);
}

static void *map_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

void mover_begin(void)
{
	control = map_shared(page_size());
	places.area[PLACE_STATIC] = static_area;
	places.area[PLACE_MALLOC] = calloc(1, HIDE_ROOM);
	places.area[PLACE_COLLECTOR] = GC_MALLOC(HIDE_ROOM);
	places.area[PLACE_SHARED] = map_shared(page_size());
	begin_owner(true);
	begin_owner(false);
	begin_registers();
	thread_begin(obey, NULL);
	sync_hook = on_point;
}

volatile void *mover_area(enum mover_place place)
{
	return places.area[place];
}

/* ----------------------------------------------------------------------- the points */

void mover_arm(const char *point, unsigned int n, void (*action)(void))
{
	assert_true(strlen(point) < POINT_BYTES);
	strcpy(control->point, point);
	places.action = action;
	atomic_store(&control->calls, 0);
	atomic_store(&control->at, n);
	atomic_store(&control->fired, 0);
	atomic_store(&control->armed, 1);
}

unsigned int mover_disarm(bool *fired)
{
	atomic_store(&control->armed, 0);
	assert_false(atomic_load(&control->given_up));
	*fired = atomic_load(&control->fired);
	return atomic_load(&control->calls);
}
