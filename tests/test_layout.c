/* SPDX-License-Identifier: BSD-2-Clause */
/* What each mapping is to somebody who looks for pointers in it. */
#include "support.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "layout_look.h"

#define MAP_TYPE_ARENA 33 /* newer than Debian 12's headers */

/* ------------------------------------------------------------------ private memory */

TEST(private_memory_the_heap_and_the_stack_are_private)
{
	int here;

	assert_int_equal(kind_at(map_private(1)), LAYOUT_PRIVATE);
	assert_int_equal(kind_at(map_with(1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1)),
			 LAYOUT_PRIVATE);
	assert_int_equal(kind_at(sbrk(4096)), LAYOUT_PRIVATE);
	assert_int_equal(kind_at(&here), LAYOUT_PRIVATE);
}

TEST(an_entry_tells_place_protection_and_file)
{
	int fd = pattern_memfd(4 * page_size(), 0);
	size_t page = page_size();
	struct layout_entry e;
	char *p;

	p = mmap(NULL, 2 * page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (off_t)page);
	e = entry_at(p + page);
	assert_true(e.start == (uintptr_t)p && e.end == e.start + 2 * page);
	assert_int_equal(e.prot, PROT_READ | PROT_EXEC);
	assert_int_equal(e.offset, page);
	assert_int_equal(e.inode, inode_of(fd));
	assert_int_not_equal(e.device, 0);
}

TEST(a_private_mapping_of_a_file_is_one)
{
	int fd = pattern_memfd(page_size(), 0);

	assert_int_equal(kind_at(map_with(1, LOOK_RW, MAP_PRIVATE, fd)), LAYOUT_FILE);
	assert_int_equal(kind_at(map_with(1, PROT_READ, MAP_PRIVATE, fd)), LAYOUT_FILE);
	assert_int_equal(kind_at((void *)(uintptr_t)kind_at), LAYOUT_FILE);
}

TEST(the_zero_device_mapped_privately_is_private_memory)
{
	int fd = open("/dev/zero", O_RDWR);

	assert_int_equal(kind_at(map_with(1, LOOK_RW, MAP_PRIVATE, fd)), LAYOUT_PRIVATE);
}

TEST(the_kernels_own_pages_are_never_read)
{
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);

	if (!vdso)
		test_skip("this kernel gives no vdso");
	assert_int_equal(kind_at(vdso), LAYOUT_NEVER);
	if (maps_count_named("[vvar]"))
		assert_int_equal(kind_at(vdso - 1), LAYOUT_NEVER);
	assert_int_equal(kind_at((void *)getauxval(AT_RANDOM)), LAYOUT_PRIVATE);
}

/* ------------------------------------------------------------------ shared memory */

static void *map_sysv(int flags)
{
	int id = shmget(IPC_PRIVATE, page_size(), 0600 | IPC_CREAT);
	void *p = shmat(id, NULL, flags);

	shmctl(id, IPC_RMID, NULL);
	assert_ptr_not_equal(p, (void *)-1);
	return p;
}

TEST(writable_shared_memory_is_shared_learned_or_not)
{
	int memfd = pattern_memfd(page_size(), 0);
	char path[PATH_MAX];
	void *kinds[] = {
		map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1),
		map_with(1, LOOK_RW, MAP_SHARED, memfd),
		map_with(1, LOOK_RW, MAP_SHARED, pattern_file(path, page_size())),
		map_sysv(0),
	};

	unlink(path);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT_OF(kinds); i++)
			assert_int_equal(kind_at(kinds[i]), LAYOUT_SHARED);
		learn();
	}
}

/* Without that nothing could be read in a round in which a file was mapped. */
TEST(read_only_shared_memory_not_met_before_is_unknown_but_readable)
{
	void *p = map_with(1, PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0));
	struct scratch s = look_scratch();
	struct layout l;

	assert_int_equal(kind_at(p), LAYOUT_UNKNOWN);
	assert_true(entry_at(p).readable);
	assert_int_equal(layout_read(&l, &s, NULL), 0);
	assert_true(l.unknown > 0);
	learn();
	scratch_close(&s);
	s = look_scratch();
	assert_int_equal(layout_read(&l, &s, NULL), 0);
	assert_int_equal(l.unknown, 0);
	assert_false(entry_at(p).readable);
}

TEST(what_is_mapped_through_a_descriptor_that_cannot_write_is_constant)
{
	char path[PATH_MAX];
	void *file, *sysv = map_sysv(SHM_RDONLY);

	close(pattern_file(path, page_size()));
	file = map_with(1, PROT_READ, MAP_SHARED, open(path, O_RDONLY));
	unlink(path);
	learn();
	assert_int_equal(kind_at(file), LAYOUT_CONST);
	assert_int_equal(kind_at(sysv), LAYOUT_CONST);
}

