/* SPDX-License-Identifier: BSD-2-Clause */
#include "region/registry.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/stable.h"
#include "os/ledger.h"
#include "region/lock.h"

#define ADDR_BITS 57
#define LEVEL_BITS 9
#define FANOUT (1u << LEVEL_BITS)
#define GRANULE_BITS 3
#define GRANULE_BYTES (1u << GRANULE_BITS)
/* A level is named by its lowest bit, so by what an entry of it covers. */
#define ROOT (ADDR_BITS - LEVEL_BITS)
#define LAST GRANULE_BITS /* of nodes; below it only granules */
#define BYTE 0
/* Both edges of a range may need a node on each level below the root, and a granule. */
#define NODES_AT_MOST (2 * (ROOT - LAST) / LEVEL_BITS)
#define GRANULES_AT_MOST 2

_Static_assert((ROOT - LAST) % LEVEL_BITS == 0, "levels cover the address");
_Static_assert(REGISTRY_PAGE == 1u << (LAST + LEVEL_BITS), "a page is an entry");

/*
 * An entry: the number, and in the two low bits what it numbers.  No granule has the
 * number 0, so that what is nothing at all is nothing.
 */
enum tag { GRANULE = 0, NODE = 1, REGION = 2, REVOKED = 3 };
#define TAG_BITS 2
#define TAG_MASK 3u

/* A node, or a granule: the same, with fewer entries. */
struct node {
	uint32_t used; /* entries that are not nothing; guarded by the region lock */
	_Atomic uint32_t entry[];
};
#define BYTES_OF_NODE(entries) (sizeof(struct node) + (entries) * sizeof(uint32_t))

static struct stable nodes = STABLE_INIT(BYTES_OF_NODE(FANOUT), 8, ledger_take);
static struct stable granules = STABLE_INIT(BYTES_OF_NODE(GRANULE_BYTES), 10, ledger_take);
/* Never freed, and there from the start, so that a reader needs no test for it. */
static struct node root = { .entry = { [FANOUT - 1] = 0 } };

/* -------------------------------------------------------------------------- entries */

static enum tag tag_of(uint32_t entry)
{
	return (enum tag)(entry & TAG_MASK);
}

static uint32_t make_entry(uint32_t number, enum tag tag)
{
	return number << TAG_BITS | tag;
}

/* Is there something smaller below it, a node or a granule? */
static bool is_split(uint32_t entry)
{
	return entry && tag_of(entry) < REGION;
}

static struct node *node_of(uint32_t entry)
{
	return stable_at(&nodes, entry >> TAG_BITS);
}

static struct node *granule_of(uint32_t entry)
{
	return stable_at(&granules, entry >> TAG_BITS);
}

/* -------------------------------------------------------------------------- readers */

/* Within a granule, or nothing. */
static uint32_t find_byte(uint32_t entry, uintptr_t addr)
{
	/*
	 * A node on the last level: this reader was overtaken, and sits in a node used
	 * anew.  A granule on another is the same, and what is there another region.
	 */
	if (!entry || tag_of(entry) == NODE)
		return 0;
	/* Acquire: as below. */
	return atomic_load_explicit(&granule_of(entry)->entry[addr % GRANULE_BYTES],
				    memory_order_acquire);
}

/* The entry for an address on that level, or on the level above where there is no node below. */
static uint32_t find_down_to(int lowest, uintptr_t addr)
{
	const struct node *node = &root;
	uint32_t entry = 0;

	for (int level = ROOT; level >= lowest; level -= LEVEL_BITS) {
		/* Pairs with the release in put(): who sees a node sees its entries. */
		entry = atomic_load_explicit(&node->entry[(addr >> level) % FANOUT],
					     memory_order_acquire);
		if (tag_of(entry) != NODE)
			break;
		node = node_of(entry);
	}
	return entry;
}

bool registry_has_page(uintptr_t addr)
{
	return !(addr >> ADDR_BITS) && find_down_to(LAST + LEVEL_BITS, addr);
}

struct registry_found registry_find(uintptr_t addr)
{
	uint32_t entry;

	if (addr >> ADDR_BITS)
		return (struct registry_found){ 0 };
	entry = find_down_to(LAST, addr);
	if (tag_of(entry) < REGION)
		entry = find_byte(entry, addr);
	return (struct registry_found){ entry >> TAG_BITS, tag_of(entry) == REVOKED };
}

/* ----------------------------------------------------------------------- nodes come */

int registry_reserve(void)
{
	fo_assert(region_locked());
	if (stable_reserve(&nodes, NODES_AT_MOST))
		return -ENOMEM;
	return stable_reserve(&granules, GRANULES_AT_MOST);
}

static struct node *below(uint32_t entry)
{
	fo_assert(is_split(entry));
	return tag_of(entry) == NODE ? node_of(entry) : granule_of(entry);
}

static unsigned int level_below(unsigned int level)
{
	return level == LAST ? BYTE : level - LEVEL_BITS;
}

