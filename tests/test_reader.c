/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading memory by its kind: which words are met, across which edges, and that memory
 * which cannot be read, or goes meanwhile, harms nothing.
 */
#include "support.h"

#include <fcntl.h>

#include "layout_look.h"
#include "os/companion.h"
#include "os/peek.h"
#include "os/thread.h"
#include "refuse.h"
#include "track/reader.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define WANTED ((uintptr_t)0x2b1234567000) /* nothing is there */
#define WANTED_BYTES ((uintptr_t)4096)
#define MAPPINGS 20000

static struct {
	struct suspects suspects;
	struct evidence evidence;
	struct reader reader;
	struct scratch scratch;
	/* what the companion is to read, and what came of it */
	uintptr_t start, end;
	int err;

	void (*between)(void);
} job;

static uintptr_t nobody(uintptr_t at UNUSED)
{
	return 0;
}

static void begin_for(uintptr_t start, uintptr_t end)
{
	const size_t room = suspects_room(1) + evidence_bytes(1) + READER_BUFFER + 8192 +
			    COMPANION_SCRATCH + LAYOUT_SCRATCH(MAPPINGS);

	peek_open();
	pages_open();
	layout_open();
	assert_int_equal(scratch_open(&job.scratch, room), 0);
	assert_int_equal(suspects_init(&job.suspects, 1, &job.scratch), 0);
	assert_int_equal(evidence_init(&job.evidence, &job.suspects, nobody, &job.scratch), 0);
	assert_int_equal(reader_init(&job.reader, &job.suspects, &job.evidence, &job.scratch),
			 0);
	suspects_add(&job.suspects, start, end, 7);
	assert_int_equal(suspects_seal(&job.suspects, &job.scratch), 0);
	job.reader.early = true;
}

static void begin(void)
{
	begin_for(WANTED, WANTED + WANTED_BYTES);
}

/* In the companion: each mapping in the range, as far as it is in it. */
static void read_range(void *unused UNUSED)
{
	struct layout layout;

	job.err = layout_read(&layout, &job.scratch, NULL);
	for (size_t i = 0; i < layout.count && !job.err; i++) {
		const struct layout_entry *entry = &layout.entry[i];
		const uintptr_t start = entry->start > job.start ? entry->start : job.start;
		const uintptr_t end = entry->end < job.end ? entry->end : job.end;

		if (start < end)
			job.err = reader_read(&job.reader, entry, start, end);
	}
	if (!job.between || job.err)
		return;
	job.between();
	job.reader.early = false;
	job.err = layout_read(&layout, &job.scratch, NULL);
	reader_read_again(&job.reader, &layout);
}

static void run(void *p, size_t bytes)
{
	struct companion companion;

#ifdef __SANITIZE_THREAD__
	test_skip("two processes in the memory of one thread of ThreadSanitizer's");
#endif
	job.start = (uintptr_t)p;
	job.end = job.start + bytes;
	assert_int_equal(companion_start(&companion, &job.scratch, read_range, NULL), 0);
	assert_int_equal(companion_wait(&companion, deadline_in(20000)), 0);
	assert_int_equal(job.err, 0);
}

/* Was the word at p met?  It may be more than once. */
static bool met(const void *p)
{
	for (uint32_t i = 0; i < job.evidence.early_count; i++)
		if (job.evidence.early[i].at == (uintptr_t)p)
			return true;
	return false;
}

static void put(void *p)
{
	const uintptr_t word = WANTED + 100;

	memcpy(p, &word, sizeof(word));
}

/* So many pages with nothing before and behind. */
static char *map_alone(size_t pages)
{
	char *p = mmap(NULL, (pages + 2) * page_size(), PROT_NONE, ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(p, page_size()), 0);
	p += page_size();
	assert_int_equal(munmap(p + pages * page_size(), page_size()), 0);
	assert_int_equal(mprotect(p, pages * page_size(), LOOK_RW), 0);
	return p;
}

/* ------------------------------------------------------------------------- every 4 bytes */

TEST(a_word_at_every_multiple_of_four_is_met)
{
	char *p = map_alone(1);

	begin();
	for (size_t at = 0; at < 16 * 12; at += 12)
		put(p + at);
	put(p + page_size() - 8);
	run(p, page_size());
	for (size_t at = 0; at < 16 * 12; at += 12)
		assert_true(met(p + at));
	assert_true(met(p + page_size() - 8));
	assert_int_equal(job.evidence.early_count, 17);
}

