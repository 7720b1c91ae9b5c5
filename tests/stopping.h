/* SPDX-License-Identifier: BSD-2-Clause */
/* Stopping this process from a companion, for tests of what the stopped ones notice. */
#ifndef FOSTER_TESTS_STOPPING_H
#define FOSTER_TESTS_STOPPING_H

#include "support.h"

#include <pthread.h>

#include "os/stop.h"

typedef void stopped_fn(struct stop *s, void *arg);

/*
 * Stops all threads but the calling one, calls fn(s, arg) in the companion meanwhile, and
 * lets them go on.  What stop_all() said.
 */
int stop_for(stopped_fn *fn, void *arg);

/* The same, where the stop may take so long, and the companion so much longer as well. */
int stop_within(stopped_fn *fn, void *arg, int ms);

/* For stop_for(): lets so many milliseconds pass. */
void stand_ms(struct stop *s, void *ms);

/* Stops so many times, with as long a rest after each; every time it must be possible. */
void stop_times(int times, int rest_ms);

/* Threads that do nothing but count. */
struct spinner {
	_Atomic uint64_t count;
	_Atomic pid_t tid;
	_Atomic bool end;
	pthread_t thread;
};
void spinner_begin(struct spinner *spinner);
void spinner_end(struct spinner *spinner);

/* It must count on. */
void assert_spins(struct spinner *spinner);

/* Some of them, for a test that wants them all alike. */
#define SPINNERS 4
extern struct spinner spinners[SPINNERS];
void begin_spinners(void);
void end_spinners(void);
void assert_all_spin(void);

/* For stop_for(): counts the stopped threads in a size_t. */
void count_stopped(struct stop *s, void *count);

/* How many a stop finds, now. */
size_t stopped_now(void);

/* Ends the test where a companion cannot be tried. */
void need_companion(void);

#endif
