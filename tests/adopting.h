/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory to adopt, and callbacks that say when it was released. */
#ifndef FOSTER_TESTS_ADOPTING_H
#define FOSTER_TESTS_ADOPTING_H

#include "support.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* Starts foster, which then collects when it is asked to and not otherwise. */
void adopting_begin(void);

/* So many pages of zeros with nothing mapped next to them. */
char *area_new(size_t pages);

/*
 * What callbacks were told.  on_release() fills adopting_released and clears the memory,
 * so that what it said counts no more; its argument is no matter.
 */
struct adopting_released {
	_Atomic int calls;
	_Atomic uint64_t sum; /* of the complements of the addresses */
	size_t len;	      /* the last */
	void *arg;
	pid_t tid;
};
extern struct adopting_released adopting_released;
foster_release_fn on_release;

/* Collects until so many were released; not one more. */
bool are_released(int calls);

/* Adopts, by a callback, and must succeed; *slot, unless NULL, gets the pointer. */
struct mark adopt_bytes(void *volatile *slot, struct hidden at, size_t len, void *arg);

/* Adopts whole pages that munmap() releases. */
struct mark adopt_pages(void *volatile *slot, size_t pages);

/* Stores the pointer that is hidden, and leaves it nowhere else. */
void show_to(void *volatile *slot, struct hidden h);

#endif
