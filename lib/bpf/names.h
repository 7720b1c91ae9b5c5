/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of names, filled once, then asked by any number of threads.
 *
 * A power of two of slots, at most three quarters of them taken; a name that meets
 * another in its slot takes the next free one. The hash begins with a secret, so that
 * nobody who chooses names can choose that they meet.
 */
#ifndef FOSTER_BPF_NAMES_H
#define FOSTER_BPF_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* Empty when zero. */
struct name_slot {
	uint32_t hash;
	uint32_t number; /* of what has the name, + 1 */
};

struct names {
	struct name_slot *slots;
	uint32_t slot_count; /* names_slots() */
	uint64_t secret;
	const char *(*name_of)(const void *owner, uint32_t number);
	const void *owner;
};

/* Slots for so many names. */
uint32_t names_slots(uint32_t count);

/* Of this process, and hard to guess. */
uint64_t names_secret(void);

/* The slot of a name; where it is not in the table, the empty one in which it belongs. */
struct name_slot *names_slot(const struct names *names, const char *name, uint32_t *hash)
	_nonnull_all_;

#endif
