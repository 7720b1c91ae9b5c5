/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hiding places.  A test makes three regions (laid over the collector's heap, pages
 * adopted in place, a hundred bytes adopted in place), puts the one pointer to each
 * into the place that it is about, and looks whether foster finds it there:
 *
 *	HIDING_PLACE(malloc_memory)
 *	{
 *		void *area = malloc(HIDE_ROOM);
 *
 *		hide_put(area);
 *		assert_kept();
 *		hide_clear(area);
 *		assert_gone();
 *	}
 *
 * That makes three tests, one for each way in which foster can read memory.  Until
 * assert_kept() the regions are pinned.  Everything else knows them by complements,
 * and that they go once the place is cleared shows that nothing else held them.
 */
#ifndef FOSTER_TESTS_HIDE_H
#define FOSTER_TESTS_HIDE_H

#include "support.h"

#include <pthread.h>

enum hide_kind {
	HIDE_OVERLAID,
	HIDE_PAGES,
	HIDE_BYTES,
	HIDE_KINDS,
};

/* Bytes that the three words need, wherever in it they begin. */
#define HIDE_ROOM 32

/*
 * Which byte each word points to, and where it lies, follow from a number:
 * HIDE_SHAPE(place, 0) points all three to that place of their regions,
 * HIDE_SHAPE(place, 1) is 4 bytes off a multiple of 8.
 */
#define HIDE_MIXED 8u
#define HIDE_SHAPE(place, skewed) ((unsigned int)(place) + 4u * (skewed))

/* Starts foster with the way and makes the regions.  Skips where the kernel cannot. */
void hide_begin(unsigned int way, unsigned int shape);

/* A shape for a place: others for other names and ways, so that all have their turn. */
unsigned int hide_shape_of(const char *name, unsigned int way);

/* --------------------------------------------------------------------- the pointers */

/* The complement of the pointer; how far from a multiple of 8 it is to lie. */
uintptr_t hide_complement(enum hide_kind kind);
size_t hide_skew(void);

/* Puts the three words into HIDE_ROOM bytes, which are a multiple of 8; clears them. */
void hide_put(volatile void *area);
void hide_clear(volatile void *area);

/*
 * The word in the clear, for a call that wants it.  Forget() after the caller's
 * return.
 */
void *hide_pointer(enum hide_kind kind);

/* Puts the word of one region into the memory of another, or into its own. */
void hide_put_inside(enum hide_kind where, enum hide_kind whose);

/*
 * Stores the complement of a complement.  No register and no other memory keeps the word:
 * a compiler that stores it may spill it as well.
 */
static inline void hide_store(volatile void *slot, uintptr_t complement)
{
#if defined(__x86_64__)
	__asm__ volatile("notq %0\n\t"
			 "movq %0, (%1)\n\t"
			 "xorl %k0, %k0"
			 : "+r"(complement)
			 : "r"(slot)
			 : "memory", "cc");
#else
	complement = ~complement;
	memcpy((void *)(uintptr_t)slot, &complement, sizeof(complement));
#endif
}

/*
 * Moves a word: at every moment it is in one of the two, or in both, or in a register.
 */
static inline void hide_move(volatile void *to, volatile void *from)
{
#if defined(__x86_64__)
	__asm__ volatile("movq (%1), %%rax\n\t"
			 "movq %%rax, (%0)\n\t"
			 "movq $0, (%1)\n\t"
			 "xorl %%eax, %%eax" ::"r"(to),
			 "r"(from)
			 : "rax", "memory", "cc");
#else
	memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)from, sizeof(uintptr_t));
	memset((void *)(uintptr_t)from, 0, sizeof(uintptr_t));
#endif
}

/* The address of word number kind in an area. */
static inline volatile void *hide_slot(volatile void *area, enum hide_kind kind)
{
	return (volatile char *)area + hide_skew() + sizeof(uintptr_t) * kind;
}

/* ---------------------------------------------------------------------- the verdict */

/* foster_collect(), patient with a thread that is just being made. */
void hide_collect(void);

/*
 * hide_alone(): no second word in memory points to any of the regions (what threads
 * have in registers, and pages that are not there, are not looked at).  False: says
 * where. hide_kept(): three rounds, and all are there, as they were.  hide_gone():
 * within three rounds all went.  The library's own pool of collector memory may keep
 * one overlaid region longer: see nudge_heap().
 */