static unsigned int fanout_of(unsigned int level)
{
	return level == BYTE ? GRANULE_BYTES : FANOUT;
}

static unsigned int index_at(uintptr_t addr, unsigned int level)
{
	return (unsigned int)(addr >> level) & (fanout_of(level) - 1);
}

/* The region lock is held, so there is nothing to pair with. */
static uint32_t get(const struct node *node, unsigned int index)
{
	return atomic_load_explicit(&node->entry[index], memory_order_relaxed);
}

static void put(struct node *node, unsigned int index, uint32_t entry)
{
	node->used += entry != 0;
	node->used -= get(node, index) != 0;
	fo_assert(node->used <= FANOUT);
	atomic_store_explicit(&node->entry[index], entry, memory_order_release);
}

static bool is_empty(const struct node *node, unsigned int level)
{
	for (unsigned int i = 0; i < fanout_of(level); i++)
		if (get(node, i))
			return false;
	return node->used == 0;
}

/* One of this level that says for each of its parts what one entry said for the whole. */
static uint32_t split(uint32_t entry, unsigned int level)
{
	struct stable *from = level == BYTE ? &granules : &nodes;
	struct node *node;
	uint32_t made;

	fo_assert(from->free_count); /* registry_reserve() */
	made = make_entry(stable_new(from), level == BYTE ? GRANULE : NODE);
	node = below(made);
	/* New, or left when all was nothing: only something has to be written. */
	fo_assert_full(is_empty(node, level));
	if (entry) {
		for (unsigned int i = 0; i < fanout_of(level); i++)
			atomic_store_explicit(&node->entry[i], entry,
					      memory_order_relaxed);
		node->used = fanout_of(level);
	}
	return made;
}

static void discard(uint32_t entry)
{
	stable_free(tag_of(entry) == NODE ? &nodes : &granules, entry >> TAG_BITS);
}

/* -------------------------------------------------------------------------- filling */

static size_t fill(struct node *node, unsigned int level, uintptr_t start, uintptr_t end,
		   uint32_t entry);

/* What is below node->entry[index], made where there is none, filled; gone when empty. */
static size_t fill_below(struct node *node, unsigned int index, unsigned int level,
			 uintptr_t start, uintptr_t end, uint32_t entry)
{
	uint32_t old = get(node, index);
	struct node *child;
	size_t changed;

	if (!is_split(old)) {
		old = split(old, level);
		put(node, index, old);
	}
	child = below(old);
	changed = fill(child, level, start, end, entry);
	if (child->used == 0) {
		put(node, index, 0);
		discard(old);
	}
	return changed;
}

static size_t fill(struct node *node, unsigned int level, uintptr_t start, uintptr_t end,
		   uint32_t entry)
{
	const uintptr_t step = (uintptr_t)1 << level;
	size_t changed = 0;

	while (start < end) {
		unsigned int index = index_at(start, level);
		uintptr_t next = (start & ~(step - 1)) + step;
		uintptr_t until = next < end ? next : end;
		uint32_t old = get(node, index);
		bool whole = until - start == step;

		if (!whole || is_split(old)) {
			changed += fill_below(node, index, level_below(level), start,
					      until, entry);
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
	fo_assert(start < end && (end - 1) >> ADDR_BITS == 0);
	fo_assert(!what.revoked || (start | end) % REGISTRY_PAGE == 0);
	fo_assert(what.region < 1u << (32 - TAG_BITS));
	if (what.region)
		entry = make_entry(what.region, what.revoked ? REVOKED : REGION);
	return fill(&root, ROOT, start, end, entry);
}

/* -------------------------------------------------------------------------- looking */

/*
 * Moves *addr over nothing.  What stands in the tree is not empty: a node or granule
 * that lies within the range as a whole ends the search.
 */
static uint32_t next_in(const struct node *node, unsigned int level, uintptr_t *addr,
			uintptr_t end)
{
	unsigned int index = index_at(*addr, level);
	uint32_t number = 0;

	for (; index < fanout_of(level) && *addr < end && !number; index++) {
		uint32_t entry = get(node, index);

		if (is_split(entry))
			number = next_in(below(entry), level_below(level), addr, end);
		else if (entry)
			number = entry >> TAG_BITS;
		else
			*addr = (*addr | (((uintptr_t)1 << level) - 1)) + 1;
	}
	return number;
}

uint32_t registry_next(uintptr_t *addr, uintptr_t end)
{
	uintptr_t at = *addr;
	uint32_t number;

	fo_assert(region_locked());
	fo_assert(at <= end && end <= (uintptr_t)1 << ADDR_BITS);
	number = next_in(&root, ROOT, &at, end);
	if (number)
		*addr = at;
	return number;
}

bool registry_overlaps(uintptr_t start, uintptr_t end)
{
	return registry_next(&start, end) != 0;
}

static size_t in_use(const struct stable *s)
{
	return s->end - 1 - s->free_count;
}

size_t registry_nodes(void)
{
	return in_use(&nodes) + in_use(&granules);
}