TEST(a_word_at_an_odd_multiple_of_two_is_none)
{
	char *p = map_alone(1);

	begin();
	put(p + 66);
	run(p, page_size());
	assert_int_equal(job.evidence.early_count, 0);
}

TEST(a_word_across_pages_is_met)
{
	char *p = map_alone(3);

	begin();
	put(p + page_size() - 4);
	put(p + 2 * page_size() - 4);
	run(p, 3 * page_size());
	assert_true(met(p + page_size() - 4));
	assert_true(met(p + 2 * page_size() - 4));
}

/* A copy of the process is read by the MiB. */
TEST(a_word_across_any_pages_of_a_copy_is_met)
{
	const size_t bytes = (size_t)5 << 19;
	char *p = map_alone(bytes / page_size());

	begin();
	memset(p, 0, bytes);
	job.reader.copy = true;
	/* Every 128 KiB, for there is room for so many notes only. */
	for (size_t at = (size_t)128 << 10; at < bytes; at += (size_t)128 << 10)
		put(p + at - 4);
	put(p);
	put(p + bytes - 8);
	run(p, bytes);
	for (size_t at = (size_t)128 << 10; at < bytes; at += (size_t)128 << 10)
		assert_true(met(p + at - 4));
	assert_true(met(p) && met(p + bytes - 8));
	assert_int_equal(job.reader.bytes, bytes);
}

/* The middle page was never written and is not read. */
TEST(pages_that_are_not_there_are_not_read)
{
	char *p = map_alone(3);

	begin();
	put(p);
	put(p + 2 * page_size());
	run(p, 3 * page_size());
	assert_true(met(p) && met(p + 2 * page_size()));
	assert_int_equal(job.reader.bytes, 2 * page_size());
}

/* What is not there is zeros: the other half of a word. */
TEST(a_word_whose_upper_half_is_beside_an_absent_page_is_met)
{
	const uint32_t upper = WANTED >> 32;
	char *p = map_alone(2);

	begin_for(WANTED >> 32 << 32, (WANTED >> 32 << 32) + 100);
	memcpy(p + page_size(), &upper, 4);
	run(p, 2 * page_size());
	assert_true(met(p + page_size() - 4));
}

TEST(a_word_below_4_gib_whose_upper_half_is_beside_an_absent_page_is_met)
{
	const uint32_t lower = 0x12345678;
	char *p = map_alone(2);

	begin_for(lower, lower + 100);
	memcpy(p + page_size() - 4, &lower, 4);
	run(p, 2 * page_size());
	assert_true(met(p + page_size() - 4));
}

/* -------------------------------------------------------------------- edges of mappings */

/* Three pages that are a mapping each; what comes of a word across the first edge? */
static void check_seam(int first, int second)
{
	char *p = map_alone(3);

	begin();
	put(p + page_size() - 4);
	put(p + 64);
	put(p + page_size() + 64);
	assert_int_equal(mprotect(p, page_size(), first), 0);
	assert_int_equal(mprotect(p + page_size(), page_size(), second), 0);
	run(p, 3 * page_size());
	assert_true(met(p + 64));
	assert_true(met(p + page_size() + 64));
	assert_true(met(p + page_size() - 4));
}

TEST(a_word_across_two_mappings_is_met)
{
	check_seam(LOOK_RW | PROT_EXEC, PROT_READ);
}

TEST(a_word_that_ends_in_what_is_not_readable_is_met)
{
	check_seam(LOOK_RW, PROT_NONE);
}

TEST(a_word_that_begins_in_what_is_not_readable_is_met)
{
	check_seam(PROT_NONE, LOOK_RW);
}

TEST(a_word_that_crosses_what_is_not_readable_is_met)
{
	check_seam(PROT_NONE, PROT_WRITE);
}

/* ---------------------------------------------------------------------- not readable */

TEST(what_is_not_readable_is_read)
{
	char *p = map_alone(1);

	begin();
	put(p + 20);
	assert_int_equal(mprotect(p, page_size(), PROT_NONE), 0);
	run(p, page_size());
	assert_true(met(p + 20));
}

/* It is read in pieces. */
TEST(words_across_all_pages_of_much_that_is_not_readable_are_met)
{
	const size_t pages = 3 * READER_BUFFER / page_size() + 1;
	char *p = map_alone(pages);

	begin();
	for (size_t i = 1; i < pages; i++)
		put(p + i * page_size() - 4);
	put(p + pages * page_size() - 8);
	assert_int_equal(mprotect(p, pages * page_size(), PROT_NONE), 0);
	run(p, pages * page_size());
	for (size_t i = 1; i < pages; i++)
		assert_true(met(p + i * page_size() - 4));
	assert_true(met(p + pages * page_size() - 8));
}

