/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the test programs share: a runner, looks at the process from outside foster, and
 * ways to hold, hide and forget a pointer.
 *
 * Each test runs in a child process of its own, so none sees what another left in the
 * collector, and one that crashes or hangs fails alone.  cmocka gives the assertions.
 * The program prints TAP; what a failing test said follows as comments.
 *
 *   ./test_x               all tests
 *   ./test_x word          those whose name contains the word
 *   TEST_HERE=1 ./test_x word    in this process, for a debugger
 *   TEST_TELL=1 ./test_x         tells what passing tests said, too
 */
#ifndef FOSTER_TESTS_SUPPORT_H
#define FOSTER_TESTS_SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>
#include <foster/foster.h>

#define NOINLINE __attribute__((noinline, noclone))
#define UNUSED __attribute__((unused))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ----------------------------------------------------------------------------- runner */

typedef void test_body(void **state);

struct test {
	const char *name;
	test_body *body;
	/* After which it is killed and has failed; more on a busy machine. */
	unsigned int seconds;
};

void test_register(const char *name, test_body *body, unsigned int seconds);

#define TEST_SECONDS 60

/* TEST(behaviour_in_words) { ... } defines a test and registers it. */
#define TEST(name) TEST_WITHIN(name, TEST_SECONDS)
#define TEST_WITHIN(name, seconds)                                     \
	static test_body name;                                         \
	static __attribute__((constructor)) void register_##name(void) \
	{                                                              \
		test_register(#name, name, seconds);                   \
	}                                                              \
	static void name(void **state UNUSED)

/* Ends the test as skipped; the reason is printed. */
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A line of what happened, shown if the test fails. */
void test_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Is this a build with a sanitizer, where everything takes longer? */
bool test_is_sanitized(void);

/* --------------------------------------------------------------------------- children */

/* Runs fn(arg) in a forked child.  Returns wait(2)'s status. */
int child_status(void (*fn)(void *), void *arg);

/* The child must end by fn returning, with every assertion of child_check() true. */
void assert_child_passes(void (*fn)(void *), void *arg);

/* The child must die of the signal. */
void assert_child_dies(int signal, void (*fn)(void *), void *arg);

/* One access, for the child to die of. */
void load_byte(void *address);
void store_byte(void *address);

/* In a child: leaves at once, with a message, when the condition does not hold. */
#define child_check(cond)                                                                \
	do {                                                                             \
		if (!(cond)) {                                                           \
			fprintf(stderr, "%s:%d: in the child: %s, errno %d\n", __FILE__, \
				__LINE__, #cond, errno);                                 \
			_exit(1);                                                        \
		}                                                                        \
	} while (0)

/* ---------------------------------------------------------------------------- threads */

/*
 * A thread made by plain pthread_create(), which the collector does not know.  The first
 * waits for its end; thread_begin() and thread_end() let the test go on meanwhile.
 */
void on_plain_thread(void *(*fn)(void *), void *arg);
pthread_t thread_begin(void *(*fn)(void *), void *arg);
void *thread_end(pthread_t thread);

/* A moment that one side announces and others wait for. */
struct moment {
	_Atomic int come;
};
void moment_announce(struct moment *moment);
void moment_await(struct moment *moment);

/* Milliseconds of a clock that only goes forward. */
uint64_t now_ms(void);
void sleep_ms(unsigned int ms);

/* Calls fn(arg) until it is true, at most so long.  Returns its last answer. */
bool wait_until(bool (*fn)(void *), void *arg, unsigned int ms);

/* ------------------------------------------------------------------- hidden addresses */

/* An address that no collector takes for one. */
struct hidden {
	uintptr_t complement;
};

static inline struct hidden hidden_of(const void *p)
{
	return (struct hidden){ ~(uintptr_t)p };
}

/* Never earlier than asked for: a compiler could keep what it may compute ahead. */
static inline void *hidden_show(struct hidden h)
{
	__asm__ volatile("" : "+r"(h.complement));
	return (void *)~h.complement;
}

/*
 * Overwrites the dead part of the calling thread's stack and the registers of no fixed
 * use.
 */
void forget(void);

/* ----------------------------------------------------------- the process from outside */

size_t page_size(void);

struct maps_line {
	char perms[5];
	uint64_t offset;
	uint64_t inode;
	char name[128];
};

/*
 * The line of /proc/self/maps for an address.  Allocates nothing.  False: nothing is
 * there.
 */
bool maps_line_of(struct hidden address, struct maps_line *line);

/* Lines in /proc/self/maps; those of an inode; those whose name contains the text. */
/*
 * Pages of the huge page pool, which is made larger for them where root may; MAP_FAILED: there
 * are none.
 */
void *map_huge_pages(size_t bytes);
size_t maps_count(void);
size_t maps_count_inode(uint64_t inode);
size_t maps_count_named(const char *text);

/*
 * A figure of /proc/self/status: "VmSize", "VmRSS", "Threads" (KiB where it is an
 * amount).
 */
uint64_t status_figure(const char *name);

size_t fd_count(void);

/* What a descriptor is of, as /proc/self/fd tells it.  False: it is not open. */
bool fd_target(int fd, char target[PATH_MAX]);

/* Lowers the soft limit, and returns what it was. */
struct rlimit limit_to(int resource, rlim_t value);

/* Addresses without memory, of which there may be more than memory; skips where not. */
void *map_reservation(size_t bytes);

/* ------------------------------------------------------------------------------ files */

/* A memfd of so many bytes; page i is filled with pattern_word(i). */
int pattern_memfd(size_t bytes, unsigned int flags);

/* An unlinked-at-exit file in $TMPDIR with that content.  path has room for PATH_MAX. */
int pattern_file(char *path, size_t bytes);

uint64_t inode_of(int fd);

/* Word at byte offset 8*n of a patterned file. */
uint64_t pattern_word(size_t n);
void pattern_fill(void *p, size_t bytes);
bool pattern_holds(const void *p, size_t bytes, size_t offset_in_file);

/* ---------------------------------------------------------------------------- regions */

/*
 * A region remembered by its address hidden, and by what cannot be mistaken for another.
 */
struct mark {
	struct hidden base;
	size_t len;
	uint64_t id;
	uint64_t inode; /* 0: anonymous */
};

struct mark mark_of(const void *p);

/* It must know p. */
struct foster_info info_of(const void *p);

/* Does foster know it?  Is it in /proc/self/maps as it was made? */
bool mark_is_tracked(const struct mark *mark);
bool mark_is_mapped(const struct mark *mark);
bool mark_is_readable(const struct mark *mark);
struct foster_info mark_info(const struct mark *mark);
bool mark_pattern_holds(const struct mark *mark);

/* Which byte of the region is pointed to. */
enum place {
	AT_BASE,
	AT_MIDDLE,
	AT_LAST_BYTE,
	AT_END, /* just past the last byte */
};

void *place_in(void *base, size_t len, enum place place);

/*
 * Makes a region and stores the one pointer into *slot; the caller's frame gets none.
 * The first maps a memfd (shared, patterned), the second anonymous memory (patterned).
 */
struct mark make_memfd_region(void *volatile *slot, size_t pages, enum place place);
struct mark make_anon_region(void *volatile *slot, size_t pages, enum place place);

/* The same as plain memory for the caller to hold: not patterned, and patterned. */
char *map_pages(size_t pages);
char *map_patterned_pages(size_t pages);

/* Makes a region and keeps no pointer. */
struct mark make_dropped(size_t pages);

/*
 * Collects until fn(arg) is true, or so many times, and as often again after making sure
 * that libgc itself holds no region.  Returns its last answer.
 */
bool collecting_until(bool (*fn)(void *), void *arg, int rounds);

/* The same until foster does not know the region; then it must not be in maps either. */
bool goes_within(struct mark *mark, int rounds);
#define ROUNDS 3

/* Collects so many times; all regions stay. */
void collect_times(int times);

#define assert_goes(mark)                                    \
	do {                                                 \
		forget(); /* what the caller's calls left */ \
		assert_true(goes_within((mark), ROUNDS));    \
	} while (0)
#define assert_stays(mark)                          \
	do {                                        \
		collect_times(ROUNDS);              \
		assert_true(mark_is_tracked(mark)); \
		assert_true(mark_is_mapped(mark));  \
	} while (0)

/* A thread that makes a region, holds it, and drops it when it is told to. */
struct stay {
	struct moment made, drop, dropped, end;
	struct mark mark;
};

/* The region must live as long as fn(stay), on a plain thread, holds it, and no longer. */
void check_stay(void *(*fn)(void *));

struct foster_stats stats_now(void);

/*
 * foster for a host that keeps pointers only where the collector looks: without the sweep.
 * foster_init() must not have been called.
 */
void init_without_sweep(void);

/* A call must fail and set errno to match. */
#define assert_fails(error, call)                   \
	do {                                        \
		errno = 0;                          \
		assert_int_equal((call), -(error)); \
		assert_int_equal(errno, (error));   \
	} while (0)
#define assert_null_with(error, call)             \
	do {                                      \
		errno = 0;                        \
		assert_null(call);                \
		assert_int_equal(errno, (error)); \
	} while (0)
#define assert_map_fails(error, call)                 \
	do {                                          \
		errno = 0;                            \
		assert_ptr_equal((call), MAP_FAILED); \
		assert_int_equal(errno, (error));     \
	} while (0)

#endif
