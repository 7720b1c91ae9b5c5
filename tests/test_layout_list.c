/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of what is mapped: complete, ours left out, and whatever befalls
 * descriptors.
 */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "layout_look.h"

/* ------------------------------------------------------------------ completeness */

TEST(the_list_is_sorted_and_each_mapping_is_found_at_both_ends)
{
	struct scratch s = look_scratch();
	const struct layout l = list_of(&s, NULL);

	assert_true(l.count > 5);
	for (size_t i = 0; i < l.count; i++) {
		assert_true(l.entry[i].start < l.entry[i].end);
		if (i)
			assert_true(l.entry[i - 1].end <= l.entry[i].start);
		assert_ptr_equal(layout_at(&l, l.entry[i].start), &l.entry[i]);
		assert_ptr_equal(layout_at(&l, l.entry[i].end - 1), &l.entry[i]);
	}
}

TEST(nothing_is_found_where_nothing_is_mapped)
{
	char *p = map_private(3);
	size_t page = page_size();
	struct scratch s = look_scratch();
	struct layout l;

	munmap(p + page, page);
	l = list_of(&s, NULL);
	assert_null(layout_at(&l, 0));
	assert_null(layout_at(&l, (uintptr_t)p + page));
	assert_null(layout_at(&l, (uintptr_t)p + 2 * page - 1));
	assert_non_null(layout_at(&l, (uintptr_t)p + 2 * page));
	assert_null(layout_at(&l, UINTPTR_MAX));
	l.count = 0;
	assert_null(layout_at(&l, (uintptr_t)p));
}

TEST(ten_thousand_mappings_are_all_found)
{
	char *p = map_many();
	size_t page = page_size();
	struct scratch s = look_scratch();
	const struct layout l = list_of(&s, NULL);

	for (size_t i = 1; i + 1 < MANY; i++) {
		const struct layout_entry *e = layout_at(&l, (uintptr_t)p + i * page + 7);

		if (!e || e->start != (uintptr_t)p + i * page ||
		    e->end != e->start + page || e->prot != (i % 2 ? PROT_READ : LOOK_RW))
			fail_msg("page %zu", i);
	}
}

struct restless {
	char *many;
	struct moment end;
};