TEST(what_is_not_readable_and_cannot_be_read_otherwise_is_told)
{
	char *p = map_alone(1);

	begin();
	put(p + 20);
	assert_int_equal(mprotect(p, page_size(), PROT_NONE), 0);
	refuse_mem();
	run(p, page_size());
	assert_true(job.reader.blind);
}

/* A host may close all descriptors; what then has the number of ours is not memory. */
TEST(what_is_not_readable_is_read_where_another_file_has_our_descriptor)
{
	const int zeros = memfd_create("zeros", 0);
	char *p = map_alone(1);

	begin();
	put(p + 20);
	assert_int_equal(mprotect(p, page_size(), PROT_NONE), 0);
	assert_true(zeros >= 0 && ftruncate(zeros, INT64_MAX) == 0);
	assert_true(dup2(zeros, refuse_find_mem()) >= 0);
	run(p, page_size());
	assert_true(met(p + 20));
	assert_false(job.reader.blind);
}

/* ---------------------------------------------------------------------- files, sharing */

TEST(only_written_pages_of_a_private_file_are_read)
{
	const int fd = pattern_memfd(2 * page_size(), 0);
	const uintptr_t word = WANTED;
	char *p;

	begin();
	assert_int_equal(pwrite(fd, &word, 8, 64), 8);
	assert_int_equal(pwrite(fd, &word, 8, (off_t)page_size() + 64), 8);
	p = mmap(NULL, 2 * page_size(), LOOK_RW, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	p[page_size()] = p[0]; /* both are there, one is a copy */
	run(p, 2 * page_size());
	assert_false(met(p + 64));
	assert_true(met(p + page_size() + 64));
}

TEST(shared_memory_that_was_written_elsewhere_is_read)
{
	const int fd = pattern_memfd(2 * page_size(), 0);
	const uintptr_t word = WANTED;
	char *p;

	begin();
	p = mmap(NULL, 2 * page_size(), PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(pwrite(fd, &word, 8, (off_t)page_size() - 4), 8);
	run(p, 2 * page_size());
	assert_true(met(p + page_size() - 4));
}

/* In the part that is left, words count also across its pages. */
TEST(a_file_that_was_truncated_is_read_as_far_as_it_goes)
{
	const int fd = memfd_create("reader", 0);
	char *p;

	begin();
	assert_int_equal(ftruncate(fd, (off_t)(4 * page_size())), 0);
	p = mmap(NULL, 4 * page_size(), LOOK_RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < 4; i++)
		put(p + i * page_size() + 64);
	put(p + page_size() - 4);
	assert_int_equal(ftruncate(fd, (off_t)(2 * page_size())), 0);
	run(p, 4 * page_size());
	assert_true(met(p + 64) && met(p + page_size() + 64));
	assert_true(met(p + page_size() - 4));
	assert_false(met(p + 2 * page_size() + 64));
}

/* ------------------------------------------------------------------------- what goes away */

static struct {
	char *p;
	size_t bytes;
} leaving;

/* As the kernel's list had it: there, and mapped. */
static void read_what_has_left(void *unused UNUSED)
{
	const struct layout_entry entry = {
		.start = (uintptr_t)leaving.p,
		.end = (uintptr_t)leaving.p + leaving.bytes,
		.kind = LAYOUT_PRIVATE,
		.prot = LOOK_RW,
	};

	reader_read_run(&job.reader, &entry, entry.start, entry.end);
}

static void run_on_what_has_left(void)
{
	struct companion companion;

#ifdef __SANITIZE_THREAD__
	test_skip("two processes in the memory of one thread of ThreadSanitizer's");
#endif
	assert_int_equal(companion_start(&companion, &job.scratch, read_what_has_left, NULL),
			 0);
	assert_int_equal(companion_wait(&companion, deadline_in(20000)), 0);
}

TEST(memory_that_has_gone_leaves_the_rest_readable)
{
	const size_t page = page_size();
	char *p = map_alone(5);

	begin();
	for (size_t i = 0; i < 5; i++)
		put(p + i * page + 64);
	put(p + page - 4);
	put(p + 4 * page - 4);
	assert_int_equal(munmap(p + 2 * page, page), 0);
	leaving.p = p;
	leaving.bytes = 5 * page;
	run_on_what_has_left();
	for (size_t i = 0; i < 5; i++)
		assert_true(met(p + i * page + 64) == (i != 2));
	assert_true(met(p + page - 4));
	assert_true(met(p + 4 * page - 4));
}

/* It joined the run before, of which nothing is left. */
TEST(the_page_behind_one_that_has_gone_is_read)
{
	const size_t page = page_size();
	char *p = map_alone(2);

	begin();
	put(p + page);
	job.reader.read_to = job.reader.run_end = hide((uintptr_t)p + page);
	assert_int_equal(munmap(p, page), 0);
	leaving.p = p + page;
	leaving.bytes = page;
	run_on_what_has_left();
	assert_true(met(p + page));
}

static void *take_away(void *arg UNUSED)
{
	sleep_ms(1);
	munmap(leaving.p + leaving.bytes / 2, leaving.bytes / 2);
	return NULL;
}

TEST(memory_may_go_while_it_is_read)
{
	const size_t pages = 4096;
	pthread_t thread;

	begin();
	leaving.p = map_alone(pages);
	leaving.bytes = pages * page_size();
	memset(leaving.p, 1, leaving.bytes);
	put(leaving.p + leaving.bytes / 2 - 8);
	thread = thread_begin(take_away, NULL);
	run_on_what_has_left();
	thread_end(thread);
	assert_true(met(leaving.p + leaving.bytes / 2 - 8));
}

/* --------------------------------------------------------------------------- once more */

static char *page_of_words;

static void change_some(void)
{
	memset(page_of_words + 64, 0, 8);
}

TEST(a_word_that_is_still_there_counts)
{
	begin();
	page_of_words = map_alone(1);
	put(page_of_words + 64);
	put(page_of_words + 132);
	job.between = change_some;
	run(page_of_words, page_size());
	assert_int_equal(evidence_of(&job.evidence, 0), EVIDENCE_MEMORY);
}

TEST(a_word_that_is_not_there_any_more_counts_no_more)
{
	begin();
	page_of_words = map_alone(1);
	put(page_of_words + 64);
	job.between = change_some;
	run(page_of_words, page_size());
	assert_int_equal(evidence_of(&job.evidence, 0), EVIDENCE_NONE);
}

static void unmap_all(void)
{
	munmap(page_of_words, page_size());
}

TEST(a_word_that_is_gone_with_its_memory_counts_no_more)
{
	begin();
	page_of_words = map_alone(1);
	put(page_of_words + 64);
	job.between = unmap_all;
	run(page_of_words, page_size());
	assert_int_equal(evidence_of(&job.evidence, 0), EVIDENCE_NONE);
}

static void forbid_second(void)
{
	mprotect(page_of_words + page_size(), page_size(), PROT_NONE);
}

TEST(a_word_whose_other_half_is_no_more_readable_counts)
{
	begin();
	page_of_words = map_alone(2);
	put(page_of_words + page_size() - 4);
	job.between = forbid_second;
	run(page_of_words, 2 * page_size());
	assert_int_equal(evidence_of(&job.evidence, 0), EVIDENCE_MEMORY);
}

TEST(a_word_in_a_register_counts)
{
	uint32_t registers[8] = { 0 };

	begin();
	memset(registers, 0xff, sizeof(registers));
	put(&registers[3]);
	reader_read_registers(&job.reader, registers, sizeof(registers));
	assert_int_equal(evidence_of(&job.evidence, 0), EVIDENCE_REGISTER);
}

TEST(registers_without_the_word_count_for_nothing)
{
	uint32_t registers[8];

	begin();
	memset(registers, 0xff, sizeof(registers));
	reader_read_registers(&job.reader, registers, sizeof(registers));
	assert_int_equal(evidence_of(&job.evidence, 0), EVIDENCE_NONE);
}

/* -------------------------------------------------------------------------------- swap */

static bool has_swap(void)
{
	FILE *f = fopen("/proc/swaps", "r");
	char line[256];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	return lines > 1;
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

TEST(a_page_on_a_disk_is_left_out_and_told)
{
	char *p = map_alone(1);

	if (!has_swap())
		test_skip("no swap here");
	begin();
	put(p);
	assert_int_equal(madvise(p, page_size(), MADV_PAGEOUT), 0);
	run(p, page_size());
	if (met(p))
		test_skip("the kernel kept the page");
	assert_true(job.reader.swapped);
	job.reader.fault_in = true;
	job.reader.swapped = false;
	run(p, page_size());
	assert_true(met(p) && !job.reader.swapped);
}
