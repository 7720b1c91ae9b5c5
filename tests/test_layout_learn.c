/* SPDX-License-Identifier: BSD-2-Clause */
/* What is learned from the kernel's long list, remembered, and checked in a snapshot. */
#include "support.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "layout_look.h"

/* ------------------------------------------------------------------ memory */

static void *map_file_at(void *at, int fd, int prot)
{
	int flags = MAP_SHARED | (at ? MAP_FIXED : 0);
	void *p = mmap(at, page_size(), prot, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static int reopened(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags);
	assert_true(fd >= 0);
	return fd;
}

TEST(another_file_in_its_place_is_not_taken_for_the_one_before)
{
	int one = reopened(pattern_memfd(page_size(), 0), O_RDONLY);
	void *p = map_file_at(NULL, one, PROT_READ);

	learn();
	assert_int_equal(kind_at(p), LAYOUT_CONST);
	map_file_at(p, pattern_memfd(page_size(), 0), PROT_READ);
	assert_int_equal(kind_at(p), LAYOUT_UNKNOWN);
	learn();
	assert_int_equal(kind_at(p), LAYOUT_SHARED);
}

TEST(what_was_once_seen_writable_is_constant_no_more)
{
	int file = pattern_memfd(page_size(), 0);
	void *p = map_file_at(NULL, reopened(file, O_RDONLY), PROT_READ);

	learn();
	assert_int_equal(kind_at(p), LAYOUT_CONST);
	map_file_at(p, file, LOOK_RW);
	assert_int_equal(kind_at(p), LAYOUT_SHARED);
	assert_int_equal(mprotect(p, page_size(), PROT_READ), 0);
	assert_int_equal(kind_at(p), LAYOUT_SHARED);
}

TEST(what_is_gone_is_forgotten)
{
	int file = reopened(pattern_memfd(page_size(), 0), O_RDONLY);
	void *p = map_file_at(NULL, file, PROT_READ);

	learn();
	assert_int_equal(munmap(p, page_size()), 0);
	learn_all();
	map_file_at(p, file, PROT_READ);
	assert_int_equal(kind_at(p), LAYOUT_UNKNOWN);
}

/* Counts the words that are the address, at each multiple of 4 bytes. */
static size_t count_words(uintptr_t start, uintptr_t end, struct hidden address)
{
	size_t n = 0;

	for (; start + sizeof(uintptr_t) <= end; start += 4) {
		uintptr_t word;

		memcpy(&word, (const void *)start, sizeof(word));
		n += word == ~address.complement;
	}
	return n;
}

TEST(what_is_remembered_is_no_evidence)
{
	struct hidden address =
		hidden_of(map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1));
	struct scratch before_scratch = look_scratch(), s = look_scratch();
	struct layout before = list_of(&before_scratch, &s), after;
	size_t tables = 0;

	learn_all();
	after = list_of(&s, &before_scratch);
	for (size_t i = 0; i < after.count; i++) {
		const struct layout_entry *e = &after.entry[i];

		if (e->kind != LAYOUT_PRIVATE || layout_at(&before, e->start))
			continue;
		tables++;
		assert_int_equal(count_words(e->start, e->end, address), 0);
	}
	assert_int_equal(tables, 1);
}

#define TABLE_BYTES ((size_t)63 << 16) /* as smaps.c has it */

static char *map_block(void)
{
	return map_with(TABLE_BYTES / page_size(), LOOK_RW, MAP_PRIVATE | MAP_ANONYMOUS,
			-1);
}

/* Else the neighbour would look as if it were another one than the one that was read. */
TEST(what_is_remembered_merges_with_no_neighbour)
{
	char *blocks[64];
	struct scratch s = look_scratch(); /* or it would take what is free below */

	for (size_t i = 0; i < COUNT_OF(blocks); i++)
		blocks[i] = map_block();
	for (size_t i = 60; i < 63; i++) /* by now all gaps above are filled */
		assert_ptr_equal(blocks[i], blocks[i + 1] + TABLE_BYTES);
	munmap(blocks[61], TABLE_BYTES);
	assert_int_equal(layout_learn_all(&s), 0);
	scratch_close(&s);
	assert_true(entry_at(blocks[61]).start == (uintptr_t)blocks[61]);
	assert_true(entry_at(blocks[61]).end == (uintptr_t)blocks[60]);
	assert_false(entry_at(blocks[60]).odd_in_snapshot);
	assert_false(entry_at(blocks[62]).odd_in_snapshot);
}

/* ------------------------------------------------------------------ refused */

TEST(without_the_long_list_read_only_shared_memory_is_read)
{
	void *p = map_with(1, PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0));
	struct scratch s = look_scratch();

	lay_over("smaps", "/dev/null", false);
	assert_int_equal(kind_at(p), LAYOUT_UNKNOWN);
	learn();
	assert_int_equal(kind_at(p), LAYOUT_SHARED);
	assert_true(entry_at(&p).odd_in_snapshot);
	assert_true(layout_learn_all(&s) < 0);
}

/* ------------------------------------------------------------------ snapshots */

static int checked_in_copy(const struct layout *l, struct scratch *s)
{
	int status, pid = fork();

	if (pid == 0)
		_exit(-layout_is_copied(l, s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

TEST(a_copy_has_what_was_not_advised_otherwise)
{
	struct scratch s = look_scratch();
	struct layout l;

	map_many();
	assert_int_equal(layout_learn_all(&s), 0);
	l = list_of(&s, NULL);
	assert_int_equal(checked_in_copy(&l, &s), 0);
}

static void assert_seen(int advice)
{
	size_t page = page_size();
	char *early = map_private(3), *late = map_private(3);
	struct scratch s = look_scratch();
	struct layout l;

	assert_int_equal(madvise(early + page, page, advice), 0);
	assert_int_equal(layout_learn_all(&s), 0);
	l = list_of(&s, NULL);
	assert_true(layout_at(&l, (uintptr_t)early + page)->odd_in_snapshot);
	assert_false(layout_at(&l, (uintptr_t)early)->odd_in_snapshot);
	assert_false(layout_at(&l, (uintptr_t)late)->odd_in_snapshot);
	assert_int_equal(checked_in_copy(&l, &s), 0);
	assert_int_equal(madvise(late + page, page, advice), 0);
	assert_int_equal(checked_in_copy(&l, &s), -ESTALE);
}

TEST(memory_that_a_copy_lacks_is_seen_before_or_in_the_copy)
{
	assert_seen(MADV_DONTFORK);
}

TEST(memory_that_a_copy_has_emptied_is_seen_before_or_in_the_copy)
{
	assert_seen(MADV_WIPEONFORK);
}

TEST(memory_that_has_but_grown_is_in_a_copy_a_part_of_it_perhaps_not)
{
	size_t page = page_size();
	char *p = map_private(8);

	munmap(p + 4 * page, 4 * page);
	assert_int_equal(mprotect(p, page, PROT_READ), 0); /* nothing merges from below */
	learn_all();
	assert_false(entry_at(p + page).odd_in_snapshot);
	assert_ptr_equal(mremap(p + page, 3 * page, 5 * page, 0), p + page);
	assert_false(entry_at(p + page).odd_in_snapshot);
	assert_int_equal(madvise(p + 2 * page, page, MADV_DONTFORK), 0);
	assert_true(entry_at(p + 2 * page).odd_in_snapshot);
	assert_true(entry_at(map_with(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1))
			    .odd_in_snapshot);
}
