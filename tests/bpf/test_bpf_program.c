// SPDX-License-Identifier: BSD-2-Clause
/* The globals of a real program: bpf/counter.bpf.c. */
#include "support_bpf.h"

#include <linux/types.h>

#include "counter.h"
#include "counter.skel.h"

static struct counter_slot *volatile kept;

static void run(const struct counter_bpf *skel)
{
	assert_int_equal(run_on_packet(bpf_program__fd(skel->progs.count)), 0);
}

/* The slot that the program counts in. */
static NOINLINE void keep_slot(const struct counter_bpf *skel)
{
	struct counter_bpf__bss *bss = foster_bpf_map(bpf_map__fd(skel->maps.bss));

	assert_non_null(bss);
	kept = &bss->slots[COUNTER_PICK];
}

TEST(the_program_counts_in_the_memory)
{
	struct counter_bpf *skel = LOADED(counter_bpf);

	keep_slot(skel);
	run(skel);
	run(skel);
	assert_int_equal(FOSTER_READ(kept->hits), 2);
	counter_bpf__destroy(skel);
}

TEST(the_program_reads_what_is_written_to_the_memory)
{
	struct counter_bpf *skel = LOADED(counter_bpf);

	keep_slot(skel);
	FOSTER_WRITE(kept->hits, 100);
	run(skel);
	assert_int_equal(FOSTER_READ(kept->hits), 101);
	counter_bpf__destroy(skel);
}

TEST(the_data_of_a_program_steers_it)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	struct counter_bpf__data *data = foster_bpf_map(bpf_map__fd(skel->maps.data));

	assert_non_null(data);
	keep_slot(skel);
	assert_int_equal(FOSTER_READ(data->pick), COUNTER_PICK);
	FOSTER_WRITE(data->pick, COUNTER_PICK + 1);
	run(skel);
	assert_int_equal(FOSTER_READ(kept[0].hits), 0);
	assert_int_equal(FOSTER_READ(kept[1].hits), 1);
	counter_bpf__destroy(skel);
}

TEST(the_constants_of_a_program_are_read_only)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	const struct counter_bpf__rodata *rodata =
		foster_bpf_map(bpf_map__fd(skel->maps.rodata));
	struct foster_info info = FOSTER_INFO_INIT;

	assert_non_null(rodata);
	assert_int_equal(rodata->counter_step, 1);
	assert_int_equal(foster_info(rodata, &info), 0);
	assert_int_equal(info.prot, PROT_READ);
	counter_bpf__destroy(skel);
}

TEST(the_globals_outlive_the_skeleton)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	struct mark mark;

	keep_slot(skel);
	mark = mark_of(kept);
	run(skel);
	counter_bpf__destroy(skel);
	assert_stays(&mark);
	assert_int_equal(mapped_maps(), 1);
	assert_int_equal(FOSTER_READ(kept->hits), 1);
}

TEST(the_globals_go_after_the_last_pointer)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	__u32 id = map_id(bpf_map__fd(skel->maps.bss));
	struct mark mark;

	keep_slot(skel);
	mark = mark_of(kept);
	counter_bpf__destroy(skel);
	assert_true(kernel_lists_map(id));
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
}

TEST(a_running_program_keeps_counting_after_the_mapping_is_closed)
{
	struct counter_bpf *skel = LOADED(counter_bpf);

	keep_slot(skel);
	run(skel);
	assert_int_equal(foster_close(kept), 0);
	run(skel);
	assert_int_equal(skel->bss->slots[COUNTER_PICK].hits, 2);
	counter_bpf__destroy(skel);
}

TEST(the_layout_told_without_a_skeleton_is_that_of_the_program)
{
	assert_int_equal(sizeof(struct counter_globals), sizeof(struct counter_bpf__bss));
	assert_int_equal(offsetof(struct counter_globals, runs),
			 offsetof(struct counter_bpf__bss, runs));
	assert_int_equal(offsetof(struct counter_globals, slots),
			 offsetof(struct counter_bpf__bss, slots));
	assert_int_equal(offsetof(struct counter_globals, last),
			 offsetof(struct counter_bpf__bss, last));
}
