/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only pointer lies in memory of a kind: malloc's, static, mapped in every way, a
 * coroutine's stack.
 */
#include "hide.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <ucontext.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define HUGE_BYTES ((size_t)2 << 20)
#define LARGE ((size_t)1 << 20) /* malloc() maps this much */

static void check_area(volatile void *area)
{
	hide_put(area);
	assert_kept();
	hide_clear(area);
	assert_gone();
}

/* --------------------------------------------------------------------------- malloc */

HIDING_PLACE(malloc_memory)
{
	void *area = malloc(HIDE_ROOM);

	assert_non_null(area);
	check_area(area);
	free(area);
}

HIDING_SHAPES(malloc_memory, sees_a_pointer_in_malloc_memory)

HIDING_PLACE(a_large_malloc_block)
{
	char *block = malloc(LARGE);

	assert_non_null(block);
	check_area(block + LARGE / 2);
	free(block);
}

HIDING_PLACE(calloced_memory)
{
	char *block = calloc(1000, 1000);

	assert_non_null(block);
	check_area(block + 500000);
	free(block);
}

/* The words move with mremap(), without a write to a page. */
HIDING_PLACE(memory_that_realloc_moved)
{
	char *block = malloc(LARGE);
	void *obstacle;

	assert_non_null(block);
	hide_put(block + LARGE / 2);
	hide_collect();
	/* It cannot grow where it is. */
	obstacle = mmap(block + LARGE + page_size(), page_size(), PROT_NONE, ANON, -1, 0);
	assert_ptr_not_equal(obstacle, MAP_FAILED);
	block = realloc(block, 64 * LARGE);
	assert_non_null(block);
	assert_kept();
	hide_clear(block + LARGE / 2);
	assert_gone();
	free(block);
}

/* Packed: the pointer lies at offset 4 of 12. */
HIDING_PLACE(an_array_of_epoll_events)
{
	struct epoll_event *events = calloc(16, sizeof(*events));

	assert_non_null(events);
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_store(&events[5 + kind].data, hide_complement(kind));
	assert_kept();
	memset(events, 0, 16 * sizeof(*events));
	assert_gone();
	free(events);
}

/* ---------------------------------------------------------------------- static data */

HIDING_PLACE(static_data)
{
	static volatile char area[HIDE_ROOM] __attribute__((aligned(8)));

	check_area(area);
}

HIDING_PLACE(initialised_static_data)
{
	static volatile char area[HIDE_ROOM] __attribute__((aligned(8))) = { 1 };

	check_area(area);
}