TEST(shared_memory_that_was_writable_or_can_be_is_shared)
{
	void *made = map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	void *hidden = map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1);
	void *can = map_with(1, PROT_READ, MAP_SHARED, pattern_memfd(page_size(), 0));
	int sealed = pattern_memfd(page_size(), MFD_ALLOW_SEALING);
	void *full;

	mprotect(made, page_size(), PROT_READ);
	mprotect(hidden, page_size(), PROT_NONE);
	assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
	full = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, sealed, 0);
	learn();
	assert_int_equal(kind_at(made), LAYOUT_SHARED);
	assert_int_equal(kind_at(hidden), LAYOUT_SHARED);
	assert_int_equal(kind_at(can), LAYOUT_SHARED);
	if (full != MAP_FAILED) /* before 6.7 refused */
		assert_int_equal(kind_at(full), LAYOUT_SHARED);
}

/* ------------------------------------------------------------------ huge pages */

#define HUGE_BYTES ((size_t)2 << 20)

static void *map_huge(int flags, int fd)
{
	void *p = mmap(NULL, HUGE_BYTES, LOOK_RW, flags | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		test_skip("no huge pages: %s", strerror(errno));
	return p;
}

TEST(huge_pages_are_recognised)
{
	void *private = map_huge(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	void *shared = map_huge(MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	int fd = memfd_create("foster-test", MFD_HUGETLB | MFD_CLOEXEC);
	void *file;

	assert_int_equal(ftruncate(fd, HUGE_BYTES), 0);
	file = map_huge(MAP_SHARED, fd);
	assert_true(entry_at(private).huge);
	assert_int_equal(kind_at(private), LAYOUT_PRIVATE);
	learn();
	assert_true(entry_at(shared).huge);
	assert_int_equal(kind_at(shared), LAYOUT_SHARED);
	assert_true(entry_at(file).huge);
	assert_false(entry_at(map_private(1)).huge);
}

/* ------------------------------------------------------------------ devices */

/* A file in /dev shows as a device's memory does. */
TEST(devices_are_never_read)
{
	char path[] = "/dev/foster-test-XXXXXX";
	int fd = mkstemp(path);
	void *shared, *private;

	if (fd < 0)
		test_skip("cannot make a file in /dev: %s", strerror(errno));
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)page_size()), 0);
	shared = map_with(1, LOOK_RW, MAP_SHARED, fd);
	private = map_with(1, LOOK_RW, MAP_PRIVATE, fd);
	assert_int_equal(kind_at(shared), LAYOUT_NEVER);
	assert_int_equal(kind_at(private), LAYOUT_NEVER);
}

TEST(files_in_dev_shm_are_memory)
{
	char path[] = "/dev/shm/foster-test-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		test_skip("no /dev/shm: %s", strerror(errno));
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)page_size()), 0);
	assert_int_equal(kind_at(map_with(1, LOOK_RW, MAP_SHARED, fd)), LAYOUT_SHARED);
	assert_int_equal(kind_at(map_with(1, LOOK_RW, MAP_PRIVATE, fd)), LAYOUT_FILE);
}

static void *map_counter(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
	};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	void *p;

	if (fd < 0)
		test_skip("no performance counters: %s", strerror(errno));
	p = mmap(NULL, 2 * page_size(), LOOK_RW, MAP_SHARED, (int)fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

TEST(memory_that_the_kernel_marks_as_a_devices_is_never_read)
{
	void *p = map_counter();

	assert_int_equal(kind_at(p), LAYOUT_UNKNOWN);
	assert_false(entry_at(p).readable);
	learn();
	assert_int_equal(kind_at(p), LAYOUT_NEVER);
}

TEST(the_rings_of_io_uring_are_read)
{
	struct io_uring_params params = { 0 };
	long fd = syscall(SYS_io_uring_setup, 4, &params);
	void *p;

	if (fd < 0)
		test_skip("no io_uring: %s", strerror(errno));
	p = mmap(NULL, page_size(), LOOK_RW, MAP_SHARED, (int)fd, IORING_OFF_SQES);
	assert_ptr_not_equal(p, MAP_FAILED);
	learn();
	assert_int_equal(kind_at(p), LAYOUT_SHARED);
}

/* ------------------------------------------------------------------ BPF maps */

static int make_map(uint32_t type, uint32_t entries, uint32_t flags)
{
	const bool array = type == BPF_MAP_TYPE_ARRAY;
	union bpf_attr attr = {
		.map_type = type,
		.key_size = array ? 4 : 0,
		.value_size = array ? (uint32_t)page_size() : 0,
		.max_entries = entries,
		.map_flags = flags,
	};
	long fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	if (fd < 0)
		test_skip("no BPF map of type %u: %s", type, strerror(errno));
	return (int)fd;
}

static void freeze_map(int fd)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd };

	assert_int_equal(syscall(SYS_bpf, BPF_MAP_FREEZE, &attr, sizeof(attr)), 0);
}

