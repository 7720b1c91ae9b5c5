// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/names.h"

#include <string.h>
#include <sys/auxv.h>

#include "base/check.h"

uint32_t names_slots(uint32_t count)
{
	uint32_t slots = 4;

	fo_assert(count <= UINT32_MAX / 4);
	while (slots / 4 * 3 < count)
		slots *= 2;
	return slots;
}

/* The kernel gives each process random bytes. */
uint64_t names_secret(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint64_t secret = 0;

	if (random)
		memcpy(&secret, random, sizeof(secret));
	return secret;
}

static uint64_t stir(uint64_t hash, const char *letters, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, letters, len);
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint32_t hash_of(uint64_t secret, const char *name)
{
	size_t len = strlen(name);
	uint64_t hash = stir(secret, (const char *)&len, sizeof(len));

	for (; len > 8; name += 8, len -= 8)
		hash = stir(hash, name, 8);
	return (uint32_t)stir(hash, name, len);
}

struct name_slot *names_slot(const struct names *names, const char *name, uint32_t *hash)
{
	fo_assert((names->slot_count & (names->slot_count - 1)) == 0);
	*hash = hash_of(names->secret, name);
	for (uint32_t i = *hash;; i++) {
		struct name_slot *slot = &names->slots[i & (names->slot_count - 1)];

		if (!slot->number)
			return slot;
		if (slot->hash == *hash &&
		    strcmp(names->name_of(names->owner, slot->number - 1), name) == 0)
			return slot;
	}
}
