/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Never may a page that was written count as unchanged, whatever a program does to its
 * memory.
 */
#include "watched.h"

#include <pthread.h>

#define LOAD_PAGES 512

/* What a reader that trusts the tracking would have seen. */
static char *seen, *load;

static int see(const struct pages_run *run, void *arg UNUSED)
{
	size_t offset = run->start - (uintptr_t)load;

	memcpy(seen + offset, (const void *)run->start, run->end - run->start);
	return 0;
}

#define RARE_PAGES 16384

static _Atomic bool writer_ended;

/* Each page but once: what is missed is not told by chance later. */
static void *write_once(void *arg UNUSED)
{
	write_pages(load, 0, RARE_PAGES);
	writer_ended = true;
	return NULL;
}

TEST(everything_written_while_others_write_is_told)
{
	const uintptr_t bytes = RARE_PAGES * page_size();
	pthread_t thread;
	bool last;

	seen = map(RARE_PAGES, ANON, -1);
	load = watched(RARE_PAGES);
	memcpy(seen, load, bytes);
	thread = thread_begin(write_once, NULL);
	do {
		last = writer_ended;
		assert_int_equal(tracking_written(&tracking, (uintptr_t)load,
						  (uintptr_t)load + bytes, !last, see,
						  NULL),
				 0);
	} while (!last);
	thread_end(thread);
	assert_memory_equal(seen, load, bytes);
}

static uint32_t load_seed;

static size_t any(size_t below)
{
	load_seed = load_seed * 1664525u + 1013904223u;
	return (load_seed >> 8) % below;
}

/* Whatever a program may do to its memory. */
static void change_mappings(void)
{
	const size_t count = 1 + any(12), first = any(LOAD_PAGES - count);
	const size_t other = any(LOAD_PAGES - count), bytes = count * page_size();
	char *at = page_of(load, first);

	switch (any(9)) {
	case 0:
		munmap(at, bytes);
		break;
	case 1:
		(void)!mmap(at, bytes, RW, ANON | MAP_FIXED, -1, 0);
		break;
	case 2:
		madvise(at, bytes, MADV_DONTNEED);
		break;
	case 3:
		mprotect(at, bytes, PROT_READ);
		mprotect(at, bytes, RW);
		break;
	case 4:
		if (other + count <= first || first + count <= other)
			(void)!mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				      page_of(load, other));
		break;
	default:
		for (size_t i = 0; i < count; i++) {
			unsigned char there;

			if (mincore(page_of(at, i), page_size(), &there) == 0)
				memset(page_of(at, i), (int)any(256), page_size());
		}
	}
}

static int see_any(const struct tracking_run *run, void *arg)
{
	return see(&run->pages, arg);
}

/*
 * Where a page was not told, what was seen of it before must be what is in it; or it was
 * given back, and holds nothing.
 */
static void assert_seen(void)
{
	for (size_t i = 0; i < LOAD_PAGES; i++) {
		const char *now = page_of(load, i);
		unsigned char there;

		if (mincore(page_of(load, i), page_size(), &there))
			continue; /* not mapped */
		if (memcmp(now, page_of(seen, i), page_size()) == 0)
			continue;
		for (size_t k = 0; k < page_size(); k++)
			if (now[k])
				fail_msg("page %zu was written and not told", i);
	}
}

TEST(whatever_happens_to_the_mappings_nothing_counts_as_unchanged_that_is_not)
{
	const uintptr_t bytes = LOAD_PAGES * page_size();

	seen = map(LOAD_PAGES, ANON, -1);
	for (int round = 0; round < 60; round++) {
		load = watched(LOAD_PAGES);
		load_seed = (uint32_t)round;
		memcpy(seen, load, bytes);
		for (int pass = 0; pass < 4; pass++) {
			for (int i = 0; i < 10; i++)
				change_mappings();
			(void)!tracking_written(&tracking, (uintptr_t)load,
						(uintptr_t)load + bytes, true, see, NULL);
		}
		assert_int_equal(tracking_scan(&tracking, (uintptr_t)load,
					       (uintptr_t)load + bytes, see_any, NULL),
				 0);
		assert_seen();
		munmap(load, bytes);
	}
}
