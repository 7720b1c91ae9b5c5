// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/object.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <foster/bpf.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hidden.h"
#include "base/result.h"
#include "bpf/arena.h"
#include "bpf/map.h"
#include "bpf/reason.h"
#include "source/private.h"

/* -------------------------------------------------------------------- libbpf's mappings */

static bool is_arena(const struct bpf_map *map)
{
	return (unsigned int)bpf_map__type(map) == MAP_TYPE_ARENA;
}

static void *mapped_by_libbpf(const struct bpf_map *map)
{
	size_t bytes;

	return (void *)bpf_map__initial_value((struct bpf_map *)map, &bytes);
}

void *object_arena(const struct bpf_map *map)
{
	return is_arena(map) ? mapped_by_libbpf(map) : NULL;
}

/*
 * Bytes to adopt. Mappings of strangers abut, and whoever keeps the address of the next
 * one would keep this: so the address behind the last page is left out, which otherwise
 * counts as a pointer to the end.
 */
static size_t bytes_of(const struct bpf_map *map)
{
	return bpf_map__max_entries(map) * (size_t)sysconf(_SC_PAGESIZE) - 1;
}

/* What is left of it goes with the object. */
static void leave(void *addr, size_t len, void *arg)
{
	(void)addr;
	(void)len;
	(void)arg;
}

static bool is_adopted(const void *p)
{
	struct foster_info info = FOSTER_INFO_INIT;

	return foster_info(p, &info) == 0 && info.base == p;
}

static int adopt_failed(const struct bpf_map *map, int r)
{
	return reason_set(-r, "arena \"%s\" cannot be adopted: %m", bpf_map__name(map));
}

int object_adopt(const struct bpf_map *map, void *arena)
{
	int r = foster_private_adopt(arena, bytes_of(map), leave, NULL,
				     FOSTER_SOURCE_BPF_MAP);

	return r == 0 || (r == -EEXIST && is_adopted(arena)) ? 0 : adopt_failed(map, r);
}

/*
 * Of a data section what libbpf has mapped; it will be unmapped as it is. Best effort: a
 * pointer in it to an arena keeps the arena, until the object is closed otherwise.
 */
static void take_away(const struct bpf_map *map)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t bytes = bpf_map__value_size(map);
	void *mapped = bpf_map__is_internal(map) ? mapped_by_libbpf(map) : NULL;

	if (mapped)
		foster_private_forbid(mapped, (bytes + page - 1) / page * page);
}

/* ------------------------------------------------------------------- words of libbpf's */

/*
 * libbpf's struct is not public. It has been at least so long, and has had its pointers
 * to the memory and to the place of an arena in this part, since there are skeletons.
 */
#define MAP_BYTES 160

/*
 * From the first to the last that are the address; those between are libbpf's own. Without
 * the last byte: behind it another map may begin.
 */
struct words {
	uintptr_t *first;
	size_t bytes;
};

static struct words words_of(const struct bpf_map *map, const void *arena)
{
	uintptr_t *word = (uintptr_t *)map;
	struct words words = { NULL, 0 };

	for (size_t i = 0; i < MAP_BYTES / sizeof(*word); i++) {
		if (word[i] != (uintptr_t)arena)
			continue;
		if (!words.first)
			words.first = &word[i];
		words.bytes = (size_t)(&word[i + 1] - words.first) * sizeof(*word) - 1;
	}
	return words;
}

/*
 * An arena that foster mapped itself does not need the object. Where libbpf was told its
 * place, the word would be left in free memory, and keep it.
 */
static void forget_place(const struct bpf_map *map)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;
	const void *place = (const void *)(uintptr_t)bpf_map__map_extra(map);
	struct words words;

	if (!is_arena(map) || !place || foster_bpf_map_info(place, &info) < 0)
		return;
	words = words_of(map, place);
	for (size_t i = 0; i < (words.bytes + 1) / sizeof(*words.first); i++)
		if (words.first[i] == (uintptr_t)place)
			words.first[i] = 0;
}

static void close_now(struct bpf_object *object)
{
	for (struct bpf_map *map = NULL; (map = bpf_object__next_map(object, map));)
		forget_place(map);
	bpf_object__close(object);
}

/* ----------------------------------------------------------------------------- closing */

/* An object that is to be closed, and the arenas that it waits for. */
struct closing {
	struct closing *next;
	struct bpf_object *object;
	size_t waits; /* for so many of these */
	size_t count;
	hidden_addr arena[];
};

/* Guards the list and what is in it. Nothing nests in it. fork waits for it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct closing *closings;
static bool fork_waits;

static void acquire(void)
{
	pthread_mutex_lock(&lock);
}

static void release(void)
{
	pthread_mutex_unlock(&lock);
}

static bool waits_for(struct closing *c, uintptr_t memory)
{
	for (size_t i = 0; i < c->count; i++)
		if (reveal(c->arena[i]) == memory) {
			c->arena[i] = hide(0);
			c->waits--;
			return true;
		}
	return false;
}

/* The closing for which that was the last, out of the list; NULL: none. */
static struct closing *ended(uintptr_t memory)
{
	struct closing **link = &closings, *c;

