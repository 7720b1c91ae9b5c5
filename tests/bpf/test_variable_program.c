// SPDX-License-Identifier: BSD-2-Clause
/*
 * The variables of a real program, as clang and libbpf make them: bpf/kinds.bpf.c. The
 * program runs while they are looked at, and after its loader is gone.
 */
#include "support_btf.h"

#include <linux/types.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kinds.h"
#include "kinds.skel.h"

static void *volatile kept;

static void run_once(const struct kinds_bpf *skel)
{
	assert_int_equal(run_on_packet(bpf_program__fd(skel->progs.touch)), 0);
}

static struct foster_datasec *section_of(const struct bpf_map *map)
{
	struct foster_datasec *ds = foster_datasec_of(map);

	assert_given(ds);
	return ds;
}

#define PADDED FOSTER_STRUCT(struct kinds_padded, first, second, third, last, end)
#define BITS FOSTER_STRUCT(struct kinds_bits, FOSTER_BITS(low), FOSTER_BITS(high), whole)
#define NUMBER FOSTER_STRUCT(union kinds_number, whole, parts, parts[7])

/*
 * ------------------------------------------------------------------------------- kinds
 */

TEST(integers_of_a_program_are_had_by_width_and_sign)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct foster_datasec *bss = section_of(skel->maps.bss);

	run_once(skel);
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, __u64, runs)), 1);
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, __s64, balance)), -1);
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, __u32, width)), 1);
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, __s16, small)), -1);
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, __u8, octet)), 1);
	assert_refuses(EDOM, "unlike", FOSTER_VAR(bss, __s64, runs));
	assert_refuses(EDOM, "unlike", FOSTER_VAR(bss, __u64, balance));
	assert_refuses(EMSGSIZE, "of 8 bytes", FOSTER_VAR(bss, __u32, runs));
}

TEST(letters_flags_enums_and_pointers_of_a_program_are_had)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct foster_datasec *bss = section_of(skel->maps.bss);

	run_once(skel);
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, char, letter)), 'k');
	assert_non_null(FOSTER_VAR(bss, signed char, letter));
	assert_non_null(FOSTER_VAR(bss, unsigned char, letter));
	assert_true(FOSTER_READ(*FOSTER_VAR(bss, bool, flag)));
	assert_int_equal(FOSTER_READ(*FOSTER_VAR(bss, enum kinds_mode, mode)), KINDS_ON);
	assert_ptr_equal(FOSTER_READ(*FOSTER_VAR(bss, void *, pointer)), 8);
	assert_refuses(EPROTOTYPE, "is _Bool, not", FOSTER_VAR(bss, __u8, flag));
	assert_refuses(EPROTOTYPE, "is void *, not", FOSTER_VAR(bss, __u64, pointer));
}

TEST(a_struct_with_holes_is_had_member_by_member)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct foster_datasec *bss = section_of(skel->maps.bss);
	struct kinds_padded *padded = FOSTER_VAR(bss, PADDED, padded);

	assert_non_null(padded);
	run_once(skel);
	run_once(skel);
	assert_int_equal(FOSTER_READ(padded->last), 2);
}

TEST(bit_fields_of_a_program_are_where_the_compiler_puts_them)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct kinds_bits *bits = FOSTER_VAR(section_of(skel->maps.bss), BITS, bits);

	assert_non_null(bits);
	run_once(skel);
	assert_int_equal(bits->low, 5);
	assert_int_equal(bits->high, -3);
}

TEST(a_union_of_a_program_is_had_member_by_member)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	union kinds_number *number =
		FOSTER_VAR(section_of(skel->maps.bss), NUMBER, number);

	assert_non_null(number);
	run_once(skel);
	assert_int_equal(FOSTER_READ(number->parts[7]), 0x11);
}

TEST(arrays_of_a_program_are_had_with_their_lengths)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct foster_datasec *bss = section_of(skel->maps.bss);
	__u32(*grid)[3][4] = FOSTER_VAR(bss, __u32[3][4], grid);
	size_t count = 0;
	struct kinds_padded *rows = FOSTER_ARRAY(bss, PADDED, rows, &count);

	run_once(skel);
	assert_non_null(grid);
	assert_int_equal(FOSTER_READ((*grid)[2][3]), 1);
	assert_non_null(rows);
	assert_int_equal(count, KINDS_ROWS);
	assert_int_equal(FOSTER_READ(rows[KINDS_ROWS - 1].last), 1);
}

TEST(a_section_of_whole_pages_is_had_to_its_last_byte)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	size_t count = 0;
	__u8 *pages =
		FOSTER_ARRAY(section_of(skel->maps.data_pages), __u8, pages, &count);

	assert_non_null(pages);
	assert_int_equal(count, KINDS_PAGES);
	assert_int_equal((uintptr_t)pages % page_size(), 0);
	run_once(skel);
	assert_int_equal(FOSTER_READ(pages[KINDS_PAGES - 1]), 1);
	pages[KINDS_PAGES - 1] = 9;
	assert_int_equal(FOSTER_READ(skel->data_pages->pages[KINDS_PAGES - 1]), 9);
}

