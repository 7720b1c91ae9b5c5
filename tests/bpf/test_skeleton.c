// SPDX-License-Identifier: BSD-2-Clause
/* Skeletons whose data outlives them: bpf/counter.bpf.c, bpf/kconfig.bpf.c. */
#include "support_bpf.h"

#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <sys/mount.h>

#include "counter.h"
#include "counter.skel.h"
#include "kconfig.skel.h"

/* The one pointer of the test. */
static struct counter_slot *volatile kept;

static struct counter_bpf *opened(void)
{
	struct counter_bpf *skel;

	libbpf_set_print(NULL);
	skel = counter_bpf__open();
	assert_non_null(skel);
	return skel;
}

static void load(struct counter_bpf *skel)
{
	int r = counter_bpf__load(skel);

	skip_without_bpf(r, "a program");
	assert_int_equal(r, 0);
}

static void adopt(const struct counter_bpf *skel)
{
	int r = foster_bpf_skeleton(skel->skeleton);

	if (r < 0)
		test_say("%s", foster_bpf_strerror());
	assert_int_equal(r, 0);
}

static void run_program(int fd)
{
	assert_int_equal(run_on_packet(fd), 0);
}

static void run(const struct counter_bpf *skel)
{
	run_program(bpf_program__fd(skel->progs.count));
}

static int bss_fd(const struct counter_bpf *skel)
{
	return bpf_map__fd(skel->maps.bss);
}

static bool is_memory_of(const void *p, int fd)
{
	struct foster_bpf_map_info info = FOSTER_BPF_MAP_INFO_INIT;

	return foster_bpf_map_info(p, &info) == 0 && info.map_id == map_id(fd) &&
	       info.base == p;
}

/* As the system call sees it. */
static __u64 runs_of(int fd)
{
	struct counter_globals globals;

	kernel_gets(fd, 0, &globals);
	return globals.runs;
}

/* --------------------------------------------------------------------------- pointers */

TEST(the_pointers_of_a_skeleton_become_tracked_memory)
{
	struct counter_bpf *skel = LOADED(counter_bpf);

	assert_false(is_memory_of(skel->bss, bss_fd(skel)));
	adopt(skel);
	assert_true(is_memory_of(skel->bss, bss_fd(skel)));
	assert_true(is_memory_of(skel->data, bpf_map__fd(skel->maps.data)));
	assert_true(is_memory_of(skel->rodata, bpf_map__fd(skel->maps.rodata)));
	assert_int_equal(skel->rodata->counter_step, 1);
	assert_int_equal(skel->data->pick, COUNTER_PICK);
	run(skel);
	assert_int_equal(skel->bss->runs, 1);
	counter_bpf__destroy(skel);
}

TEST(what_was_written_before_is_in_the_tracked_memory)
{
	struct counter_bpf *skel = opened();

	skel->data->pick = 3;
	load(skel);
	skel->bss->runs = 40;
	adopt(skel);
	assert_int_equal(skel->data->pick, 3);
	run(skel);
	assert_int_equal(skel->bss->runs, 41);
	assert_int_equal(skel->bss->slots[3].hits, 1);
	counter_bpf__destroy(skel);
}

static NOINLINE void keep_slot(const struct counter_bpf *skel)
{
	adopt(skel);
	kept = &skel->bss->slots[COUNTER_PICK];
}

TEST(a_pointer_outlives_the_skeleton)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	struct mark mark;

	keep_slot(skel);
	mark = mark_of(kept);
	run(skel);
	counter_bpf__destroy(skel);
	assert_stays(&mark);
	assert_int_equal(kept->hits, 1);
	kept->hits = 2;
}

/* libbpf unmaps its own memory, and frees the structure that has our pointers. */
TEST(the_memory_goes_after_the_last_pointer)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	const __u32 id = map_id(bss_fd(skel));
	struct mark mark;

	keep_slot(skel);
	mark = mark_of(kept);
	memset((void *)&skel->data, 0,
	       3 * sizeof(void *)); /* see foster_bpf_skeleton(3) */
	counter_bpf__destroy(skel);
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
	assert_int_equal(mapped_maps(), 0);
}