/* Mappings come, go, merge and split. */
static void *map_and_unmap(void *arg)
{
	struct restless *r = arg;
	size_t page = page_size();
	unsigned int seed = 1;

	while (!atomic_load(&r->end.come)) {
		char *p =
			mmap(NULL, 8 * page, LOOK_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		size_t first = (size_t)rand_r(&seed) % (MANY - 8);

		mprotect(p + page, page, PROT_READ);
		munmap(p, 8 * page);
		for (size_t i = first; i < first + 8; i++) {
			mprotect(r->many + i * page, page, i % 2 ? LOOK_RW : PROT_READ);
			mprotect(r->many + i * page, page, i % 2 ? PROT_READ : LOOK_RW);
		}
	}
	return NULL;
}

TEST(what_is_there_throughout_is_found_while_others_map)
{
	struct restless r = { .many = map_many() };
	pthread_t thread = thread_begin(map_and_unmap, &r);
	uint64_t until = now_ms() + 500;

	while (now_ms() < until) {
		struct scratch s = look_scratch();
		const struct layout l = list_of(&s, NULL);

		for (size_t i = 0; i < MANY; i++)
			if (!layout_at(&l, (uintptr_t)r.many + i * page_size()))
				fail_msg("page %zu", i);
		scratch_close(&s);
	}
	moment_announce(&r.end);
	thread_end(thread);
}

/* ------------------------------------------------------------------ a list made up */

/* Puts it in the place of the kernel's, with a line for the scratch at its end. */
static void fake_list(const char *text, const struct scratch *s)
{
	char path[PATH_MAX];
	int fd = pattern_file(path, page_size());

	assert_int_equal(ftruncate(fd, 0), 0);
	dprintf(fd, "%s%lx-%lx rw-p 00000000 00:00 0 \n", text, s->base,
		s->base + s->size);
	close(fd);
	lay_over("maps", path, true);
}

static void assert_entry(const struct layout_entry *e, uintptr_t start, uintptr_t end,
			 int prot)
{
	assert_int_equal(e->start, start);
	assert_int_equal(e->end, end);
	assert_int_equal(e->prot, prot);
}

/* The kernel goes on behind the last address it told, whatever became of the mappings. */
TEST(where_a_list_of_two_moments_overlaps_the_later_is_true)
{
	struct scratch s = look_scratch();
	struct layout l;

	fake_list("10000-30000 rw-p 00000000 00:00 0 \n"
		  "20000-50000 r--p 00000000 00:00 0 \n"
		  "60000-70000 r--p 00000000 00:00 0 \n"
		  "70000-80000 r--p 00000000 00:00 0 \n"
		  "60000-90000 rw-p 00000000 00:00 0 [heap]\n",
		  &s);
	l = list_of(&s, NULL);
	assert_int_equal(l.count, 3);
	assert_entry(&l.entry[0], 0x10000, 0x20000, LOOK_RW);
	assert_entry(&l.entry[1], 0x20000, 0x50000, PROT_READ);
	assert_entry(&l.entry[2], 0x60000, 0x90000, LOOK_RW);
}

TEST(a_list_that_is_not_understood_is_an_error)
{
	struct scratch s = look_scratch();
	struct layout l;

	fake_list("10000-30000 rw-p 00000000 00:00 0 \n"
		  "30000-50000 readable\n",
		  &s);
	assert_int_equal(layout_read(&l, &s, NULL), -EIO);
	assert_int_equal(layout_learn(&s, NULL), -EIO);
}

TEST(what_is_not_on_this_machine_is_recognised_by_its_name)
{
	static const int kinds[] = {
		LAYOUT_NEVER,	LAYOUT_UNKNOWN, LAYOUT_NEVER,  LAYOUT_SHARED,
		LAYOUT_PRIVATE, LAYOUT_UNKNOWN, LAYOUT_SHARED,
	};
	struct scratch s = look_scratch();
	struct layout l;

	fake_list("10000-11000 rw-s 00000000 00:05 7 /dev/mem\n"
		  "11000-12000 rw-s 00000000 00:0c 1 /dmabuf:\n"
		  "12000-13000 r-xp 00000000 00:00 0 [uprobes]\n"
		  "13000-14000 rw-s 00000000 00:01 5 [anon_shmem:name]\n"
		  "14000-15000 rw-p 00000000 00:00 0 [anon:name]\n"
		  "15000-16000 rw-s 00000000 00:07 9 socket:[9]\n"
		  "16000-17000 rw-s 00000000 103:00002 9 /mnt/a file\n",
		  &s);
	l = list_of(&s, NULL);
	assert_int_equal(l.count, COUNT_OF(kinds));
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		assert_int_equal(l.entry[i].kind, kinds[i]);
	assert_int_equal(l.unknown, 2);
	assert_true(l.entry[6].device == ((uint64_t)0x103 << 32 | 2));
}

/* ------------------------------------------------------------------ our own memory */

/* A piece of a mapping, given out as a scratch. */
static struct scratch scratch_at(char *p, size_t bytes)
{
	return (struct scratch){ .base = (uintptr_t)p, .size = bytes };
}

TEST(scratch_is_cut_out_of_the_mapping_it_merged_with)
{
	size_t page = page_size(), room = LAYOUT_SCRATCH(1000) / page * page + page;
	char *p = map_private(room / page + 5);
	struct scratch s = scratch_at(p + 2 * page, room);
	const struct layout l = list_of(&s, NULL);
	const struct layout_entry *before = layout_at(&l, (uintptr_t)p);
	const struct layout_entry *after = layout_at(&l, s.base + room);

	assert_true(before && after);
	assert_true(before->end == s.base);
	assert_true(after->start == s.base + room);
	assert_true(after->end >= after->start + 3 * page);
	assert_null(layout_at(&l, s.base));
	assert_null(layout_at(&l, s.base + room - 1));
	assert_ptr_equal(after, before + 1);
}

TEST(scratch_that_is_a_whole_mapping_leaves_nothing)
{
	struct scratch s = look_scratch(), shared;
	struct layout l;

	assert_int_equal(scratch_open_shared(&shared, page_size()), 0);
	l = list_of(&s, &shared);
	assert_null(layout_at(&l, s.base));
	assert_null(layout_at(&l, s.base + s.size - 1));
	assert_null(layout_at(&l, shared.base));
}

TEST(accounts_are_cut_out_wherever_they_are)
{
	struct ledger_part part[LEDGER_PARTS];
	struct scratch s = look_scratch();
	struct layout l;
	size_t n;

	assert_true(ledger_take(3 * page_size()) && ledger_take(1) && ledger_take(100 * page_size()));
	n = ledger_parts(part);
	assert_true(n >= 3);
	l = list_of(&s, NULL);
	for (size_t i = 0; i < n; i++) {
		assert_null(layout_at(&l, part[i].start));
		assert_null(layout_at(&l, part[i].end - 1));
	}
}

/* They merge with it into one mapping.  (Where AddressSanitizer has not reserved the addresses above.) */
#ifndef __SANITIZE_ADDRESS__
TEST(what_lies_beside_accounts_is_listed)
{
	const size_t part = 500 * page_size(); /* huge pages would be aligned */
	struct scratch s = look_scratch();
	char *p = map_private((size_t)3 * 500), *taken;
	const struct layout_entry *before, *behind;
	struct layout l;

	/* The kernel takes the highest gap that is large enough. */
	do
		taken = mmap(NULL, part, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (taken != MAP_FAILED && taken > p);
	munmap(p + part, part);
	taken = ledger_take(part - 64); /* all of it, with what the ledger adds */
	assert_true(taken >= p + part && taken < p + 2 * part);
	l = list_of(&s, NULL);
	assert_null(layout_at(&l, (uintptr_t)p + part));
	assert_null(layout_at(&l, (uintptr_t)p + 2 * part - 1));
	before = layout_at(&l, (uintptr_t)p + part - 1);
	behind = layout_at(&l, (uintptr_t)p + 2 * part);
	assert_true(before && before->start <= (uintptr_t)p);
	assert_true(before->end == (uintptr_t)p + part);
	assert_true(behind && behind->start == (uintptr_t)p + 2 * part);
	assert_true(behind->end >= (uintptr_t)p + 3 * part);
}
#endif

TEST(both_scratches_are_cut_out_of_one_mapping)
{
	size_t page = page_size(), room = LAYOUT_SCRATCH(1000) / page * page + page;
	char *p = map_private(room / page + 10);
	struct scratch s = scratch_at(p + 6 * page, room);
	const struct scratch also = scratch_at(p + 2 * page, page);
	const struct layout l = list_of(&s, &also);
	static const bool there[] = { true, true, false, true, true, true, false };

	for (size_t i = 0; i < COUNT_OF(there); i++)
		assert_int_equal(layout_at(&l, (uintptr_t)p + i * page) != NULL,
				 there[i]);
	assert_non_null(layout_at(&l, s.base + room));
}

TEST(a_cut_file_keeps_its_offset)
{
	size_t page = page_size(), room = LAYOUT_SCRATCH(1000) / page * page + page;
	int fd = pattern_memfd(room + 4 * page, 0);
	char *p = map_with(room / page + 4, LOOK_RW, MAP_PRIVATE, fd);
	struct scratch s = scratch_at(p + page, room);
	struct layout l;

	memset(p, 0, room + 4 * page); /* a scratch is zeroed */
	l = list_of(&s, NULL);
	assert_int_equal(layout_at(&l, (uintptr_t)p)->offset, 0);
	assert_int_equal(layout_at(&l, s.base + room)->offset, page + room);
}

/* ------------------------------------------------------------------ descriptors */

/* The descriptor of a file of /proc of that name; -1: there is none. */
static int descriptor_of(const char *name)
{
	char target[PATH_MAX];

	for (int fd = 0; fd < 4096; fd++)
		if (fd_target(fd, target) && strncmp(target, "/proc/", 6) == 0 &&
		    strcmp(strrchr(target, '/') + 1, name) == 0)
			return fd;
	return -1;
}

/* From now on none can be opened. */
static void exhaust_descriptors(void)
{
	const struct rlimit none = { 0, 4096 };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static int learned(const struct scratch *also)
{
	struct scratch s = look_scratch();
	int r = layout_learn(&s, also);

	scratch_close(&s);
	return r;
}

TEST(descriptors_are_out_of_the_hosts_way)
{
	layout_open();
	assert_true(descriptor_of("maps") >= 512);
	assert_true(descriptor_of("smaps") >= 512);
	assert_int_not_equal(fcntl(descriptor_of("maps"), F_GETFD) & FD_CLOEXEC, 0);
	assert_int_not_equal(fcntl(descriptor_of("smaps"), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(what_is_open_serves_when_descriptors_are_exhausted)
{
	void *p = map_with(1, PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0));

	layout_open();
	exhaust_descriptors();
	learn();
	assert_int_equal(kind_at(p), LAYOUT_SHARED);
}

TEST(without_a_descriptor_the_error_says_so_and_passes)
{
	const struct rlimit enough = { 64, 4096 };
	struct scratch s = look_scratch();
	struct layout l;

	exhaust_descriptors();
	layout_open();
	assert_int_equal(layout_read(&l, &s, NULL), -EMFILE);
	assert_int_equal(layout_learn(&s, NULL), -EMFILE);
	assert_int_equal(layout_learn_all(&s), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &enough); /* less than where ours are put otherwise */
	assert_int_equal(layout_read(&l, &s, NULL), 0);
	assert_int_equal(layout_learn_all(&s), 0);
}

/* An error that passes must not let anything be taken for harmless. */
TEST(while_nothing_can_be_learned_the_unknown_stays_unknown)
{
	void *p = map_with(1, PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0));

	layout_open();
	close(descriptor_of("smaps"));
	exhaust_descriptors();
	assert_int_equal(learned(NULL), -EMFILE);
	assert_int_equal(kind_at(p), LAYOUT_UNKNOWN);
}

TEST(the_long_list_is_read_only_for_what_was_not_met_before)
{
	struct scratch shared;

	layout_open();
	map_with(1, PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0));
	learn();
	close(descriptor_of("smaps"));
	exhaust_descriptors();
	assert_int_equal(learned(NULL), 0);
	map_private(1);
	assert_int_equal(learned(NULL), 0);
	/* A scratch is new in each round. */
	assert_int_equal(scratch_open_shared(&shared, page_size()), 0);
	assert_int_equal(learned(&shared), 0);
	assert_int_equal(learned(NULL), -EMFILE);
}

TEST(descriptors_closed_behind_our_back_are_opened_anew)
{
	layout_open();
	close(descriptor_of("maps"));
	close(descriptor_of("smaps"));
	learn_all();
	assert_int_equal(kind_at(map_private(1)), LAYOUT_PRIVATE);
}

TEST(a_number_that_became_the_hosts_is_left_alone)
{
	int file = pattern_memfd(page_size(), 0), maps, smaps;

	layout_open();
	maps = descriptor_of("maps");
	smaps = descriptor_of("smaps");
	assert_int_equal(dup2(file, maps), maps);
	assert_int_equal(dup2(file, smaps), smaps);
	learn_all();
	assert_int_equal(kind_at(map_private(1)), LAYOUT_PRIVATE);
	layout_after_fork();
	assert_int_equal(inode_of(maps), inode_of(file));
	assert_int_equal(inode_of(smaps), inode_of(file));
}

TEST(after_all_nothing_is_left_behind)
{
	size_t descriptors, mappings;

	descriptors = fd_count();
	layout_open();
	mappings = maps_count(); /* what was remembered is kept empty */
	for (int i = 0; i < 10; i++) {
		learn_all();
		(void)kind_at(&mappings);
	}
	assert_int_equal(fd_count(), descriptors + 2);
	layout_after_fork();
	assert_int_equal(fd_count(), descriptors);
	assert_int_equal(maps_count(), mappings);
}

/* ------------------------------------------------------------------ other processes */

struct companion_look {
	const void *p;
	int kind;
	int r;
	struct scratch scratch;
};

/* In a process that shares memory and descriptors, while this one waits. */
static int look_beside(void *arg)
{
	struct companion_look *look = arg;
	struct layout l;

	look->r = layout_learn(&look->scratch, NULL);
	if (look->r == 0)
		look->r = layout_read(&l, &look->scratch, NULL);
	if (look->r == 0)
		look->kind = layout_at(&l, (uintptr_t)look->p)->kind;
	return 0;
}

static void look_from_companion(struct companion_look *look)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	int status;
	int pid = clone(look_beside, stack + sizeof(stack),
			CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, look);

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(look->r, 0);
}

TEST(a_companion_sees_the_memory_it_shares)
{
	struct companion_look look = {
		.p = map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1),
		.scratch = look_scratch(),
	};

	layout_open();
	look_from_companion(&look);
	assert_int_equal(look.kind, LAYOUT_SHARED);
}

/* What it opened is a dead process's file then. */
TEST(what_a_companion_had_to_open_does_no_harm_later)
{
	struct companion_look look = {
		.p = map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1),
		.scratch = look_scratch(),
	};

	look_from_companion(&look);
	assert_true(descriptor_of("maps") >= 0);
	learn_all();
	assert_int_equal(kind_at(look.p), LAYOUT_SHARED);
}

