/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/evidence.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/check.h"
#include "gc/gc.h"

/* Words noted for one suspect, and for all together. */
#define TALLY_MAX 200u
#define NOTES_PER_SUSPECT 8u
#define NOTES_LEAST 4096u
#define DEAD_ROOM 4096u
#define HEADERS_PAGE ((uintptr_t)4096)

#define IN_UNMARKED UINT32_MAX

/* A page has ten and more. */
static uint32_t headers_for(uint32_t suspects)
{
	return 1024 + suspects / 8;
}

static uint32_t notes_for(uint32_t suspects)
{
	return NOTES_LEAST + NOTES_PER_SUSPECT * suspects;
}

size_t evidence_bytes(uint32_t suspects)
{
	const size_t alignment = 64; /* of each piece */

	return 3 * (suspects + alignment) + suspects * sizeof(uintptr_t) + alignment +
	       2 * (suspects * sizeof(uint32_t) + alignment) +
	       2 * (notes_for(suspects) * sizeof(struct evidence_note) + alignment) +
	       headers_for(suspects) * sizeof(uintptr_t) + alignment +
	       DEAD_ROOM * sizeof(struct evidence_dead) + alignment;
}

int evidence_init(struct evidence *e, const struct suspects *suspects, evidence_owner_fn *owner,
		  struct scratch *shared)
{
	uint32_t room = notes_for(suspects->capacity);

	*e = (struct evidence){
		.suspects = suspects,
		.owner = owner,
		.kept = scratch_take(shared, suspects->capacity),
		.tally = scratch_take(shared, suspects->capacity),
		.place = scratch_take(shared, suspects->capacity * sizeof(uintptr_t)),
		.early = scratch_take(shared, room * sizeof(struct evidence_note)),
		.late = scratch_take(shared, room * sizeof(struct evidence_note)),
		.room = room,
		.headers = scratch_take(shared, headers_for(suspects->capacity) *
						sizeof(uintptr_t)),
		.first = scratch_take(shared, suspects->capacity * sizeof(uint32_t)),
		.todo = scratch_take(shared, suspects->capacity * sizeof(uint32_t)),
		.dead = scratch_take(shared, DEAD_ROOM * sizeof(struct evidence_dead)),
		.dead_room = DEAD_ROOM,
		.asleep = scratch_take(shared, suspects->capacity),
		.morning = true,
	};
	if (!e->asleep || !e->kept || !e->tally || !e->place || !e->early || !e->late ||
	    !e->headers)
		return -ENOMEM;
	return e->first && e->todo && e->dead ? 0 : -ENOMEM;
}

/* Something speaks for it: what it holds may count. */
static void wake(struct evidence *e, uint32_t index)
{
	if (!e->asleep[index])
		return;
	if (!e->morning) {
		e->overslept = true;
		return;
	}
	fo_assert(e->woken < e->suspects->count);
	e->asleep[index] = false;
	e->todo[e->woken++] = index;
}

static void keep(struct evidence *e, uint32_t index, enum evidence_place place)
{
	fo_assert(index < e->suspects->count && place != EVIDENCE_NONE);
	wake(e, index);
	if (!e->kept[index])
		e->kept[index] = (uint8_t)place;
}

/* False: no room, and the suspect is kept. */
static bool note(struct evidence *e, struct evidence_note *list, uint32_t *count,
		 struct evidence_note what)
{
	if (e->tally[what.index] >= TALLY_MAX || *count == e->room) {
		keep(e, what.index, EVIDENCE_FULL);
		return false;
	}
	fo_assert(*count < e->room);
	e->tally[what.index]++;
	list[(*count)++] = what;
	return true;
}

void evidence_early(struct evidence *e, uintptr_t at, uint32_t index)
{
	if (!e->kept[index])
		(void)note(e, e->early, &e->early_count, (struct evidence_note){ at, index, 0 });
}

void evidence_dead(struct evidence *e, uintptr_t start, uintptr_t end)
{
	if (start < end && e->dead_count < e->dead_room)
		e->dead[e->dead_count++] = (struct evidence_dead){ start, end };
}

static bool is_dead(const struct evidence *e, uintptr_t at)
{
	for (uint32_t i = 0; i < e->dead_count; i++)
		if (at >= e->dead[i].start && at < e->dead[i].end)
			return true;
	return false;
}

static void note_late(struct evidence *e, uintptr_t at, uint32_t index, uint32_t what)
{
	wake(e, index);
	(void)note(e, e->late, &e->late_count, (struct evidence_note){ at, index, what });
}

static void judge_in_region(struct evidence *e, uintptr_t region, uintptr_t at, uint32_t index)
{
	uint32_t holder = suspects_around(e->suspects, region);

	if (holder == UINT32_MAX)
		keep(e, index, EVIDENCE_REGION);
	else if (holder != index)
		note_late(e, at, index, holder);
}

