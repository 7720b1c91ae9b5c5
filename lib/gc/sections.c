/* SPDX-License-Identifier: BSD-2-Clause */
#include "gc/sections.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>

#ifndef GC_THREADS
#define GC_THREADS
#endif
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#include "base/attributes.h"
#include "os/peek.h"

#define PAGE ((uintptr_t)4096) /* of libgc's at least */
#define ADDRESSES_END ((uintptr_t)1 << 47)
#define SECTIONS_MOST ((size_t)8192)

struct section {
	uintptr_t start;
	size_t bytes;
};

/* Nearly all that libgc has of static data; some builds hide it. */
extern char GC_arrays[] __attribute__((weak));

/* What points to the list, among these; set once. */
static const uintptr_t *where;

static size_t heap_bytes(void)
{
	return GC_get_heap_size() + GC_get_unmapped_bytes();
}

static bool is_section(const struct section *section)
{
	return section->start && section->start % PAGE == 0 && section->bytes &&
	       section->bytes % PAGE == 0;
}

/* ------------------------------------------------------------------ looking for it */

/* Before it is known to be the list it may be anything, and anywhere. */
static bool is_list(uintptr_t at)
{
	struct section section;
	size_t sum = 0, heap = heap_bytes();

	if (at < PAGE || at >= ADDRESSES_END || at % sizeof(uintptr_t))
		return false;
	for (; sum < heap; at += sizeof(section), sum += section.bytes)
		if (peek_read(at, &section, sizeof(section)) != sizeof(section) ||
		    !is_section(&section))
			return false;
	return heap && sum == heap;
}

/* The lock is held, so that the heap does not grow meanwhile. */
static void *GC_CALLBACK look(void *arg)
{
	const ElfW(Sym) *symbol = arg;
	const uintptr_t *word = (const uintptr_t *)GC_arrays;
	const uintptr_t *end = word + symbol->st_size / sizeof(*word);
	const uintptr_t *found = NULL;
	uintptr_t before = 0;

	for (; word < end; word++) {
		/* There are rows of thousands that are alike. */
		if (*word == before)
			continue;
		before = *word;
		/* The tables begin with the size of the heap, twice. */
		if (before - (uintptr_t)GC_arrays < symbol->st_size || !is_list(before))
			continue;
		if (found)
			return NULL; /* it could be either */
		found = word;
	}
	where = found;
	return NULL;
}

void sections_find(void)
{
	ElfW(Sym) *symbol = NULL;
	Dl_info info;

	if (where || !GC_arrays)
		return;
	peek_open();
	if (dladdr1(GC_arrays, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol)
		GC_call_with_alloc_lock(look, symbol);
}

/* ------------------------------------------------------------------ asking */

bool sections_have(uintptr_t addr)
{
	const struct section *list = where ? (const struct section *)*where : NULL;
	size_t sum = 0, heap = heap_bytes();
	bool met = false;

	if (addr - (uintptr_t)list >= SECTIONS_MOST * sizeof(*list))
		return false;
	for (; sum < heap && is_section(list); list++) {
		sum += list->bytes;
		met |= addr == (uintptr_t)&list->start;
	}
	return met && sum == heap;
}

int sections_meet(uintptr_t start, uintptr_t end)
{
	const struct section *list = where ? (const struct section *)*where : NULL;
	size_t sum = 0, heap = heap_bytes();
	bool met = false;

	if (!list)
		return -ENOSYS;
	for (; sum < heap && is_section(list); list++) {
		sum += list->bytes;
		met |= list->start < end && start < list->start + list->bytes;
	}
	/* The heap grew meanwhile: not where the caller has memory. */
	return sum == heap ? met : -ENOSYS;
}