bool hide_alone(void);
bool hide_whole(void);
bool hide_kept(void);
bool hide_gone(void);
void hide_unpin(void);
void hide_pin(enum hide_kind kind); /* once more */
void hide_unpin_one(enum hide_kind kind);

#define assert_kept()                      \
	do {                               \
		assert_true(hide_alone()); \
		hide_unpin();              \
		assert_true(hide_kept());  \
	} while (0)
#define assert_gone() assert_true(hide_gone())

/* How many words in memory point into [base, base + len]; -1: cannot be told. */
int hide_count(struct hidden base, size_t len, bool say);

/* ------------------------------------------------------------------- the three ways */

#define HIDING_WAY(what, body, name, way, shape)         \
	TEST(name##_##what)                              \
	{                                                \
		hide_begin(FOSTER_SWEEP_##way, (shape)); \
		body();                                  \
	}
#define HIDING_WAYS(what, body, shape)                  \
	HIDING_WAY(what, body, pause, PAUSE, shape)     \
	HIDING_WAY(what, body, tracked, TRACKED, shape) \
	HIDING_WAY(what, body, snapshot, SNAPSHOT, shape)

/* pause_..., tracked_... and snapshot_... */
#define IN_EACH_WAY(what)                                                   \
	static void what(void);                                             \
	HIDING_WAY(what, what, pause, PAUSE, hide_shape_of(#what, 1))       \
	HIDING_WAY(what, what, tracked, TRACKED, hide_shape_of(#what, 2))   \
	HIDING_WAY(what, what, snapshot, SNAPSHOT, hide_shape_of(#what, 3)) \
	static void what(void)

#define HIDING_PLACE(place) IN_EACH_WAY(sees_a_pointer_in_##place)

/* The same place once more, with every kind of pointer. */
#define HIDING_SHAPES(place, body)                                                  \
	HIDING_WAYS(sees_a_base_in_##place, body, HIDE_SHAPE(AT_BASE, 0))           \
	HIDING_WAYS(sees_a_middle_in_##place, body, HIDE_SHAPE(AT_MIDDLE, 0))       \
	HIDING_WAYS(sees_a_last_byte_in_##place, body, HIDE_SHAPE(AT_LAST_BYTE, 0)) \
	HIDING_WAYS(sees_an_end_in_##place, body, HIDE_SHAPE(AT_END, 0))            \
	HIDING_WAYS(sees_a_base_4_bytes_off_in_##place, body, HIDE_SHAPE(AT_BASE, 1))

/* ----------------------------------------------------------- threads that keep them */

/*
 * A thread whose function hides the words, calls keeper_wait(), and clears them.  It
 * lives until keeper_end(), so that what goes does not go with the thread.
 */
struct keeper {
	void (*hide)(struct keeper *k);
	bool known; /* to the collector */
	pthread_t thread;
	struct moment hidden, drop, dropped, leave;
	int pipe[2]; /* has a byte once it is time to clear */
};

void keeper_begin(struct keeper *k, bool known, void (*hide)(struct keeper *));
void keeper_wait(struct keeper *k);
void keeper_drop(struct keeper *k);
void keeper_end(struct keeper *k);

/* A test of a place that is all in such a function. */
void check_keeper(void (*hide)(struct keeper *), bool known);

#if defined(__x86_64__)
/*
 * Put the words where the name says, for as long as *drop is 0, and tell *hidden.  No
 * part of a word is anywhere else, then or afterwards.
 */
typedef void hide_spin_fn(const uintptr_t *complements, _Atomic int *hidden,
			  _Atomic int *drop);
hide_spin_fn hide_spin_red_zone;
hide_spin_fn hide_spin_callee_saved; /* r12, r13, r14 */
hide_spin_fn hide_spin_xmm;	     /* 4 bytes up, of xmm6 and its neighbours */
hide_spin_fn hide_spin_ymm;	     /* the upper halves */
hide_spin_fn hide_spin_zmm; /* the topmost quarters, of zmm20 and its neighbours */

/* The same registers while the thread sleeps in read(fd). */
void hide_sleep_callee_saved(const uintptr_t *complements, _Atomic int *hidden, int fd);

/* A start function that clears its argument's register and spins on *hide_start_go. */
extern _Atomic int hide_start_go;
extern _Atomic int hide_started;
void *hide_start(void *arg);
#endif

#endif
