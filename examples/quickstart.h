/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the quickstart program share. */
#ifndef QUICKSTART_H
#define QUICKSTART_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counter.h"

#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/*
 * The collector looks at stacks: what works with an address is not inlined into what does
 * not.
 */
#define NOINLINE __attribute__((noinline))

/* ------------------------------------------------- what is told: quickstart_report.c */

/* A numbered step; then lines that belong to it. */
void step(const char *fmt, ...) PRINTF(1, 2);
void line(const char *label, const char *fmt, ...) PRINTF(2, 3);

/* A promise, and whether it was seen to hold. */
void promise(bool held, const char *fmt, ...) PRINTF(2, 3);
unsigned int promises(void);
unsigned int promises_broken(void);

/* ---------------------------------------------------- what is seen: quickstart_look.c */

/* An address that no collector takes for one. */
struct place {
	uintptr_t complement;
};

/* The mapping at a place, as /proc/self/maps tells it. */
struct mapping {
	char range[64]; /* "7f00-7f80", "" where nothing is mapped */
	char prot[8];	/* "rw-s" */
	char what[256]; /* offset, device, inode and name */
};

struct place place_of(const void *p);
struct mapping mapping_at(struct place place);
void show_mapping(const char *label, const struct mapping *m);

/* Is what was mapped there when "then" was taken still mapped there? */
bool still_mapped(struct place place, const struct mapping *then);

/* Mappings of this process whose name begins with a prefix. */
unsigned int mappings_named(const char *prefix);

/* Open descriptors whose link in /proc/self/fd begins with one of the prefixes; shown. */
unsigned int descriptors_named(const char *const *prefixes);

/* Runs a collection and shows its figures, with no stale address left on the stack. */
void collect(void);

/* ------------------------------------------------------------ what is done: the parts */

/*
 * A thing that counts in memory of its own: a BPF program, or what stands in for one.
 *
 *	names	how its descriptors begin in /proc/self/fd; NULL ends them
 *	load	0 or a negative errno, with the reason told
 *	map	the slot that it counts in, of tracked memory; NULL, with the reason told
 *	leave	gives up every descriptor; it can still run
 *	end	the program goes: 1 seen, 0 not, a negative errno where it cannot be seen
 */
struct program {
	const char *what;
	const char *const *names;
	int (*load)(void);
	const char *how; /* it is run */
	int (*run)(void);
	struct counter_slot *(*map)(void);
	void (*leave)(void);
	const char *how_again; /* it is run after leave */
	int (*run_again)(void);
	int (*end)(void);
	bool (*memory_gone)(void);
};

extern const struct program bpf_program;   /* quickstart_bpf.c, or quickstart_nobpf.c */
extern const struct program memfd_program; /* quickstart_memfd.c */

/* The two halves of the main job. */
void show_program(const struct program *program); /* quickstart.c */
void show_elf(void);				  /* quickstart_elf.c */

#endif
