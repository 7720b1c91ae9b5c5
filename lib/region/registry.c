/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/registry.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/stable.h"
#include "region/lock.h"

#define LEVEL_BITS 9
#define FANOUT (1u << LEVEL_BITS)
#define LEVELS 5
#define LEAF (LEVELS - 1)
#define ADDR_BITS 57
/* Both edges of a range may need a node on each level below the root. */
#define NODES_AT_MOST (2 * (LEVELS - 1))

_Static_assert(12 + LEVELS * LEVEL_BITS == ADDR_BITS, "levels cover the address");

/* An entry: the number, and in the two low bits what it numbers. */
enum tag { NOTHING = 0, NODE = 1, REGION = 2, REVOKED = 3 };
#define TAG_BITS 2
#define TAG_MASK 3u

struct node {
	_Atomic uint32_t entry[FANOUT];
	uint32_t used; /* entries that are not nothing; guarded by the region lock */
};

static struct stable nodes = STABLE_INIT(struct node, 8);
/* Never freed, and there from the start, so that a reader needs no test for it. */
static struct node root;

static enum tag tag_of(uint32_t entry)
{
	return (enum tag)(entry & TAG_MASK);
}

static uint32_t make_entry(uint32_t number, enum tag tag)
{
	return number << TAG_BITS | tag;
}

static struct node *node_of(uint32_t entry)
{
	return stable_at(&nodes, entry >> TAG_BITS);
}

static unsigned int shift_of(int level)
{
	return 12 + LEVEL_BITS * (unsigned int)(LEAF - level);
}

static unsigned int index_at(uintptr_t addr, int level)
{
	return (addr >> shift_of(level)) & (FANOUT - 1);
}

struct registry_found registry_find(uintptr_t addr)
{
	const struct node *node = &root;
	uint32_t entry = 0;

	if (addr >> ADDR_BITS)
		return (struct registry_found){ 0 };
	for (int level = 0; level < LEVELS; level++) {
		/* Pairs with the release in put(): who sees a node sees its entries. */
		entry = atomic_load_explicit(&node->entry[index_at(addr, level)],
					     memory_order_acquire);
		if (tag_of(entry) != NODE)
			break;
		node = node_of(entry);
	}
	/*
	 * A node on the last level: this reader was overtaken, and sits in a node used
	 * anew.
	 */
	if (tag_of(entry) < REGION)
		return (struct registry_found){ 0 };
	return (struct registry_found){ entry >> TAG_BITS, tag_of(entry) == REVOKED };
}

int registry_reserve(void)
{
	fo_assert(region_locked());
	return stable_reserve(&nodes, NODES_AT_MOST);
}

static void put(struct node *node, unsigned int index, uint32_t entry)
{
	uint32_t old = atomic_load_explicit(&node->entry[index], memory_order_relaxed);

	node->used += (entry != 0) - (old != 0);
	fo_assert(node->used <= FANOUT);
	atomic_store_explicit(&node->entry[index], entry, memory_order_release);
}

/* A node that says for each of its parts what one entry said for the whole. */
static uint32_t split(uint32_t entry)
{
	uint32_t number = stable_new(&nodes);
	struct node *node;

	fo_assert(number); /* registry_reserve() */
	node = stable_at(&nodes, number);
	for (unsigned int i = 0; i < FANOUT; i++)
		atomic_store_explicit(&node->entry[i], entry, memory_order_relaxed);
	node->used = entry ? FANOUT : 0;
	return make_entry(number, NODE);
}

static size_t fill(struct node *node, int level, uintptr_t start, uintptr_t end, uint32_t entry);

/*
 * The node below node->entry[index], made where there is none, filled; gone when empty.
 */
static size_t fill_below(struct node *node, unsigned int index, int level, uintptr_t start,
			 uintptr_t end, uint32_t entry)
{
	uint32_t old = atomic_load_explicit(&node->entry[index], memory_order_relaxed);
	size_t changed;

	if (tag_of(old) != NODE) {
		old = split(old);
		put(node, index, old);
	}
	changed = fill(node_of(old), level + 1, start, end, entry);
	if (node_of(old)->used == 0) {
		put(node, index, 0);
		stable_free(&nodes, old >> TAG_BITS);
	}
	return changed;
}

static size_t fill(struct node *node, int level, uintptr_t start, uintptr_t end, uint32_t entry)
{
	const uintptr_t step = (uintptr_t)1 << shift_of(level);
	size_t changed = 0;

	while (start < end) {
		unsigned int index = index_at(start, level);
		uintptr_t next = (start & ~(step - 1)) + step;
		uintptr_t until = next < end ? next : end;
		uint32_t old = atomic_load_explicit(&node->entry[index], memory_order_relaxed);
		bool whole = until - start == step;

		if (tag_of(old) == NODE || !whole) {
			changed += fill_below(node, index, level, start, until, entry);
		} else {
			if (tag_of(entry) == REVOKED && tag_of(old) != REVOKED)
				changed += step;
			put(node, index, entry);
		}
		start = until;
	}
	return changed;
}

size_t registry_set(uintptr_t start, uintptr_t end, struct registry_found what)
{
	uint32_t entry = 0;

	fo_assert(region_locked());
	fo_assert(start < end && end >> ADDR_BITS == 0);
	fo_assert((start | end) % REGISTRY_GRAIN == 0);
	fo_assert(what.region < 1u << (32 - TAG_BITS));
	if (what.region)
		entry = make_entry(what.region, what.revoked ? REVOKED : REGION);
	return fill(&root, 0, start, end, entry);
}

size_t registry_nodes(void)
{
	return nodes.end - 1 - nodes.free_count;
}