/* Of neighbours there is one page in a row. */
static void look_for_header(struct evidence *e, const struct layout_entry *entry, uintptr_t at,
			    uintptr_t object)
{
	uintptr_t page = at - at % HEADERS_PAGE;

	if (entry->kind != LAYOUT_PRIVATE || !(entry->prot & PROT_READ) || gc_is_header(at) ||
	    e->headers_count == headers_for(e->suspects->capacity) ||
	    (e->headers_count && e->headers[e->headers_count - 1] == page))
		return;
	if (gc_header_is_of(at, object))
		e->headers[e->headers_count++] = page;
}

void evidence_judge(struct evidence *e, const struct layout_entry *entry, uintptr_t at,
		    uint32_t index)
{
	uintptr_t region, object;

	if (e->kept[index] || is_dead(e, at))
		return;
	if (e->suspects->list[index].number == EVIDENCE_HEADER) {
		look_for_header(e, entry, at, e->suspects->list[index].start);
		return;
	}
	region = e->owner(at);
	if (region) {
		judge_in_region(e, region, at, index);
		return;
	}
	switch (gc_holder(at, entry->start, &e->foreign, &object)) {
	case GC_HOLDER_VACANT:
		break;
	case GC_HOLDER_MARKED:
		keep(e, index, EVIDENCE_COLLECTOR);
		break;
	case GC_HOLDER_UNMARKED:
		note_late(e, object, index, IN_UNMARKED);
		break;
	case GC_HOLDER_FOREIGN:
		if (entry->kind == LAYOUT_PRIVATE && gc_is_header(at))
			break;
		keep(e, index, entry->kind == LAYOUT_SHARED ? EVIDENCE_SHARED : EVIDENCE_MEMORY);
		if (entry->kind == LAYOUT_PRIVATE || entry->kind == LAYOUT_FILE)
			e->place[index] = at;
		break;
	}
}

void evidence_register(struct evidence *e, uint32_t index)
{
	keep(e, index, EVIDENCE_REGISTER);
}

void evidence_sleep(struct evidence *e, uint32_t index)
{
	fo_assert(index < e->suspects->count && e->morning);
	e->asleep[index] = true;
	if (e->kept[index]) /* no room for its early words */
		wake(e, index);
}

void evidence_rouse(struct evidence *e, uint32_t index)
{
	wake(e, index);
}

bool evidence_wake(struct evidence *e, uint32_t *index)
{
	if (!e->woken)
		return false;
	*index = e->todo[--e->woken];
	return true;
}

void evidence_read(struct evidence *e)
{
	e->woken = 0;
	e->morning = false;
}

void evidence_spare(struct evidence *e, uint32_t index)
{
	keep(e, index, EVIDENCE_SPARED);
}

void evidence_judge_late(struct evidence *e)
{
	for (uint32_t i = 0; i < e->late_count; i++)
		if (e->late[i].what == IN_UNMARKED && gc_object_marked(e->late[i].at))
			keep(e, e->late[i].index, EVIDENCE_COLLECTOR);
}

#define NO_NOTE UINT32_MAX

/* Lists the words in suspects, by suspect; the link takes the place of the address. */
static void list_by_holder(struct evidence *e)
{
	for (uint32_t i = 0; i < e->suspects->count; i++)
		e->first[i] = NO_NOTE;
	for (uint32_t i = 0; i < e->late_count; i++) {
		struct evidence_note *note = &e->late[i];

		if (note->what == IN_UNMARKED)
			continue;
		fo_assert(note->what < e->suspects->count);
		note->at = e->first[note->what];
		e->first[note->what] = i;
	}
}

/* The suspects that words in this one point to; those that are newly kept are to do. */
static uint32_t keep_what_it_holds(struct evidence *e, uint32_t holder, uint32_t todo)
{
	for (uint32_t i = e->first[holder]; i != NO_NOTE; i = (uint32_t)e->late[i].at) {
		uint32_t index = e->late[i].index;

		if (e->kept[index])
			continue;
		keep(e, index, EVIDENCE_REGION);
		e->todo[todo++] = index;
	}
	return todo;
}

/* Each suspect is to do once at most, and each word looked at once. */
void evidence_close(struct evidence *e)
{
	uint32_t todo = 0;

	for (uint32_t i = 0; i < e->headers_count; i++)
		gc_headers_note(e->headers[i]);
	list_by_holder(e);
	for (uint32_t i = 0; i < e->suspects->count; i++)
		if (e->kept[i])
			e->todo[todo++] = i;
	while (todo) {
		fo_assert(todo <= e->suspects->count);
		todo--;
		todo = keep_what_it_holds(e, e->todo[todo], todo);
	}
	e->late_count = 0; /* their addresses are gone */
}

enum evidence_place evidence_of(const struct evidence *e, uint32_t index)
{
	fo_assert(index < e->suspects->count);
	return (enum evidence_place)e->kept[index];
}

uintptr_t evidence_witness(const struct evidence *e, uint32_t index)
{
	fo_assert(index < e->suspects->count);
	return e->kept[index] == EVIDENCE_MEMORY ? e->place[index] : 0;
}
