/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places between which the hidden words are moved, and a thread that moves them when
 * it is told to.
 *
 * It is told in shared memory, by atomics alone: who tells it may be a process that
 * shares all memory, or one that shares only that.
 */
#ifndef FOSTER_TESTS_HIDE_MOVER_H
#define FOSTER_TESTS_HIDE_MOVER_H

#include "hide.h"

enum mover_place {
	PLACE_STACK,	     /* of a thread that the collector knows */
	PLACE_UNKNOWN_STACK, /* of one that it does not know */
	PLACE_STATIC,
	PLACE_MALLOC,
	PLACE_THREAD_LOCAL, /* of the thread that it does not know */
	PLACE_COLLECTOR,
	PLACE_SHARED,
	PLACE_MEMORY, /* the number of those before, which are memory */
	PLACE_REGISTER = PLACE_MEMORY,
	PLACES,
};

/* The names, for messages. */
extern const char *const mover_place_names[];

/*
 * Makes the places and starts the threads that own them, and the one that moves.  After
 * hide_begin().
 */
void mover_begin(void);

/* The HIDE_ROOM bytes of a place that is memory. */
volatile void *mover_area(enum mover_place place);

/* Moves now, between rounds.  The words must be at from. */
void mover_move(enum mover_place from, enum mover_place to);

/*
 * What the moving thread does once, at a point of the next rounds: the n-th time that a
 * round comes to it.
 */
void mover_arm(const char *point, unsigned int n, void (*action)(void));

/* What mover_move() would do, for mover_arm(): from and to of mover_plan(). */
void mover_plan(enum mover_place from, enum mover_place to);
void mover_follow_plan(void);

/*
 * Not any more.  Returns how often the point was come to since it was armed.  *fired:
 * was the action done there?  A point that nobody can act at (the threads stand still)
 * is a failure of the test.
 */
unsigned int mover_disarm(bool *fired);

#endif
