/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The null collector: gc/gc.h with nothing behind it that scans.  A test says what is
 * reachable, so that units run deterministically, and under sanitizers that libgc does
 * not bear.
 */
#ifndef FOSTER_GC_NULL_H
#define FOSTER_GC_NULL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gc/gc.h"

/*
 * The object around addr is reachable (as every new one is), or not.  False: there is
 * none.
 */
bool gc_null_reach(uintptr_t addr, bool reachable);

/* The next count allocations of objects fail. */
void gc_null_fail(int count);

/* As GC_disable() and GC_enable() of the host. */
void gc_null_disable(bool disabled);

/* As GC_set_java_finalization(): signs needed in a row. */
void gc_null_set_signs(unsigned int needed);

/*
 * What gc_holder() and gc_object_marked() say; NULL: all memory is foreign, nothing is marked.
 */
extern enum gc_holder (*gc_null_holder)(uintptr_t addr, uintptr_t *object);
extern bool (*gc_null_marked)(uintptr_t object);

/* Objects that have not been reclaimed. */
size_t gc_null_objects(void);

#endif
