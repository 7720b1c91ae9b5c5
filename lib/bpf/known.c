// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/known.h"

#include <errno.h>
#include <foster/foster.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hidden.h"
#include "bpf/kernel_btf.h"
#include "bpf/reason.h"

struct known {
	struct known *next; /* of its bucket */
	hidden_addr base;
	struct known_map map; /* base and prot are not used */
	void *raw;	      /* BTF; NULL: not read yet */
	uint32_t *where;
	struct types types;
};

/*
 * Guards all of the table, and the types of its entries.  Nothing of ours nests in it;
 * foster_info(), which is called with it held, takes no lock.  fork waits for it.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *first_buckets[64];
static struct known **buckets = first_buckets;
static size_t bucket_count = 64; /* a power of two */
static size_t entries;
static bool fork_waits;

static void acquire(void)
{
	pthread_mutex_lock(&lock);
}

static void release(void)
{
	pthread_mutex_unlock(&lock);
}

/* Without memory for it the next entry tries again. */
static void wait_in_fork(void)
{
	if (!fork_waits)
		fork_waits = pthread_atfork(acquire, release, release) == 0;
}

/*
 * ----------------------------------------------------------------------------- entries
 */

struct known *known_new(const struct bpf_map_info *info)
{
	struct known *known = calloc(1, sizeof(*known));
	struct known_map *map;

	if (!known)
		return NULL;
	map = &known->map;
	map->map_id = info->id;
	map->map_type = info->type;
	map->value_size = info->value_size;
	map->btf_id = info->btf_id;
	map->value_type = info->btf_value_type_id;
	if (info->type == BPF_MAP_TYPE_ARRAY) {
		map->stride = (info->value_size + 7) & ~7u;
		map->count = info->max_entries;
	}
	memcpy(map->name, info->name, sizeof(map->name));
	_Static_assert(sizeof(map->name) == sizeof(info->name), "the kernel's names");
	return known;
}

void known_free(struct known *known)
{
	if (!known)
		return;
	free(known->raw);
	free(known->where);
	free(known);
}

/* Is the region there yet?  A closed one is, until its addresses go. */
static bool is_there(const struct known *known)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info((const void *)reveal(known->base), &info) == 0 &&
	       info.id == known->map.region;
}

/*
 * ------------------------------------------------------------------------------- table
 */

static struct known **bucket_of(uint64_t region)
{
	return &buckets[region & (bucket_count - 1)];
}

static void put(struct known *known)
{
	struct known **bucket = bucket_of(known->map.region);

	known->next = *bucket;
	*bucket = known;
	entries++;
}

static void drop_gone(struct known **link)
{
	while (*link) {
		struct known *known = *link;

		if (is_there(known)) {
			link = &known->next;
			continue;
		}
		*link = known->next;
		entries--;
		known_free(known);
	}
}

/* Without memory the chains become longer. */
static void grow(void)
{
	const size_t old_count = bucket_count;
	struct known **old = buckets, **fresh = calloc(old_count * 2, sizeof(*fresh));

	if (!fresh)
		return;
	buckets = fresh;
	bucket_count = old_count * 2;
	entries = 0;
	for (size_t i = 0; i < old_count; i++) {
		for (struct known *next, *known = old[i]; known; known = next) {
			next = known->next;
			put(known);
		}
	}
	if (old != first_buckets)
		free(old);
}

/* As many steps as entries were added since the last time, or as many as live. */
static void make_room(void)
{
	if (entries < bucket_count)
		return;
	for (size_t i = 0; i < bucket_count; i++)
		drop_gone(&buckets[i]);
	if (entries > bucket_count / 2)
		grow();
}

void known_add(struct known *known, const void *base)
{
	struct foster_info info = FOSTER_INFO_INIT;

	if (foster_info(base, &info) < 0) { /* closed by another thread already */
		known_free(known);
		return;
	}
	known->base = hide((uintptr_t)base);
	known->map.region = info.id;
	acquire();
	wait_in_fork();
	make_room();
	put(known);
	release();
}

static struct known *find(uint64_t region)
{
	struct known *known = *bucket_of(region);

	while (known && known->map.region != region)
		known = known->next;
	return known;
}

int known_find(const void *p, struct known_map *map)
{
	struct foster_info info = FOSTER_INFO_INIT;
	const struct known *known = NULL;

	if (foster_info(p, &info) == 0) {
		acquire();
		known = find(info.id);
		if (known)
			*map = known->map;
		release();
	}
	if (!known)
		return reason_set(ENOENT, "%p is not in the memory of a BPF map", p);
	if (info.state == FOSTER_REVOKED)
		return reason_set(ESTALE, "the memory of map \"%s\" was closed",
				  map->name);
	map->base = info.base;
	map->prot = info.prot;
	return 0;
}

/*
 * ------------------------------------------------------------------------------- types
 */

static int read_types(struct known *fresh)
{
	uint32_t bytes;
	int r = kernel_btf(fresh->map.btf_id, fresh->map.name, &fresh->raw, &bytes);

	if (r == 0)
		r = types_open(fresh->raw, bytes, &fresh->types);
	if (r < 0)
		return r;
	fresh->where = malloc(fresh->types.count * sizeof(*fresh->where));
	if (!fresh->where)
		return reason_set(ENOMEM, "no memory for the types of map \"%s\"",
				  fresh->map.name);
	types_index(&fresh->types, fresh->where);
	return 0;
}

/*
 * Gives the entry the types, unless another thread did meanwhile; what is not used stays.
 */
static void install(struct known *known, struct known *fresh)
{
	if (known->raw)
		return;
	known->raw = fresh->raw;
	known->where = fresh->where;
	known->types = fresh->types;
	fresh->raw = NULL;
	fresh->where = NULL;
}

/* The kernel is asked with no lock held. */
static int load_types(const struct known_map *map)
{
	struct known *known, *fresh = calloc(1, sizeof(*fresh));
	int r;

	if (!fresh)
		return reason_set(ENOMEM, "no memory for the types of map \"%s\"",
				  map->name);
	fresh->map = *map;
	fresh->map.base = NULL; /* freed memory that is not used again is read, too */
	r = read_types(fresh);
	if (r == 0) {
		acquire();
		known = find(map->region);
		fo_assert(known);
		if (known)
			install(known, fresh);
		release();
	}
	known_free(fresh);
	return r;
}

static bool have_types(const struct known_map *map, struct types *types)
{
	const struct known *known;

	acquire();
	known = find(map->region);
	if (known)
		*types = known->types;
	release();
	return known && types->where;
}

int known_types(const struct known_map *map, struct types *types)
{
	if (!have_types(map, types)) {
		int r = load_types(map);

		if (r < 0)
			return r;
		if (!have_types(map, types))
			return reason_set(ESTALE, "the memory of map \"%s\" was closed",
					  map->name);
	}
	types_ask(types);
	return 0;
}
