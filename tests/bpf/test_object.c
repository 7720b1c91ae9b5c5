// SPDX-License-Identifier: BSD-2-Clause
/*
 * Objects of libbpf that are closed when nobody points to their memory: that of data
 * sections (bpf/counter.bpf.c), and of an arena in which a program has built a list
 * (bpf/list.bpf.c).
 */
#include "support_bpf.h"

#include <linux/types.h>

#include "counter.h"
#include "counter.skel.h"
#include "list.h"
#include "list.skel.h"

/* The one pointer of the test. */
static const void *volatile kept;

static __u32 program_id(const struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size),
			 0);
	return info.id;
}

static bool is_loaded(__u32 id)
{
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool is_unloaded(void *id)
{
	return !is_loaded(*(__u32 *)id);
}

/* ----------------------------------------------------------------------- data sections */

TEST(an_object_without_arenas_is_closed_at_once)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	__u32 id = program_id(skel->progs.count);

	assert_int_equal(foster_bpf_skeleton(skel->skeleton), 0);
	skel->bss->slots[COUNTER_PICK].hits = 7;
	kept = &skel->bss->slots[COUNTER_PICK];
	assert_int_equal(foster_bpf_object_close(skel->obj), 0);
	skel->obj = NULL;
	counter_bpf__destroy(skel);
	assert_true(wait_until(is_unloaded, &id, 2000));
	assert_int_equal(((const struct counter_slot *)kept)->hits, 7);
}

TEST(no_object_is_closed_at_once)
{
	assert_int_equal(foster_bpf_object_close(NULL), 0);
}

/* -------------------------------------------------------------------------------- arena */

/* The place is told, or found by a libbpf that knows arenas (from 1.4 on). */
static struct list_bpf *load_list(bool placed)
{
	struct list_bpf *skel;
	int r;

	libbpf_set_print(NULL);
	assert_int_equal(foster_init(NULL), 0);
	skel = list_bpf__open();
	assert_non_null(skel);
	if (placed)
		assert_int_equal(bpf_map__set_map_extra(skel->maps.arena,
							(uintptr_t)free_address()),
				 0);
	r = list_bpf__load(skel);
	if (r < 0)
		test_skip("no such program with an arena can be loaded here: %s",
			  strerror(-r));
	return skel;
}

/* Does libbpf map it? */
static bool is_libbpfs(const struct list_bpf *skel)
{
	size_t bytes;

	return bpf_map__initial_value(skel->maps.arena, &bytes) != NULL;
}

static const struct list_node *take_arena(const struct list_bpf *skel)
{
	void *arena = foster_arena(skel->maps.arena);

	assert_given(arena);
	run_syscall(skel->progs.build);
	return skel->bss->first;
}

TEST(a_list_that_a_program_built_is_walked_by_plain_pointers)
{
	struct list_bpf *skel = load_list(true);
	const struct list_node *node = take_arena(skel);
	__u64 value = LIST_LENGTH;

	for (; node; node = node->next)
		assert_int_equal(node->value, --value);
	assert_int_equal(value, 0);
	assert_ptr_equal(foster_arena(skel->maps.arena), foster_arena(skel->maps.arena));
	list_bpf__destroy(skel);
}

/* .bss of the program, which libbpf has mapped, points to the list as well. */
static NOINLINE __u32 walk_half_and_close(bool placed)
{
	struct list_bpf *skel = load_list(placed);
	const struct list_node *node = take_arena(skel);
	__u32 id = map_id(bpf_map__fd(skel->maps.arena));
	int expected;

	for (int i = 0; i < LIST_LENGTH / 2; i++)
		node = node->next;
	kept = node;
	expected = is_libbpfs(skel);
	assert_int_equal(foster_bpf_object_close(skel->obj), expected);
	skel->obj = NULL;
	list_bpf__destroy(skel);
	return id;
}

static void close_in_the_middle(bool placed)
{
	__u32 id = walk_half_and_close(placed);
	const struct list_node *node = kept;
	__u64 value = LIST_LENGTH / 2;

	collect_times(ROUNDS);
	for (; node; node = node->next)
		assert_int_equal(node->value, --value);
	assert_int_equal(value, 0);
	assert_true(kernel_lists_map(id));
	kept = NULL;
	assert_map_goes(id);
	assert_int_equal(mapped_maps(), 0);
}

TEST(an_object_is_closed_in_the_middle_of_a_walk_which_ends_well)
{
	close_in_the_middle(true);
}

TEST(an_object_whose_arena_libbpf_has_placed_is_closed_in_the_middle)
{
	close_in_the_middle(false);
}

TEST(an_arena_that_libbpf_has_mapped_stays_while_its_object_is_open)
{
	struct list_bpf *skel = load_list(true);
	struct mark mark;

	(void)take_arena(skel);
	mark = mark_of(foster_arena(skel->maps.arena));
	skel->bss->first = NULL;
	collect_times(ROUNDS);
	assert_true(mark_is_mapped(&mark));
	assert_int_equal(((struct list_node *)hidden_show(mark.base))->value, 0);
	list_bpf__destroy(skel);
}