static void look_in_child(void *arg UNUSED)
{
	struct scratch s;
	struct layout l;

	child_check(scratch_open(&s, LAYOUT_SCRATCH(1000)) == 0);
	child_check(layout_read(&l, &s, NULL) == -ESTALE);
	layout_after_fork();
	child_check(layout_read(&l, &s, NULL) == 0);
}

TEST(the_list_of_another_process_is_refused)
{
	layout_open();
	assert_child_passes(look_in_child, NULL);
}

/* ------------------------------------------------------------------ failures */

TEST(scratch_that_is_too_small_is_an_error)
{
	struct scratch s;
	struct layout l;

	map_many();
	for (size_t bytes = page_size(); bytes < LAYOUT_SCRATCH(MANY); bytes *= 2) {
		assert_int_equal(scratch_open(&s, bytes), 0);
		assert_int_equal(layout_read(&l, &s, NULL), -ENOMEM);
		scratch_close(&s);
	}
	assert_int_equal(scratch_open(&s, page_size()), 0);
	assert_int_equal(layout_learn(&s, NULL), -ENOMEM);
	assert_int_equal(layout_learn_all(&s), -ENOMEM);
}

TEST(the_scratch_it_says_is_enough)
{
	struct scratch s;
	struct layout l;

	map_many();
	assert_int_equal(scratch_open(&s, LAYOUT_SCRATCH(maps_count() + 2)), 0);
	assert_int_equal(layout_read(&l, &s, NULL), 0);
	scratch_close(&s);
	assert_int_equal(scratch_open(&s, LAYOUT_LEARN_SCRATCH), 0);
	assert_int_equal(layout_learn(&s, NULL), 0);
}