TEST(static_variables_of_a_program_are_had_by_name)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct foster_datasec *bss = section_of(skel->maps.bss);
	__u64 *hidden = FOSTER_VAR(bss, __u64, hidden_runs);
	__u32 *calls = foster_var(bss, "count_calls.calls", FOSTER_TYPE(__u32));

	assert_non_null(hidden);
	assert_non_null(calls);
	run_once(skel);
	run_once(skel);
	assert_int_equal(FOSTER_READ(*hidden), 2);
	assert_int_equal(FOSTER_READ(*calls), 2);
}

TEST(constants_of_a_program_are_had_as_const_only)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	struct foster_datasec *rodata = section_of(skel->maps.rodata);
	const __u32 *limit = FOSTER_VAR(rodata, const __u32, limit);

	assert_non_null(limit);
	assert_int_equal(FOSTER_READ(*limit), 4711);
	assert_refuses(EACCES, "is for reading only: ask for const __u32",
		       FOSTER_VAR(rodata, __u32, limit));
}

TEST(data_that_a_program_reads_steers_it)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	__u32 *step = FOSTER_VAR(section_of(skel->maps.data), __u32, step);
	__u64 *runs = FOSTER_VAR(section_of(skel->maps.bss), __u64, runs);
	char(*greeting)[6] = FOSTER_VAR(section_of(skel->maps.data), char[6], greeting);

	FOSTER_WRITE(*step, 10);
	run_once(skel);
	run_once(skel);
	assert_int_equal(FOSTER_READ(*runs), 20);
	assert_string_equal(*greeting, "Hello");
}

TEST(every_variable_of_a_program_makes_sense)
{
	struct foster_datasec *bss = section_of(LOADED(kinds_bpf)->maps.bss);
	struct foster_datasec_info info = FOSTER_DATASEC_INFO_INIT;
	struct foster_variable variable = FOSTER_VARIABLE_INIT;

	assert_int_equal(foster_datasec_info(bss, &info), 0);
	assert_string_equal(info.name, ".bss");
	assert_int_equal(info.variables, 16);
	for (size_t i = 0; i < info.variables; i++) {
		struct foster_variable found = FOSTER_VARIABLE_INIT;

		assert_int_equal(foster_datasec_variable(bss, i, &variable), 0);
		assert_true(*variable.name && *variable.type);
		assert_int_equal(variable.bytes, variable.count * variable.element_bytes);
		assert_ptr_equal(variable.addr, (char *)info.base + variable.offset);
		assert_int_equal(foster_datasec_find(bss, variable.name, &found), 0);
		assert_int_equal(found.offset, variable.offset);
	}
}

TEST(a_map_that_is_not_loaded_yet_has_no_variables)
{
	struct kinds_bpf *skel = kinds_bpf__open();

	if (!skel)
		skip_without_bpf(-errno, "a program");
	assert_non_null(skel);
	assert_refuses(EBADF, "is not in the kernel yet",
		       foster_datasec_of(skel->maps.bss));
	kinds_bpf__destroy(skel);
}

/*
 * ------------------------------------------------------------------------------ atomics
 */

#define RUNS 3000

static void *run_often(void *program)
{
	intptr_t failed = 0;

	for (int i = 0; i < RUNS; i++)
		failed += run_on_packet((int)(intptr_t)program) != 0;
	return (void *)failed;
}

/* Both add: not one count is lost if both do it atomically on the same memory. */
TEST(atomic_additions_of_a_thread_and_of_the_program_all_count)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	_Atomic __u64 *runs = FOSTER_VAR(section_of(skel->maps.bss), _Atomic __u64, runs);
	const intptr_t program = bpf_program__fd(skel->progs.touch);
	__u64 added = 0;
	pthread_t thread;

	assert_non_null(runs);
	thread = thread_begin(run_often, (void *)program);
	while (atomic_load(runs) % 1000000 < 10)
		sched_yield();
	for (; added < 100000; added++)
		atomic_fetch_add(runs, 1000000);
	assert_null(thread_end(thread));
	assert_int_equal(atomic_load(runs), added * 1000000 + RUNS);
}

TEST(a_variable_is_exchanged_atomically_under_a_running_program)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	_Atomic __u64 *runs = FOSTER_VAR(section_of(skel->maps.bss), _Atomic __u64, runs);
	const intptr_t program = bpf_program__fd(skel->progs.touch);
	__u64 taken = 0;
	pthread_t thread = thread_begin(run_often, (void *)program);

	for (int i = 0; i < 10000; i++)
		taken += atomic_exchange(runs, 0);
	assert_null(thread_end(thread));
	assert_int_equal(taken + atomic_load(runs), RUNS);
}

