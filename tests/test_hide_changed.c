/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer lies in a region of foster's own, of shared memory, and something was done to the
 * mapping that foster was not told of.  It reads its own regions without asking how they are mapped;
 * so it must notice.
 */
#include "hide.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 2

static void *volatile in_static;
static int memfd;

static size_t bytes(void)
{
	return PAGES * page_size();
}

/* Readable and writable. */
static NOINLINE void hold_shared(void)
{
	memfd = memfd_create("hiding", 0);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)bytes()), 0);
	in_static = foster_mmap(NULL, bytes(), RW, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(in_static, MAP_FAILED);
	memset(in_static, 0, bytes());
}

static char *second_page(void)
{
	return (char *)in_static + page_size();
}

/* Writes what an area has to the second page of the file, not through any mapping. */
static void write_second_page(int fd, const void *area)
{
	assert_int_equal(pwrite(fd, area, HIDE_ROOM, (off_t)page_size()), HIDE_ROOM);
}

static void put_into_file(int fd)
{
	void *area = mmap(NULL, page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(area, MAP_FAILED);
	hide_put(area);
	write_second_page(fd, area);
	assert_int_equal(munmap(area, page_size()), 0);
}

static void clear_file(int fd)
{
	const char zeros[HIDE_ROOM] = { 0 };

	write_second_page(fd, zeros);
}

HIDING_PLACE(a_region_of_shared_memory)
{
	hold_shared();
	hide_put(second_page());
	assert_kept();
	hide_clear(second_page());
	assert_gone();
}

HIDING_PLACE(a_region_whose_pages_were_given_back)
{
	hold_shared();
	put_into_file(memfd);
	assert_int_equal(madvise(in_static, bytes(), MADV_DONTNEED), 0);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(memfd);
	assert_gone();
}

HIDING_PLACE(a_region_one_of_whose_pages_was_given_back)
{
	hold_shared();
	put_into_file(memfd);
	assert_int_equal(madvise(second_page(), page_size(), MADV_DONTNEED), 0);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(memfd);
	assert_gone();
}

HIDING_PLACE(a_region_that_was_forbidden)
{
	hold_shared();
	hide_put(second_page());
	assert_int_equal(mprotect(second_page(), page_size(), PROT_NONE), 0);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(memfd);
	assert_gone();
}

static void lay(int flags, int fd)
{
	assert_ptr_equal(mmap(in_static, bytes(), RW, MAP_FIXED | flags, fd, 0), in_static);
}

HIDING_PLACE(private_memory_that_was_laid_over_a_region)
{
	hold_shared();
	lay(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	hide_put(second_page());
	assert_kept();
	hide_clear(second_page());
	assert_gone();
}

/* No page of it was ever touched here. */
HIDING_PLACE(shared_memory_that_was_laid_over_a_region)
{
	const int fd = pattern_memfd(bytes(), 0);

	hold_shared();
	lay(MAP_SHARED, fd);
	put_into_file(fd);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(fd);
	assert_gone();
}

HIDING_PLACE(a_region_that_was_moved)
{
	char *to = mmap(NULL, bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(to, MAP_FAILED);
	hold_shared();
	hide_put(second_page());
	assert_ptr_equal(mremap(in_static, bytes(), bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, to),
			 to);
	hide_unpin();
	assert_true(hide_kept());
	hide_clear(to + page_size());
	assert_gone();
}

HIDING_PLACE(a_region_that_was_cut_short)
{
	hold_shared();
	hide_put(in_static);
	assert_int_equal(ftruncate(memfd, (off_t)page_size()), 0);
	assert_kept();
	hide_clear(in_static);
	assert_gone();
}

HIDING_PLACE(a_region_beside_one_that_was_unmapped)
{
	void *volatile other;

	hold_shared();
	hide_put(second_page());
	other = in_static;
	hold_shared();
	assert_int_equal(munmap(in_static, bytes()), 0);
	assert_kept();
	hide_clear((char *)other + page_size());
	assert_gone();
}

/* ------------------------------------------------------------------ one of very many */

#define MANY 5000
#define ROUNDS_OF_A_TURN 9

static void *volatile many[MANY];

static NOINLINE void hold_many(void)
{
	memfd = memfd_create("hiding", 0);
	assert_int_equal(ftruncate(memfd, (off_t)(MANY * page_size())), 0);
	for (size_t i = 0; i < MANY; i++) {
		many[i] = foster_mmap(NULL, page_size(), RW, MAP_SHARED, memfd,
				      (off_t)(i * page_size()));
		assert_ptr_not_equal(many[i], MAP_FAILED);
		*(volatile char *)many[i] = 0;
	}
}

/* Each was seen; not each is looked at in each round. */
HIDING_PLACE(one_of_very_many_regions)
{
	hold_many();
	hide_collect();
	hide_put(many[MANY / 2]);
	hide_unpin();
	for (int i = 0; i < ROUNDS_OF_A_TURN; i++)
		hide_collect();
	assert_true(hide_kept());
	hide_clear(many[MANY / 2]);
	assert_gone();
}

/* Its page was given back after it was seen. */
HIDING_PLACE(one_of_very_many_regions_that_was_given_back)
{
	hold_many();
	hide_collect();
	hide_put(many[MANY / 2]);
	assert_int_equal(madvise(many[MANY / 2], page_size(), MADV_DONTNEED), 0);
	hide_unpin();
	assert_true(hide_kept());
	hide_clear(many[MANY / 2]);
	assert_gone();
}

HIDING_PLACE(one_of_very_many_regions_that_was_forbidden)
{
	hold_many();
	hide_collect();
	hide_put(many[MANY / 2]);
	assert_int_equal(mprotect(many[MANY / 2], page_size(), PROT_NONE), 0);
	hide_unpin();
	assert_true(hide_kept());
	assert_int_equal(mprotect(many[MANY / 2], page_size(), RW), 0);
	hide_clear(many[MANY / 2]);
	assert_gone();
}

/* A page is made there, of memory that was never touched. */
HIDING_PLACE(shared_memory_that_was_laid_over_one_of_very_many_regions)
{
	const int fd = pattern_memfd(2 * page_size(), 0);

	hold_many();
	hide_collect();
	put_into_file(fd);
	assert_ptr_equal(mmap(many[MANY / 2], page_size(), RW, MAP_SHARED | MAP_FIXED, fd,
			      (off_t)page_size()),
			 many[MANY / 2]);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(fd);
	assert_gone();
}
