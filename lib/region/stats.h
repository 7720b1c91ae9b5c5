/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of foster_stats(); one list, FOSTER_STATS_FIELDS, makes them all. */
#ifndef FOSTER_REGION_STATS_H
#define FOSTER_REGION_STATS_H

#include <foster/foster.h>
#include <stdatomic.h>
#include <stdint.h>

struct stats {
#define STATS_MEMBER(name, what) _Atomic uint64_t name;
	FOSTER_STATS_FIELDS(STATS_MEMBER)
#undef STATS_MEMBER
};

extern struct stats stats;

/* Relaxed: each is a sum of its own and orders nothing.  Any context. */
#define stats_add(name, n) \
	((void)atomic_fetch_add_explicit(&stats.name, (uint64_t)(n), memory_order_relaxed))
#define stats_sub(name, n) \
	((void)atomic_fetch_sub_explicit(&stats.name, (uint64_t)(n), memory_order_relaxed))
#define stats_zero(name) atomic_store_explicit(&stats.name, 0, memory_order_relaxed)
#define stats_get(name) (atomic_load_explicit(&stats.name, memory_order_relaxed))

#endif