static void *map_array(size_t pages)
{
	int fd = make_map(BPF_MAP_TYPE_ARRAY, (uint32_t)pages, BPF_F_MMAPABLE);

	return map_with(pages, LOOK_RW, MAP_SHARED, fd);
}

static void *map_arena(size_t pages)
{
	int fd = make_map(MAP_TYPE_ARENA, (uint32_t)pages, BPF_F_MMAPABLE);

	return map_with(pages, LOOK_RW, MAP_SHARED, fd);
}

TEST(a_bpf_map_not_met_before_is_unknown_and_perhaps_an_arena)
{
	const struct layout_entry e = entry_at(map_array(1));

	assert_int_equal(e.kind, LAYOUT_UNKNOWN);
	assert_true(e.bpf && e.arena);
	assert_false(e.readable);
}

static void assert_read(const void *p)
{
	const struct layout_entry e = entry_at(p);

	assert_int_equal(e.kind, LAYOUT_SHARED);
	assert_true(e.bpf);
	assert_false(e.arena);
}

TEST(bpf_arrays_are_read)
{
	int frozen = make_map(BPF_MAP_TYPE_ARRAY, 1, BPF_F_MMAPABLE);
	void *written = map_array(2), *undumped = map_array(1), *constant;

	freeze_map(frozen);
	constant = map_with(1, PROT_READ, MAP_SHARED, frozen);
	madvise(undumped, page_size(), MADV_DONTFORK);
	learn();
	assert_read(written);
	assert_read(undumped);
	assert_read(constant);
}

TEST(bpf_ring_buffers_are_read)
{
	size_t page = page_size();
	int fd = make_map(BPF_MAP_TYPE_RINGBUF, (uint32_t)(2 * page), 0);
	void *consumer = map_with(1, LOOK_RW, MAP_SHARED, fd), *data;

	data = mmap(NULL, 5 * page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	assert_ptr_not_equal(data, MAP_FAILED);
	learn();
	assert_read(consumer);
	assert_read(data);
}

static void assert_arena(const void *p)
{
	const struct layout_entry e = entry_at(p);

	assert_int_equal(e.kind, LAYOUT_NEVER);
	assert_true(e.bpf && e.arena);
}

TEST(bpf_arenas_are_never_read)
{
	void *touched = map_arena(4), *untouched = map_arena(4), *copied = map_arena(4);

	memset(touched, 1, 4 * page_size());
	learn();
	assert_arena(touched);
	assert_arena(untouched);
	/*
	 * What newer kernels say of arenas anybody can say of his memory, or take back.
	 */
	assert_int_equal(madvise(copied, 4 * page_size(), MADV_DOFORK), 0);
	learn();
	assert_arena(copied);
}

static void put_there(int fd, void *place)
{
	size_t bytes = 4 * page_size();

	assert_int_equal(munmap(place, bytes), 0);
	assert_ptr_equal(mmap(place, bytes, LOOK_RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			      0),
			 place);
}

/*
 * All BPF maps have one inode: by its place alone the array is not told from the arena.
 */
TEST(an_arena_in_the_place_of_an_array_is_noticed)
{
	void *place = map_array(4);

	learn();
	assert_read(place);
	put_there(make_map(MAP_TYPE_ARENA, 4, BPF_F_MMAPABLE), place);
	learn();
	assert_arena(place);
	put_there(make_map(BPF_MAP_TYPE_ARRAY, 4, BPF_F_MMAPABLE), place);
	learn();
	assert_read(place);
}

TEST(what_was_learned_of_a_bpf_map_says_nothing_of_a_counter_in_its_place)
{
	void *place = map_array(2), *counter = map_counter();

	learn();
	assert_read(place);
	assert_int_equal(entry_at(place).inode, entry_at(counter).inode);
	assert_ptr_equal(mremap(counter, 2 * page_size(), 2 * page_size(),
				MREMAP_MAYMOVE | MREMAP_FIXED, place),
			 place);
	assert_int_equal(kind_at(place), LAYOUT_UNKNOWN);
}

TEST(without_the_long_list_only_bpf_maps_stay_unknown)
{
	void *array = map_array(1), *counter = map_counter();

	lay_over("smaps", "/dev/null", false);
	learn();
	assert_int_equal(kind_at(array), LAYOUT_UNKNOWN);
	assert_true(entry_at(array).arena);
	assert_false(entry_at(array).readable);
	assert_int_equal(kind_at(counter), LAYOUT_NEVER);
}

/* ------------------------------------------------------------------ userfaultfd */

static void handle_faults(void *p, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)p, page_size() },
		.mode = mode,
	};
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0 || ioctl((int)fd, UFFDIO_API, &api))
		test_skip("no userfaultfd: %s", strerror(errno));
	assert_int_equal(ioctl((int)fd, UFFDIO_REGISTER, &range), 0);
}

