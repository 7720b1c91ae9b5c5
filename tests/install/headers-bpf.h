/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses every initialiser and macro of foster/bpf.h, in C11 and in C++17. */
#include <assert.h>

#include <foster/bpf.h>

struct headers_slot {
	uint64_t hits;
	uint32_t low : 3;
	uint32_t bytes[4];
};

#define SLOT FOSTER_STRUCT(struct headers_slot, hits, FOSTER_BITS(low), bytes, bytes[3])

size_t headers_bpf(int map);

size_t headers_bpf(int map)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;
	struct foster_datasec_info section = FOSTER_DATASEC_INFO_INIT;
	struct foster_variable variable = FOSTER_VARIABLE_INIT;
	const struct foster_type *type = FOSTER_TYPE(const uint64_t);
	struct foster_datasec *ds = foster_datasec(map);
	void *memory = foster_bpf_map(map);
	struct headers_slot *slot = FOSTER_VAR(ds, SLOT, slot);
	struct headers_slot *slots = FOSTER_ARRAY(ds, SLOT, slots, NULL);
	struct headers_slot *element = FOSTER_ELEM(memory, SLOT, 3);
	const uint32_t *word = FOSTER_AT(memory, const uint32_t, 8);
	uint32_t(*grid)[2][3] = FOSTER_VAR(ds, uint32_t[2][3], grid);

	/* A macro may repeat its argument. */
	assert(FOSTER_VAR(ds, SLOT, slot) && FOSTER_ARRAY(ds, int, row, NULL));
	return (slot && slots && element && word && grid) + type->size + info.size +
	       section.size + variable.size;
}
