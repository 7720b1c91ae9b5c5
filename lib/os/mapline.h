/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line of /proc/self/maps, which is also what begins each paragraph of
 * /proc/self/smaps.
 */
#ifndef FOSTER_OS_MAPLINE_H
#define FOSTER_OS_MAPLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct mapline {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset;
	uint64_t device; /* major << 32 | minor */
	uint64_t inode;
	const char *name; /* as the kernel spells it, no terminator; a part of the line */
	size_t name_len;
	uint8_t prot; /* PROT_* */
	bool shared;
};

/* False: it is none. */
bool mapline_parse(struct mapline *m, const char *line, size_t len)
	_must_check_ _nonnull_all_;

bool mapline_named(const struct mapline *m, const char *name) _must_check_ _nonnull_all_;
bool mapline_begins(const struct mapline *m, const char *prefix)
	_must_check_ _nonnull_all_;

/* Memory without a file: its name, if it has one, is in brackets and the kernel's own. */
static inline bool mapline_is_anonymous(const struct mapline *m)
{
	return m->device == 0 && m->inode == 0;
}

#endif