TEST(shared_memory_whose_pages_somebody_provides_is_never_read)
{
	void *p = map_with(1, LOOK_RW, MAP_SHARED | MAP_ANONYMOUS, -1);

	handle_faults(p, UFFDIO_REGISTER_MODE_MISSING);
	learn();
	assert_int_equal(kind_at(p), LAYOUT_NEVER);
	assert_true(entry_at(p).uffd);
}

TEST(a_userfaultfd_on_private_memory_is_noted)
{
	void *missing = map_private(1), *written = map_private(1), *free = map_private(1);

	assert_int_equal(mprotect(free, page_size(), PROT_READ), 0);
	handle_faults(missing, UFFDIO_REGISTER_MODE_MISSING);
	handle_faults(written, UFFDIO_REGISTER_MODE_WP);
	learn_all();
	assert_int_equal(kind_at(missing), LAYOUT_PRIVATE);
	assert_true(entry_at(missing).uffd);
	assert_true(entry_at(written).uffd);
	assert_false(entry_at(free).uffd);
}

/* ------------------------------------------------------------------ names */

/* A folder of its own, in which we are then. */
static void enter_folder(char *path)
{
	strcpy(path, "/tmp/foster-layout-XXXXXX");
	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
}

static int file_named(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)page_size()), 0);
	close(fd);
	fd = open(name, O_RDONLY);
	assert_true(fd >= 0);
	return fd;
}

static void assert_taken_for_a_file(const char *name)
{
	int fd = file_named(name);
	void *private = map_with(1, PROT_READ, MAP_PRIVATE, fd);
	void *shared = map_with(1, PROT_READ, MAP_SHARED, fd);

	for (int round = 0; round < 2; round++) {
		learn();
		assert_int_equal(kind_at(private), LAYOUT_FILE);
		assert_int_equal(kind_at(shared), LAYOUT_CONST);
		assert_int_equal(entry_at(shared).inode, inode_of(fd));
		unlink(name); /* " (deleted)" is added to it */
	}
}

TEST(the_name_of_a_file_misleads_nobody)
{
	static const char *const names[] = {
		"[stack]",
		"[vdso]",
		"anon_inode:bpf-map",
		"two words (deleted)",
		"lines\nVmFlags: rd io pf \n7f0000-7f1000 rw-p 00000000 00:00 0 ",
		" 7f0000000000-7f0000001000 rwxs 00000000 00:00 0",
		"\\012\t\001",
	};
	char path[PATH_MAX];

	enter_folder(path);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_taken_for_a_file(names[i]);
	rmdir(path);
}

TEST(anonymous_memory_with_a_name_is_private)
{
	char *p = map_private(1);

#ifdef PR_SET_VMA
	(void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, page_size(), "vdso");
#endif
	assert_int_equal(kind_at(p), LAYOUT_PRIVATE);
}

static size_t maps_bytes(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	static char text[1 << 16];
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		sum += (size_t)n;
	close(fd);
	return sum;
}

/* A path of 40 KiB: more than one read of the list, and than any buffer. */
TEST(a_path_longer_than_all_buffers_hides_nothing)
{
	enum { DEPTH = 160 };
	char path[PATH_MAX], name[251];
	void *shared, *after;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	enter_folder(path);
	for (int i = 0; i < DEPTH; i++)
		if (mkdir(name, 0700) || chdir(name))
			fail();
	shared = map_with(1, PROT_READ, MAP_SHARED, file_named("end"));
	after = map_private(1);
	learn();
	assert_true(maps_bytes() > DEPTH * sizeof(name));
	assert_int_equal(kind_at(shared), LAYOUT_CONST);
	assert_int_equal(kind_at(after), LAYOUT_PRIVATE);
	assert_int_equal(kind_at(&shared), LAYOUT_PRIVATE);
	unlink("end");
	for (int i = 0; i < DEPTH; i++)
		if (chdir("..") || rmdir(name))
			fail();
	rmdir(path);
}