TEST(constants_stay_read_only)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct counter_bpf *skel = LOADED(counter_bpf);

	adopt(skel);
	assert_int_equal(foster_info(skel->rodata, &info), 0);
	assert_int_equal(info.prot, PROT_READ);
	assert_int_equal(foster_info(skel->data, &info), 0);
	assert_int_equal(info.prot, PROT_READ | PROT_WRITE);
	counter_bpf__destroy(skel);
}

TEST(a_second_call_changes_nothing)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	const void *bss;
	uint64_t mapped;

	adopt(skel);
	bss = skel->bss;
	mapped = stats_now().mapped;
	adopt(skel);
	assert_ptr_equal(skel->bss, bss);
	assert_int_equal(stats_now().mapped, mapped);
	counter_bpf__destroy(skel);
}

/* -------------------------------------------------------------------- maps of others */

TEST(the_memory_of_a_reused_map_is_that_of_the_map)
{
	struct counter_bpf *first = LOADED(counter_bpf), *second = opened();

	assert_int_equal(bpf_map__reuse_fd(second->maps.bss, bss_fd(first)), 0);
	load(second);
	adopt(second);
	assert_true(is_memory_of(second->bss, bss_fd(first)));
	second->bss->runs = 10;
	run(first);
	run(second);
	assert_int_equal(second->bss->runs, 12);
	assert_int_equal(runs_of(bss_fd(first)), 12);
	counter_bpf__destroy(first);
	run(second);
	assert_int_equal(second->bss->runs, 13);
	counter_bpf__destroy(second);
}

static void enter_bpffs(void)
{
	char at[] = "/tmp/foster-XXXXXX";

	assert_non_null(mkdtemp(at));
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", at, "bpf", 0, NULL) < 0) {
		rmdir(at);
		test_skip("no BPF file system can be mounted: %s", strerror(errno));
	}
	assert_int_equal(chdir(at), 0);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	rmdir(at);
}

TEST(the_memory_of_a_pinned_map_is_that_of_the_map)
{
	struct counter_bpf *first = opened(), *second = opened();
	char path[PATH_MAX];

	enter_bpffs();
	snprintf(path, sizeof(path), "/proc/self/cwd/bss");
	assert_int_equal(bpf_map__set_pin_path(first->maps.bss, path), 0);
	assert_int_equal(bpf_map__set_pin_path(second->maps.bss, path), 0);
	load(first);
	load(second);
	adopt(second);
	assert_int_equal(map_id(bss_fd(second)), map_id(bss_fd(first)));
	second->bss->runs = 10;
	run(first);
	assert_int_equal(second->bss->runs, 11);
	assert_int_equal(runs_of(bss_fd(first)), 11);
	counter_bpf__destroy(first);
	counter_bpf__destroy(second);
}

TEST(a_reused_map_that_is_too_small_is_refused)
{
	struct counter_bpf *skel = opened();
	int fd = array_map(64, 1, 0);
	const void *bss, *data;

	assert_int_equal(bpf_program__set_autoload(skel->progs.count, false), 0);
	assert_int_equal(bpf_map__reuse_fd(skel->maps.bss, fd), 0);
	load(skel);
	bss = skel->bss;
	data = skel->data;
	assert_fails(EMSGSIZE, foster_bpf_skeleton(skel->skeleton));
	assert_non_null(strstr(foster_bpf_strerror(), ".bss of the program"));
	assert_ptr_equal(skel->bss, bss);
	assert_ptr_equal(skel->data, data);
	assert_int_equal(stats_now().regions, 0);
	close(fd);
	counter_bpf__destroy(skel);
}

/* --------------------------------------------------------------------- other sections */