static void *load_library(void)
{
	void *library = dlopen(HIDE_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		test_say("%s", dlerror());
	assert_non_null(library);
	return library;
}

/* Loaded after foster began, and after a round. */
HIDING_PLACE(static_data_of_a_loaded_library)
{
	void *library;

	hide_collect();
	library = load_library();
	check_area(dlsym(library, "hide_library_area"));
	dlclose(library);
}

HIDING_PLACE(thread_local_data_of_a_loaded_library)
{
	void *library = load_library();
	volatile void *(*area)(void);

	*(void **)&area = dlsym(library, "hide_library_thread_area");
	check_area(area());
	dlclose(library);
}

/* ----------------------------------------------------------------- private mappings */

static char *map(size_t bytes, int flags)
{
	char *p = mmap(NULL, bytes, RW, flags, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

HIDING_PLACE(an_anonymous_mapping)
{
	check_area(map(64 * page_size(), ANON) + 17 * page_size() + 8);
}

/* It ends with the last word of its last page, and nothing follows. */
HIDING_PLACE(the_last_bytes_of_a_mapping)
{
	char *p = map(3 * page_size(), ANON);

	assert_int_equal(mprotect(p + 2 * page_size(), page_size(), PROT_NONE), 0);
	check_area(p + 2 * page_size() - HIDE_ROOM);
}

static void check_protected(int prot)
{
	char *p = map(4 * page_size(), ANON);

	hide_put(p + page_size());
	assert_int_equal(mprotect(p, 4 * page_size(), prot), 0);
	assert_kept();
	assert_int_equal(mprotect(p, 4 * page_size(), RW), 0);
	hide_clear(p + page_size());
	assert_gone();
}

HIDING_PLACE(memory_made_read_only)
{
	check_protected(PROT_READ);
}

HIDING_PLACE(memory_made_inaccessible)
{
	check_protected(PROT_NONE);
}

/* 4 pages of a file without a name. */
static char *map_file_pages(int flags)
{
	char path[PATH_MAX];
	const int fd = pattern_file(path, 4 * page_size());
	char *p = mmap(NULL, 4 * page_size(), RW, flags, fd, 0);

	unlink(path);
	close(fd);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

HIDING_PLACE(an_inaccessible_page_of_a_file)
{
	char *p = map_file_pages(MAP_PRIVATE);

	hide_put(p + page_size());
	assert_int_equal(mprotect(p, 4 * page_size(), PROT_NONE), 0);
	assert_kept();
	assert_int_equal(munmap(p, 4 * page_size()), 0);
	assert_gone();
}

/* What a file has, nobody here has put there by a pointer of this process. */
HIDING_PLACE(malloc_memory_and_not_in_an_unwritten_page_of_a_file)
{
	char path[PATH_MAX];
	const int fd = pattern_file(path, 4 * page_size());
	void *area = malloc(HIDE_ROOM);
	char *p = mmap(NULL, 4 * page_size(), RW, MAP_SHARED, fd, 0);

	unlink(path);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_non_null(area);
	hide_put(p + page_size());
	munmap(p, 4 * page_size());
	hide_put(area);
	assert_kept();
	p = mmap(NULL, 4 * page_size(), RW, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	for (size_t i = 0; i < 4; i++)
		(void)*(volatile char *)(p + i * page_size());
	hide_clear(area);
	assert_gone();
	munmap(p, 4 * page_size());
	close(fd);
}

HIDING_PLACE(a_written_page_of_a_private_file_mapping)
{
	char *p = map_file_pages(MAP_PRIVATE);

	check_area(p + 2 * page_size());
}

static bool is_huge(const void *p)
{
	uint64_t flags;
	const int fd = open("/proc/kpageflags", O_RDONLY);
	const int map_fd = open("/proc/self/pagemap", O_RDONLY);
	bool huge = false;

	if (pread(map_fd, &flags, 8, (off_t)((uintptr_t)p / page_size() * 8)) == 8 &&
	    pread(fd, &flags, 8, (off_t)((flags & (((uint64_t)1 << 55) - 1)) * 8)) == 8)
		huge = flags >> 22 & 1;
	close(fd);
	close(map_fd);
	return huge;
}

HIDING_PLACE(a_transparent_huge_page)
{
	char *p = map(3 * HUGE_BYTES, ANON);

	p += HUGE_BYTES - (uintptr_t)p % HUGE_BYTES;
	(void)madvise(p, HUGE_BYTES, MADV_HUGEPAGE);
	p[0] = 1;
	if (!is_huge(p))
		test_skip("the kernel gives no huge page, or does not tell");
	check_area(p + HUGE_BYTES / 2 + 1000 * 8);
}

HIDING_PLACE(a_page_of_the_huge_page_pool)
{
	char *p = map_huge_pages(HUGE_BYTES);

	if (p == MAP_FAILED)
		test_skip("no huge pages are set aside: %s", strerror(errno));
	check_area(p + HUGE_BYTES / 2 + 1000 * 8);
}

/* ------------------------------------------------------------------ shared mappings */

HIDING_PLACE(shared_anonymous_memory)
{
	check_area(map(4 * page_size(), MAP_SHARED | MAP_ANONYMOUS) + page_size());
}

/* No page of it is in this process's page tables, and it holds what it held. */
HIDING_PLACE(shared_memory_that_is_not_mapped_in)
{
	char *p = map(4 * page_size(), MAP_SHARED | MAP_ANONYMOUS);

	hide_put(p + page_size());
	assert_int_equal(madvise(p, 4 * page_size(), MADV_DONTNEED), 0);
	assert_kept();
	hide_clear(p + page_size());
	assert_gone();
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGEOUT_MS 2000

/* The kernel keeps a page that it has just written until it meets it once more. */
static bool is_paged_out(void *page)
{
	unsigned char in = 1;

	(void)*(volatile char *)page;
	assert_int_equal(madvise(page, page_size(), MADV_PAGEOUT), 0);
	assert_int_equal(mincore(page, page_size(), &in), 0);
	return !(in & 1);
}

/* To the kernel's quick answers it is a hole. */
HIDING_PLACE(shared_memory_on_a_disk)
{
	const size_t len = 4 * page_size();
	char *p = map(len, MAP_SHARED | MAP_ANONYMOUS);

	hide_put(p + page_size());
	assert_true(hide_alone());
	if (!wait_until(is_paged_out, p + page_size(), PAGEOUT_MS))
		test_skip("nothing was swapped out: is there swap?");
	hide_unpin();
	assert_true(hide_kept());
	hide_clear(p + page_size());
	assert_gone();
}

HIDING_PLACE(shared_memory_made_read_only)
{
	char *p = map(4 * page_size(), MAP_SHARED | MAP_ANONYMOUS);

	hide_put(p + page_size());
	assert_int_equal(mprotect(p, 4 * page_size(), PROT_READ), 0);
	assert_kept();
	assert_int_equal(munmap(p, 4 * page_size()), 0);
	assert_gone();
}

/* The buffer of the call is on this stack, and cleared. */
static NOINLINE void pwrite_words(int fd, off_t offset)
{
	char area[HIDE_ROOM] __attribute__((aligned(8))) = { 0 };

	hide_put(area);
	assert_int_equal(pwrite(fd, area, HIDE_ROOM, offset), HIDE_ROOM);
	hide_clear(area);
}

static NOINLINE void pwrite_zeros(int fd, off_t offset)
{
	static const char zeros[HIDE_ROOM];

	assert_int_equal(pwrite(fd, zeros, HIDE_ROOM, offset), HIDE_ROOM);
}

static void check_pwritten(int prot)
{
	const off_t offset = (off_t)page_size() + 64;
	const int fd = pattern_memfd(4 * page_size(), 0);
	void *p = mmap(NULL, 4 * page_size(), prot, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	pwrite_words(fd, offset);
	assert_kept();
	pwrite_zeros(fd, offset);
	assert_gone();
	close(fd);
}

HIDING_PLACE(a_memfd_written_by_pwrite)
{
	check_pwritten(RW);
}

HIDING_PLACE(a_memfd_mapped_read_only_and_written_by_pwrite)
{
	check_pwritten(PROT_READ);
}

/* Written before there was a mapping, through one that is gone. */
HIDING_PLACE(a_memfd_written_through_another_mapping)
{
	const size_t bytes = 4 * page_size();
	const int fd = pattern_memfd(bytes, 0);
	char *writer = mmap(NULL, bytes, RW, MAP_SHARED, fd, 0);
	char *p;

	assert_ptr_not_equal(writer, MAP_FAILED);
	hide_put(writer + page_size());
	p = mmap(NULL, bytes, RW, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(writer, bytes), 0);
	close(fd);
	assert_kept();
	hide_clear(p + page_size());
	assert_gone();
}

HIDING_PLACE(shared_memory_of_a_file)
{
	char *p = map_file_pages(MAP_SHARED);

	check_area(p + page_size());
}

/* ----------------------------------------------------------------------- coroutines */

static struct {
	ucontext_t host, self;
} coroutine;

/* Holds the words on its stack while it does not run. */
static void hide_in_coroutine(void)
{
	volatile char area[HIDE_ROOM] __attribute__((aligned(8)));

	hide_put(area);
	swapcontext(&coroutine.self, &coroutine.host);
	hide_clear(area);
}

static void check_coroutine(void *stack, size_t bytes)
{
	assert_int_equal(getcontext(&coroutine.self), 0);
	coroutine.self.uc_stack.ss_sp = stack;
	coroutine.self.uc_stack.ss_size = bytes;
	coroutine.self.uc_link = &coroutine.host;
	makecontext(&coroutine.self, hide_in_coroutine, 0);
	assert_int_equal(swapcontext(&coroutine.host, &coroutine.self), 0);
	assert_kept();
	assert_int_equal(swapcontext(&coroutine.host, &coroutine.self), 0);
	assert_gone();
}

HIDING_PLACE(a_coroutine_on_malloced_memory)
{
	void *stack = malloc(64 << 10);

	assert_non_null(stack);
	check_coroutine(stack, 64 << 10);
	free(stack);
}

HIDING_PLACE(a_coroutine_on_mapped_memory)
{
	check_coroutine(map(64 << 10, ANON), 64 << 10);
}
