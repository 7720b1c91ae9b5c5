/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer lies in a region of foster's own, of shared memory, and something was done to the
 * mapping that foster was not told of.  It reads its own regions without asking how they are mapped;
 * so it must notice.
 */
#include "hide.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 2

static int memfd;

/* Where the pointer to that region is: where the collector sees it, or where it does not. */
static void *volatile in_static[1];
static void *volatile *holder = in_static;
static bool in_doubt;

static NOINLINE void put_into_doubt(void)
{
	in_doubt = true;
	holder = calloc(1, sizeof(*holder));
	assert_non_null(holder);
}

/* A region that is in doubt itself is read late. */
#define CHANGED(place)                    \
	static void check_##place(void);  \
	HIDING_PLACE(place)               \
	{                                 \
		check_##place();          \
	}                                 \
	HIDING_PLACE(place##_in_doubt)    \
	{                                 \
		put_into_doubt();         \
		check_##place();          \
	}                                 \
	static void check_##place(void)

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
	*holder = foster_mmap(NULL, bytes(), RW, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(*holder, MAP_FAILED);
	memset(*holder, 0, bytes());
}

static char *second_page(void)
{
	return (char *)*holder + page_size();
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

CHANGED(a_region_of_shared_memory)
{
	hold_shared();
	hide_put(second_page());
	assert_kept();
	hide_clear(second_page());
	assert_gone();
}

CHANGED(a_region_whose_pages_were_given_back)
{
	hold_shared();
	put_into_file(memfd);
	assert_int_equal(madvise(*holder, bytes(), MADV_DONTNEED), 0);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(memfd);
	assert_gone();
}

CHANGED(a_region_one_of_whose_pages_was_given_back)
{
	hold_shared();
	put_into_file(memfd);
	assert_int_equal(madvise(second_page(), page_size(), MADV_DONTNEED), 0);
	hide_unpin();
	assert_true(hide_kept());
	clear_file(memfd);
	assert_gone();
}

CHANGED(a_region_that_was_forbidden)
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
	assert_ptr_equal(mmap(*holder, bytes(), RW, MAP_FIXED | flags, fd, 0), *holder);
}

CHANGED(private_memory_that_was_laid_over_a_region)
{
	hold_shared();
	lay(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	hide_put(second_page());
	assert_kept();
	hide_clear(second_page());
	assert_gone();
}

/* No page of it was ever touched here. */
CHANGED(shared_memory_that_was_laid_over_a_region)
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

CHANGED(a_region_that_was_moved)
{
	char *to = mmap(NULL, bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(to, MAP_FAILED);
	hold_shared();
	hide_put(second_page());
	assert_ptr_equal(mremap(*holder, bytes(), bytes(), MREMAP_MAYMOVE | MREMAP_FIXED, to),
			 to);
	hide_unpin();
	assert_true(hide_kept());
	hide_clear(to + page_size());
	assert_gone();
}

CHANGED(a_region_that_was_cut_short)
{
	hold_shared();
	hide_put(*holder);
	assert_int_equal(ftruncate(memfd, (off_t)page_size()), 0);
	assert_kept();
	hide_clear(*holder);
	assert_gone();
}

CHANGED(a_region_beside_one_that_was_unmapped)
{
	void *volatile other;

	hold_shared();
	hide_put(second_page());
	other = *holder;
	hold_shared();
	assert_int_equal(munmap(*holder, bytes()), 0);
	assert_kept();
	hide_clear((char *)other + page_size());
	assert_gone();
}

/* ------------------------------------------------------------------ one of very many */

#define MANY 5000
#define ROUNDS_OF_A_TURN 33

static void *volatile many_static[MANY];
static void *volatile *many;

static NOINLINE void hold_many(void)
{
	many = in_doubt ? calloc(MANY, sizeof(*many)) : many_static;
	assert_non_null(many);
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
CHANGED(one_of_very_many_regions)
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
CHANGED(one_of_very_many_regions_that_was_given_back)
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

CHANGED(one_of_very_many_regions_that_was_forbidden)
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
CHANGED(shared_memory_that_was_laid_over_one_of_very_many_regions)
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