	while ((c = *link) && !waits_for(c, memory))
		link = &c->next;
	if (!c || c->waits)
		return NULL;
	*link = c->next;
	return c;
}

/*
 * Nobody points to memory of libbpf any more. It is not ours to unmap: that comes with
 * the end of the object.
 */
static void arena_released(void *addr, size_t len, void *arg)
{
	struct closing *c;

	(void)len;
	(void)arg;
	acquire();
	c = ended((uintptr_t)addr);
	release();
	if (!c)
		return;
	close_now(c->object);
	free(c);
}

static size_t count_maps(const struct bpf_object *object)
{
	size_t count = 0;

	for (struct bpf_map *map = NULL; (map = bpf_object__next_map(object, map));)
		count++;
	return count;
}

/*
 * What was adopted for foster_arena() is adopted anew, with words of libbpf's that it
 * keeps.
 */
static int adopt_with_words(const struct bpf_map *map, void *arena,
			    const struct words *words)
{
	int r = foster_private_adopt(words->first, words->bytes, leave, NULL,
				     FOSTER_SOURCE_BPF_MAP);

	if (r < 0)
		return adopt_failed(map, r);
	if (is_adopted(arena))
		(void)foster_disown(arena);
	r = foster_private_adopt(arena, bytes_of(map), arena_released, words->first,
				 FOSTER_SOURCE_BPF_MAP);
	if (r == 0)
		return 0;
	(void)foster_disown(words->first);
	return adopt_failed(map, r);
}

static int introduce(const struct bpf_map *map, void *arena)
{
	struct bpf_map_info info;
	int r = map_describe(bpf_map__fd(map), &info);

	return r < 0 ? r : arena_introduce(&info, arena);
}

/* It is pinned until the list has it, or until it is plain that it will not. */
static int adopt_one(struct closing *c, const struct bpf_map *map)
{
	void *arena = object_arena(map);
	struct words words;
	int r;

	if (!arena)
		return 0;
	words = words_of(map, arena);
	if (!words.first)
		return reason_set(ENOTSUP,
				  "libbpf has its pointer to arena \"%s\" elsewhere",
				  bpf_map__name(map));
	r = adopt_with_words(map, arena, &words);
	if (r < 0)
		return r;
	(void)foster_pin(arena);
	c->arena[c->count++] = hide((uintptr_t)arena);
	return introduce(map, arena);
}

static int adopt_all(struct closing *c)
{
	int r = 0;

	for (struct bpf_map *map = NULL; (map = bpf_object__next_map(c->object, map));)
		if (r == 0)
			r = adopt_one(c, map);
	c->waits = c->count;
	return r;
}

/* The object is still the caller's, who may close it at any time. */
static void let_go_all(const struct closing *c)
{
	for (struct bpf_map *map = NULL; (map = bpf_object__next_map(c->object, map));) {
		void *arena = object_arena(map);
		struct words words = { NULL, 0 };

		if (arena)
			words = words_of(map, arena);
		if (words.first && is_adopted(words.first))
			(void)foster_disown(words.first);
	}
}

static void unpin_all(const hidden_addr *arena, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)foster_unpin((const void *)reveal(arena[i]));
}

static void enlist(struct closing *c)
{
	acquire();
	if (!fork_waits)
		fork_waits = pthread_atfork(acquire, release, release) == 0;
	c->next = closings;
	closings = c;
	release();
}

/*
 * Once they are not pinned any more the object may be closed by the reaper: what is
 * needed of the closing is copied before.
 */
static int close_later(struct closing *c, hidden_addr *memory)
{
	const size_t count = c->count;

	for (struct bpf_map *map = NULL; (map = bpf_object__next_map(c->object, map));)
		take_away(map);
	for (size_t i = 0; i < count; i++)
		memory[i] = c->arena[i];
	enlist(c);
	unpin_all(memory, count);
	return 1;
}

static int begin(struct closing *c, hidden_addr *memory)
{
	int r = adopt_all(c);

	if (r == 0 && c->count)
		return close_later(c, memory);
	if (r < 0)
		let_go_all(c);
	unpin_all(c->arena, c->count);
	if (r == 0)
		close_now(c->object);
	free(c);
	return r;
}

static int close_object(struct bpf_object *object)
{
	const size_t count = count_maps(object);
	struct closing *c = calloc(1, sizeof(*c) + count * sizeof(c->arena[0]));
	hidden_addr *memory = calloc(count + 1, sizeof(*memory));
	int r;

	if (!c || !memory) {
		free(c);
		free(memory);
		return reason_set(ENOMEM, "no memory to close object \"%s\" with",
				  bpf_object__name(object));
	}
	c->object = object;
	r = begin(c, memory);
	free(memory);
	return r;
}

FOSTER_EXPORT int foster_bpf_object_close(struct bpf_object *object)
{
	return object ? result(close_object(object)) : 0;
}