/* ------------------------------------------------------------------------------ lives */

static NOINLINE struct mark keep_runs(const struct kinds_bpf *skel)
{
	kept = FOSTER_VAR(section_of(skel->maps.bss), __u64, runs);
	assert_non_null(kept);
	return mark_of(kept);
}

TEST(a_variable_outlives_its_object_and_every_descriptor)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	const __u32 id = map_id(bpf_map__fd(skel->maps.bss));
	struct mark mark = keep_runs(skel);

	run_once(skel);
	kinds_bpf__destroy(skel);
	forget();
	assert_stays(&mark);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 1);
	assert_true(kernel_lists_map(id));
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
}

/* --------------------------------------------------------------------- two processes */

/*
 * The loader is a process of its own: it loads the program, makes it the filter of a
 * socket that the test already has, tells the number of the map, and exits.
 */
struct loader {
	int in, out; /* the socket pair that the filter sees */
	int tell[2];
	const char *pin; /* where the map is pinned; NULL: nowhere */
};

static void load_and_exit(void *arg)
{
	const struct loader *loader = arg;
	struct kinds_bpf *skel = LOADED(kinds_bpf);
	const int program = bpf_program__fd(skel->progs.touch);
	const __u32 id = map_id(bpf_map__fd(skel->maps.bss));

	child_check(setsockopt(loader->out, SOL_SOCKET, SO_ATTACH_BPF, &program,
			       sizeof(program)) == 0);
	child_check(!loader->pin || bpf_map__pin(skel->maps.bss, loader->pin) == 0);
	child_check(write(loader->tell[1], &id, sizeof(id)) == sizeof(id));
	_exit(0);
}

static __u32 run_loader(struct loader *loader)
{
	int ends[2];
	__u32 id = 0;

	kinds_bpf__destroy(LOADED(kinds_bpf)); /* or skip here */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(pipe(loader->tell), 0);
	loader->in = ends[0];
	loader->out = ends[1];
	assert_int_equal(child_status(load_and_exit, loader), 0);
	assert_int_equal(read(loader->tell[0], &id, sizeof(id)), sizeof(id));
	return id;
}

static void packet(const struct loader *loader)
{
	(void)!send(loader->in, "x", 1, MSG_DONTWAIT);
}

/* Loaded, run and looked at by three that share nothing but the kernel. */
static NOINLINE void look(const struct loader *loader, int map)
{
	struct foster_datasec *bss;

	assert_true(map >= 0);
	bss = foster_datasec(map);
	assert_non_null(bss);
	assert_int_equal(close(map), 0);
	kept = FOSTER_VAR(bss, __u64, runs);
	assert_non_null(kept);
	packet(loader);
	packet(loader);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 2);
	assert_non_null(FOSTER_VAR(bss, PADDED, padded));
}

TEST(a_map_of_a_loader_that_is_gone_is_opened_by_its_number)
{
	struct loader loader = { 0 };
	const __u32 id = run_loader(&loader);
	const int fd = bpf_map_get_fd_by_id(id);
	struct mark mark;

	if (fd == -EPERM)
		test_skip("maps cannot be asked for by number without CAP_SYS_ADMIN");
	look(&loader, fd);
	mark = mark_of(kept);
	close(loader.in);
	close(loader.out); /* and with it the program */
	forget();
	assert_stays(&mark);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 2);
	kept = NULL;
	assert_goes(&mark);
	assert_true(map_goes_soon(id));
}

/* A file system of its own, which goes with the mount namespace of this process. */
static void mount_bpf(const char *at)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", at, "bpf", 0, NULL) < 0)
		test_skip("no bpf file system can be mounted here: %s", strerror(errno));
}

TEST(a_map_of_a_loader_that_is_gone_is_opened_where_it_is_pinned)
{
	char at[] = "/tmp/foster-test-XXXXXX", pin[64];
	struct loader loader = { .pin = pin };

	assert_non_null(mkdtemp(at));
	snprintf(pin, sizeof(pin), "%s/bss", at);
	mount_bpf(at);
	run_loader(&loader);
	look(&loader, bpf_obj_get(pin));
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(rmdir(at), 0);
	packet(&loader);
	assert_int_equal(FOSTER_READ(*(__u64 *)kept), 3);
}

/* The kernel maps only what was opened for both. */
TEST(a_pinned_map_opened_for_reading_only_is_refused)
{
	char at[] = "/tmp/foster-test-XXXXXX", pin[64];
	struct loader loader = { .pin = pin };
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);

	assert_non_null(mkdtemp(at));
	snprintf(pin, sizeof(pin), "%s/bss", at);
	mount_bpf(at);
	run_loader(&loader);
	assert_refuses(EACCES, "was not opened for reading and writing",
		       foster_datasec(bpf_obj_get_opts(pin, &opts)));
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(rmdir(at), 0);
}
