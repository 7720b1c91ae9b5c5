// SPDX-License-Identifier: BSD-2-Clause
/* Arenas, by descriptor: one address, many processes. */
#include "support_bpf.h"

#define PAGES 16

/* The one pointer of the test into the arena. */
static char *volatile kept;

static size_t arena_bytes(void)
{
	return PAGES * page_size();
}

/* By somebody else, in a process that knows nothing of foster. */
static void *map_plainly(int fd)
{
	void *p = mmap(free_address(), arena_bytes(), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void *mapped(int fd, void *addr)
{
	void *p = foster_arena_at(fd, addr);

	assert_given(p);
	return p;
}

/* ------------------------------------------------------------------------- by address */

TEST(an_arena_is_mapped_where_it_was_made_for)
{
	void *addr = free_address();
	int fd = arena_map(addr, PAGES);
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;

	assert_ptr_equal(foster_bpf_map(fd), addr);
	assert_int_equal(mark_of(addr).len, arena_bytes());
	assert_int_equal(foster_bpf_map_info(addr, &info), 0);
	assert_int_equal(info.map_type, MAP_TYPE_ARENA);
	assert_int_equal(info.map_id, map_id(fd));
	close(fd);
}

TEST(an_arena_without_an_address_gets_one_and_keeps_it)
{
	int fd = arena_map(NULL, PAGES);
	char *arena = mapped(fd, NULL);

	arena[0] = 'x';
	assert_ptr_equal(foster_bpf_map(fd), arena);
	assert_ptr_equal(mapped(fd, arena), arena);
	assert_int_equal(mapped_maps(), 1);
	close(fd);
}

static NOINLINE struct mark keep_middle(int fd)
{
	char *arena = mapped(fd, NULL);

	kept = arena + arena_bytes() / 2;
	*kept = 'm';
	return mark_of(arena);
}

TEST(a_pointer_into_the_middle_keeps_an_arena)
{
	int fd = arena_map(NULL, PAGES);
	const __u32 id = map_id(fd);
	struct mark mark = keep_middle(fd);

	close(fd);
	assert_stays(&mark);
	assert_int_equal(*kept, 'm');
	assert_true(kernel_lists_map(id));
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
}

TEST(an_arena_is_mapped_again_where_it_was)
{
	int fd = arena_map(NULL, PAGES);
	struct mark mark = keep_middle(fd);
	void *occupied;

	kept = NULL;
	assert_goes(&mark);
	occupied = mmap(hidden_show(mark.base), page_size(), PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	assert_ptr_equal(occupied,
			 hidden_show(mark.base)); /* or it may be found by chance */
	assert_null_with(EADDRNOTAVAIL, foster_bpf_map(fd));
	assert_non_null(strstr(foster_bpf_strerror(), "foster_arena_at()"));
	munmap(occupied, page_size());
	kept = mapped(fd, hidden_show(mark.base));
	assert_int_equal(kept[arena_bytes() / 2], 'm');
	close(fd);
}

/* ---------------------------------------------------------------------------- of others */

struct other {
	int fd;
	void *addr;
};

static void map_in_child(void *arg)
{
	struct other *other = arg;

	other->addr = map_plainly(other->fd);
	*(char *)other->addr = 'c';
}

TEST(an_arena_that_another_process_bound_is_mapped_at_its_address)
{
	struct other *other = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	other->fd = arena_map(NULL, PAGES);
	assert_child_passes(map_in_child, other);
	assert_null_with(EADDRNOTAVAIL, foster_arena_at(other->fd, NULL));
	assert_null_with(EADDRNOTAVAIL, foster_arena_at(other->fd, free_address()));
	assert_int_equal(*(char *)mapped(other->fd, other->addr), 'c');
	close(other->fd);
}

static bool is_untracked(void *mark)
{
	return !mark_is_tracked(mark);
}

TEST(what_somebody_has_mapped_is_adopted_and_left_to_them)
{
	int fd = arena_map(NULL, PAGES);
	struct hidden theirs = hidden_of(map_plainly(fd));
	struct mark mark = mark_of(mapped(fd, hidden_show(theirs)));

	assert_int_equal(mapped_maps(), 1);
	assert_fails(ENOTSUP, foster_close(hidden_show(theirs)));
	forget();
	assert_true(collecting_until(is_untracked, &mark, ROUNDS));
	assert_int_equal(mapped_maps(), 1);
	assert_ptr_equal(mapped(fd, hidden_show(theirs)), hidden_show(theirs));
	close(fd);
}

TEST(a_place_that_is_taken_is_not_overwritten)
{
	char *addr = mmap(NULL, arena_bytes(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = arena_map(addr, PAGES);

	addr[0] = 'a';
	assert_null_with(EADDRINUSE, foster_bpf_map(fd));
	assert_int_equal(addr[0], 'a');
	munmap(addr, arena_bytes());
	assert_ptr_equal(foster_bpf_map(fd), addr);
	close(fd);
}

/* ------------------------------------------------------------------------ as a whole */

TEST(an_arena_is_not_split)
{
	int fd = arena_map(NULL, PAGES);
	char *arena = mapped(fd, NULL);

	arena[page_size()] = 'p';
	assert_fails(ENOTSUP, foster_munmap(arena, page_size()));
	assert_int_equal(arena[page_size()], 'p');
	assert_int_equal(foster_close(arena), 0);
	assert_int_equal(mapped_maps(), 0);
	close(fd);
}

static uint64_t resident(const char *p)
{
	unsigned char in[PAGES];
	uint64_t count = 0;

	assert_int_equal(mincore((void *)p, arena_bytes(), in), 0);
	for (int i = 0; i < PAGES; i++)
		count += in[i] & 1;
	return count;
}

/* A page of it that is read is a page that is allocated. */
TEST(looking_for_pointers_allocates_nothing)
{
	int fd = arena_map(NULL, PAGES);
	char *arena = mapped(fd, NULL);
	const uint64_t before = resident(arena);

	kept = arena;
	collect_times(ROUNDS);
	assert_int_equal(resident(arena), before);
	close(fd);
}

/* Kernels that give the child an arena do not survive it (CVE-2026-45837). */
static bool is_left_out_of_fork(const void *p)
{
	unsigned long start = 0, end = 0;
	char line[512];
	bool here = false, found = false;
	FILE *file = fopen("/proc/self/smaps", "re");

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (uintptr_t)p;
		found = here && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dc");
	}
	fclose(file);
	return found;
}

static void collect_in_child(void *arg)
{
	child_check(foster_collect(5000) >= 0);
	(void)arg;
}

TEST(the_child_of_fork_goes_on_without_the_arena)
{
	int fd = arena_map(NULL, PAGES);

	if (!is_left_out_of_fork(hidden_show(keep_middle(fd).base)))
		test_skip("this kernel may not fork with an arena");
	assert_child_passes(collect_in_child, NULL);
	assert_int_equal(*kept, 'm');
	close(fd);
}

struct in_child {
	int fd;
	struct hidden arena;
};

static void map_again_in_child(void *arg)
{
	const struct in_child *in = arg;
	char *arena = foster_bpf_map(in->fd);

	child_check(arena == hidden_show(in->arena));
	child_check(arena[arena_bytes() / 2] == 'm');
}

TEST(the_child_of_fork_maps_the_arena_anew_where_it_was)
{
	struct in_child in = { .fd = arena_map(NULL, PAGES) };

	in.arena = keep_middle(in.fd).base;
	if (!is_left_out_of_fork(hidden_show(in.arena)))
		test_skip("this kernel may not fork with an arena");
	assert_child_passes(map_again_in_child, &in);
	assert_int_equal(*kept, 'm');
	close(in.fd);
}

TEST(only_arenas_are_arenas)
{
	int fd = array_map(8, 1, 0);

	assert_null_with(ENOTSUP, foster_arena_at(fd, NULL));
	assert_non_null(strstr(foster_bpf_strerror(), "not an arena"));
	assert_null_with(EINVAL, foster_arena(NULL));
	close(fd);
}