TEST(sections_of_all_names_and_the_kernels_configuration)
{
	struct kconfig_bpf *skel = LOADED(kconfig_bpf);

	assert_int_equal(foster_bpf_skeleton(skel->skeleton), 0);
	run_program(bpf_program__fd(skel->progs.look));
	assert_true(is_memory_of(skel->data_runs, bpf_map__fd(skel->maps.data_runs)));
	assert_int_equal(skel->data_runs->runs, 1);
	assert_int_not_equal(skel->bss->version, 0);
	/* Whether it can be mapped is up to libbpf; without, there is no pointer. */
	if (skel->kconfig) {
		assert_true(is_memory_of(skel->kconfig, bpf_map__fd(skel->maps.kconfig)));
		assert_int_equal(skel->kconfig->LINUX_KERNEL_VERSION, skel->bss->version);
	}
	kconfig_bpf__destroy(skel);
}

/* As `bpftool gen subskeleton` writes it. */
struct sub {
	struct bpf_map *bss;
	struct bpf_map *data;
	struct counter_slot *slots;
	__u32 *pick;
	struct bpf_map_skeleton maps[2];
	struct bpf_var_skeleton vars[2];
	struct bpf_object_subskeleton s;
};

static void open_sub(struct sub *sub, const struct counter_bpf *skel)
{
	const struct sub fresh = {
		.maps = { { "counter_.bss", &sub->bss, NULL },
			  { "counter_.data", &sub->data, NULL } },
		.vars = { { "slots", &sub->bss, (void **)&sub->slots },
			  { "pick", &sub->data, (void **)&sub->pick } },
		.s = { .sz = sizeof(sub->s),
		       .obj = skel->obj,
		       .map_cnt = 2,
		       .map_skel_sz = sizeof(sub->maps[0]),
		       .maps = sub->maps,
		       .var_cnt = 2,
		       .var_skel_sz = sizeof(sub->vars[0]),
		       .vars = sub->vars },
	};

	*sub = fresh;
	sub->maps[0].name = bpf_map__name(skel->maps.bss);
	sub->maps[1].name = bpf_map__name(skel->maps.data);
	assert_int_equal(bpf_object__open_subskeleton(&sub->s), 0);
}

TEST(the_variables_of_a_subskeleton_become_tracked_memory)
{
	struct counter_bpf *skel = LOADED(counter_bpf);
	struct sub sub;

	open_sub(&sub, skel);
	assert_ptr_equal(sub.slots, skel->bss->slots);
	assert_int_equal(foster_bpf_subskeleton(&sub.s), 0);
	assert_false(is_memory_of(sub.slots, bss_fd(skel))); /* not its beginning */
	assert_true(is_memory_of(sub.pick, bpf_map__fd(skel->maps.data)));
	assert_int_equal(foster_bpf_subskeleton(&sub.s), 0);
	run(skel);
	assert_int_equal(*sub.pick, COUNTER_PICK);
	counter_bpf__destroy(skel);
	assert_int_equal(sub.slots[COUNTER_PICK].hits, 1);
}

/* --------------------------------------------------------------------------- refusals */

TEST(a_skeleton_that_is_not_loaded_is_refused)
{
	struct counter_bpf *skel = opened();
	const void *bss = skel->bss;

	assert_fails(EBADF, foster_bpf_skeleton(skel->skeleton));
	assert_non_null(strstr(foster_bpf_strerror(), "not in the kernel yet"));
	assert_ptr_equal(skel->bss, bss);
	counter_bpf__destroy(skel);
}

TEST(what_is_no_skeleton_is_refused)
{
	struct bpf_object_skeleton small = { .sz = 8 };
	struct bpf_object_skeleton odd = { .sz = sizeof(odd),
					   .map_cnt = 1,
					   .map_skel_sz = 8 };
	struct bpf_object_subskeleton sub = { .sz = 8 };

	assert_fails(EINVAL, foster_bpf_skeleton(NULL));
	assert_fails(EINVAL, foster_bpf_skeleton(&small));
	assert_fails(EINVAL, foster_bpf_skeleton(&odd));
	assert_fails(EINVAL, foster_bpf_subskeleton(NULL));
	assert_fails(EINVAL, foster_bpf_subskeleton(&sub));
}
