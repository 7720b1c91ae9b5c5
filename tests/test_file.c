/* SPDX-License-Identifier: BSD-2-Clause */
/* foster_map_file(): whole files, windows, kinds of access, and what is refused. */
#include "support.h"

#include "refuse.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct {
	char path[PATH_MAX];
	size_t len;
	int fd;
} file;

static void *volatile kept;

static void make_file(size_t len)
{
	file.fd = pattern_file(file.path, len);
	assert_int_equal(ftruncate(file.fd, (off_t)len), 0);
	file.len = len;
}

static void remove_file(void)
{
	close(file.fd);
	unlink(file.path);
}

static const char *map_with(uint64_t offset, size_t length, unsigned int flags,
			    int advice)
{
	const struct foster_map_opts opts = { .size = sizeof(opts),
					      .offset = offset,
					      .length = length,
					      .flags = flags,
					      .advice = advice };

	return foster_map_file(file.path, &opts);
}

/* --------------------------------------------------------------------------- contents */

TEST(without_options_the_whole_file_is_mapped_read_only)
{
	const char *p;

	make_file(3 * page_size() + 16);
	p = foster_map_file(file.path, NULL);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, file.len);
	assert_int_equal(info_of(p).source, FOSTER_SOURCE_PATH);
	assert_int_equal(info_of(p).prot, PROT_READ);
	assert_ptr_equal(info_of(p + file.len - 1).base, p);
	assert_true(pattern_holds(p, file.len, 0));
	assert_child_dies(SIGSEGV, store_byte, (void *)p);
	remove_file();
}

TEST(a_file_of_one_byte_is_mapped)
{
	const char *p;

	make_file(8);
	assert_int_equal(ftruncate(file.fd, 1), 0);
	p = foster_map_file(file.path, NULL);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, 1);
	assert_true(pattern_holds(p, 1, 0));
	remove_file();
}

TEST(windows_of_any_offset_and_length_show_the_right_bytes)
{
	const size_t page = page_size();
	const uint64_t offsets[] = {
		0, 1, 7, page - 1, page, page + 1, 2 * page + 17, 3 * page
	};
	const size_t lengths[] = { 1, 2, page - 1, page, page + 1, 2 * page };

	make_file(6 * page);
	for (size_t i = 0; i < COUNT_OF(offsets); i++) {
		for (size_t k = 0; k < COUNT_OF(lengths); k++) {
			const char *p = map_with(offsets[i], lengths[k], 0, 0);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % page, offsets[i] % page);
			assert_ptr_equal(info_of(p).base, p);
			assert_int_equal(info_of(p).len, lengths[k]);
			assert_true(pattern_holds(p, lengths[k], offsets[i]));
		}
	}
	remove_file();
}

TEST(a_window_of_the_last_byte_is_mapped)
{
	const char *p;

	make_file(2 * page_size());
	p = map_with(file.len - 1, 1, 0, 0);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, 1);
	assert_true(pattern_holds(p, 1, file.len - 1));
	p = map_with(file.len - 1, 0, 0, 0);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, 1);
	remove_file();
}

TEST(length_zero_means_up_to_the_end)
{
	const char *p;

	make_file(2 * page_size() + 24);
	p = map_with(100, 0, 0, 0);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, file.len - 100);
	assert_true(pattern_holds(p, file.len - 100, 100));
	remove_file();
}

TEST(bytes_before_the_window_are_not_in_the_region)
{
	struct foster_info info = FOSTER_INFO_INIT;
	const char *p;

	make_file(2 * page_size());
	p = map_with(100, 50, 0, 0);
	assert_non_null(p);
	assert_fails(ENOENT, foster_info(p - 1, &info));
	assert_fails(ENOENT, foster_info(p + 50, &info));
	assert_int_equal(foster_info(p + 49, &info), 0);
	remove_file();
}

TEST(a_name_that_is_a_symbolic_link_is_followed)
{
	char link[PATH_MAX + 8];
	const char *p;

	make_file(64);
	snprintf(link, sizeof(link), "%s.link", file.path);
	assert_int_equal(symlink(file.path, link), 0);
	p = foster_map_file(link, NULL);
	unlink(link);
	assert_non_null(p);
	assert_true(pattern_holds(p, 64, 0));
	remove_file();
}

TEST(the_region_outlives_the_name)
{
	const char *p;

	make_file(page_size());
	p = foster_map_file(file.path, NULL);
	remove_file();
	collect_times(ROUNDS);
	assert_true(pattern_holds(p, file.len, 0));
}

/* ----------------------------------------------------------------------------- access */

TEST(stores_through_a_writable_window_reach_the_file)
{
	char *p, byte;

	make_file(2 * page_size());
	p = (char *)map_with(5, 0, FOSTER_MAP_WRITE, 0);
	assert_non_null(p);
	assert_int_equal(info_of(p).prot, PROT_READ | PROT_WRITE);
	p[1] = 'x';
	assert_int_equal(pread(file.fd, &byte, 1, 6), 1);
	assert_int_equal(byte, 'x');
	remove_file();
}

TEST(stores_through_a_private_window_stay_private)
{
	char *p, byte;

	make_file(page_size());
	p = (char *)map_with(0, 0, FOSTER_MAP_WRITE | FOSTER_MAP_PRIVATE, 0);
	assert_non_null(p);
	p[6] = 'x';
	assert_int_equal(pread(file.fd, &byte, 1, 6), 1);
	assert_true(byte != 'x');
	remove_file();
}

TEST(a_private_writable_window_of_an_unwritable_file_is_mapped)
{
	char *p;

	make_file(page_size());
	assert_int_equal(fchmod(file.fd, 0444), 0);
	p = (char *)map_with(0, 0, FOSTER_MAP_WRITE | FOSTER_MAP_PRIVATE, 0);
	assert_non_null(p);
	p[6] = 'x';
	remove_file();
}

TEST(a_private_read_only_window_is_mapped_read_only)
{
	const char *p;

	make_file(page_size());
	p = map_with(0, 0, FOSTER_MAP_PRIVATE, 0);
	assert_non_null(p);
	assert_true(pattern_holds(p, file.len, 0));
	assert_child_dies(SIGSEGV, store_byte, (void *)p);
	remove_file();
}

TEST(a_populated_window_is_mapped)
{
	unsigned char in_core[4];
	const char *p;

	make_file(4 * page_size());
	p = map_with(0, 0, FOSTER_MAP_POPULATE, 0);
	assert_non_null(p);
	assert_int_equal(mincore((void *)p, file.len, in_core), 0);
	for (size_t i = 0; i < COUNT_OF(in_core); i++)
		assert_true(in_core[i] & 1);
	remove_file();
}

TEST(reading_behind_the_end_of_a_truncated_file_dies_of_sigbus)
{
	const char *p;

	make_file(4 * page_size());
	p = foster_map_file(file.path, NULL);
	assert_non_null(p);
	assert_int_equal(ftruncate(file.fd, (off_t)page_size()), 0);
	assert_child_dies(SIGBUS, load_byte, (void *)(p + 2 * page_size()));
	assert_true(pattern_holds(p, page_size(), 0));
	remove_file();
}

TEST(no_descriptor_stays_open)
{
	size_t before;

	make_file(2 * page_size());
	assert_int_equal(foster_init(NULL), 0);
	before = fd_count();
	kept = foster_map_file(file.path, NULL);
	assert_non_null(kept);
	assert_int_equal(fd_count(), before);
	assert_non_null(map_with(3, 5, FOSTER_MAP_WRITE, 0));
	assert_int_equal(fd_count(), before);
	assert_null(map_with(file.len, 5, 0, 0));
	assert_null(map_with(0, 0, 0, 12345));
	assert_int_equal(fd_count(), before);
	remove_file();
}

TEST(a_file_region_goes_after_its_last_pointer)
{
	struct mark mark;

	make_file(2 * page_size());
	kept = foster_map_file(file.path, NULL);
	assert_non_null(kept);
	mark = mark_of(kept);
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
	assert_int_equal(maps_count_named(file.path), 0);
	remove_file();
}

TEST(a_pointer_just_past_an_unaligned_window_keeps_it)
{
	struct mark mark;

	make_file(2 * page_size());
	kept = (char *)map_with(100, file.len - 100, 0, 0) + file.len - 100;
	mark = mark_of((char *)kept - 1);
	assert_stays(&mark);
	kept = NULL;
	assert_goes(&mark);
	remove_file();
}

/* ----------------------------------------------------------------------------- advice */

TEST(every_harmless_advice_is_taken)
{
	static const int taken[] = { MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL,
				     MADV_WILLNEED, MADV_DONTDUMP, MADV_DODUMP };

	make_file(3 * page_size());
	for (size_t i = 0; i < COUNT_OF(taken); i++) {
		const char *p = map_with(page_size() + 1, 100, 0, taken[i]);

		assert_non_null(p);
		assert_true(pattern_holds(p, 100, page_size() + 1));
	}
	remove_file();
}

/*
 * The kernel may have been built without these, and says EINVAL then, as madvise(2) does.
 */
TEST(advice_that_depends_on_the_kernel_is_given_or_refused_by_it)
{
	static const int asked[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
				     MADV_UNMERGEABLE, MADV_COLD };

	make_file(page_size());
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		void *raw = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, file.fd, 0);
		const bool known = madvise(raw, page_size(), asked[i]) == 0;
		const char *p = map_with(0, 0, 0, asked[i]);

		munmap(raw, page_size());
		if (known)
			assert_non_null(p);
		else
			assert_null(p);
	}
	remove_file();
}

TEST(advice_that_changes_contents_or_lifetime_is_refused)
{
	static const int refused[] = { MADV_DONTNEED,	MADV_FREE,
				       MADV_REMOVE,	MADV_DONTFORK,
				       MADV_DOFORK,	MADV_WIPEONFORK,
				       MADV_KEEPONFORK, MADV_HWPOISON,
				       12345,		-1 };
	size_t mappings;

	make_file(page_size());
	assert_int_equal(foster_init(NULL), 0);
	mappings = stats_now().mapped;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		assert_null_with(EINVAL, map_with(0, 0, 0, refused[i]));
	assert_int_equal(stats_now().mapped, mappings);
	assert_int_equal(maps_count_named(file.path), 0);
	remove_file();
}

/* -------------------------------------------------------------------- what is refused */

TEST(a_missing_file_is_refused)
{
	assert_null_with(ENOENT, foster_map_file("/nonexistent/file", NULL));
	assert_null_with(ENOENT, foster_map_file("", NULL));
}

TEST(a_directory_is_refused)
{
	const struct foster_map_opts writable = { .size = sizeof(writable),
						  .flags = FOSTER_MAP_WRITE };

	assert_null_with(EISDIR, foster_map_file("/", NULL));
	assert_null_with(EISDIR, foster_map_file("/", &writable));
}

TEST_WITHIN(a_fifo_is_refused_without_waiting_for_its_other_end, 10)
{
	make_file(1);
	unlink(file.path);
	assert_int_equal(mkfifo(file.path, 0600), 0);
	assert_null_with(ENODEV, foster_map_file(file.path, NULL));
	assert_null_with(ENODEV, map_with(0, 0, FOSTER_MAP_WRITE, 0));
	assert_null_with(ENODEV, map_with(0, 10, 0, 0));
	remove_file();
}

TEST(a_socket_is_refused)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	make_file(1);
	unlink(file.path);
	snprintf(name.sun_path, sizeof(name.sun_path), "%.100s", file.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_null_with(ENODEV, foster_map_file(file.path, NULL));
	close(fd);
	remove_file();
}

TEST(a_device_that_cannot_be_mapped_is_refused)
{
	assert_null_with(ENODEV, foster_map_file("/dev/null", NULL));
}

TEST(an_empty_file_is_refused)
{
	make_file(0);
	assert_null_with(ENODATA, foster_map_file(file.path, NULL));
	assert_null_with(ENODATA, map_with(0, 0, FOSTER_MAP_WRITE, 0));
	remove_file();
}

TEST(a_window_of_no_bytes_is_refused)
{
	make_file(100);
	assert_null_with(ENODATA, map_with(100, 0, 0, 0));
	remove_file();
}

TEST(a_window_behind_the_end_is_refused)
{
	make_file(100);
	assert_null_with(ERANGE, map_with(0, 101, 0, 0));
	assert_null_with(ERANGE, map_with(50, 51, 0, 0));
	assert_null_with(ERANGE, map_with(100, 1, 0, 0));
	assert_null_with(ERANGE, map_with(101, 0, 0, 0));
	assert_null_with(ERANGE, map_with(1ull << 40, 1, 0, 0));
	assert_non_null(map_with(50, 50, 0, 0));
	remove_file();
}

TEST(an_offset_plus_length_that_does_not_fit_is_refused)
{
	make_file(100);
	assert_null_with(EOVERFLOW, map_with(UINT64_MAX, 1, 0, 0));
	assert_null_with(EOVERFLOW, map_with(2, SIZE_MAX - 1, 0, 0));
	remove_file();
}

/* Too large for the collector's heap: in place.  At the end there is a 'z'. */
static void check_large(uint64_t offset, size_t len)
{
	const uint64_t before = stats_now().in_place;
	const char *p = map_with(offset, len, 0, 0);
	struct foster_info info = FOSTER_INFO_INIT;

	assert_non_null(p);
	assert_int_equal(foster_info(p + len - 1, &info), 0);
	assert_ptr_equal(info.base, p);
	assert_int_equal(info.len, len);
	assert_int_equal(p[len - 1], 'z');
	assert_int_equal(stats_now().in_place, before + 1);
	assert_int_equal(foster_close(p), 0);
}

TEST(a_window_of_one_gibibyte_and_more_works)
{
	static const size_t gib = (size_t)1 << 30;

	make_file(8);
	assert_int_equal(ftruncate(file.fd, (off_t)(5 * gib)), 0);
	assert_int_equal(pwrite(file.fd, "z", 1, (off_t)gib - 1), 1);
	assert_int_equal(pwrite(file.fd, "z", 1, (off_t)(5 * gib) - 1), 1);
	check_large(0, gib);
	check_large(1, gib - 1);
	check_large(4097, 5 * gib - 4097);
	check_large(0, 5 * gib);
	assert_non_null(map_with(4 * gib, 100, 0, 0));
	remove_file();
}

TEST(unknown_flags_are_refused)
{
	make_file(100);
	assert_null_with(EINVAL, map_with(0, 0, 0x100, 0));
	assert_null_with(EINVAL, map_with(0, 0, 0x80000000u, 0));
	remove_file();
}

TEST(an_options_size_of_no_version_is_refused)
{
	struct foster_map_opts opts = FOSTER_MAP_OPTS_INIT;

	make_file(100);
	opts.size = 0;
	assert_null_with(EINVAL, foster_map_file(file.path, &opts));
	opts.size = sizeof(size_t);
	assert_null_with(EINVAL, foster_map_file(file.path, &opts));
	remove_file();
}

struct newer_opts {
	struct foster_map_opts known;
	uint64_t unknown[2];
};

TEST(a_larger_options_struct_is_taken_while_its_rest_is_zero)
{
	struct newer_opts opts = {
		.known = { .size = sizeof(opts), .offset = 10, .length = 20 },
	};
	const char *p;

	make_file(100);
	p = foster_map_file(file.path, &opts.known);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, 20);
	remove_file();
}

TEST(a_larger_options_struct_with_unknown_members_set_is_too_big)
{
	struct newer_opts opts = { { .size = sizeof(opts) }, { 0, 1 } };

	make_file(100);
	assert_null_with(E2BIG, foster_map_file(file.path, &opts.known));
	remove_file();
}

static void map_as_nobody(void *arg UNUSED)
{
	child_check(setgid(65534) == 0 && setuid(65534) == 0);
	errno = 0;
	child_check(!foster_map_file(file.path, NULL) && errno == EACCES);
	child_check(!map_with(0, 0, FOSTER_MAP_WRITE, 0) && errno == EACCES);
}

TEST(a_file_without_permission_is_refused)
{
	if (geteuid())
		test_skip("only root can become somebody without permission");
	make_file(100);
	assert_int_equal(fchmod(file.fd, 0), 0);
	assert_child_passes(map_as_nobody, NULL);
	remove_file();
}

static void write_as_nobody(void *arg UNUSED)
{
	child_check(setgid(65534) == 0 && setuid(65534) == 0);
	errno = 0;
	child_check(!map_with(0, 0, FOSTER_MAP_WRITE, 0) && errno == EACCES);
	child_check(map_with(0, 0, 0, 0) != NULL);
	child_check(map_with(0, 0, FOSTER_MAP_WRITE | FOSTER_MAP_PRIVATE, 0) != NULL);
}

TEST(a_file_that_may_only_be_read_is_mapped_read_only_or_private)
{
	if (geteuid())
		test_skip("only root can become somebody without permission");
	make_file(100);
	assert_int_equal(fchmod(file.fd, 0444), 0);
	assert_child_passes(write_as_nobody, NULL);
	remove_file();
}

TEST(a_name_too_long_is_refused)
{
	static char name[PATH_MAX + 10];

	memset(name, 'x', sizeof(name) - 1);
	assert_null_with(ENAMETOOLONG, foster_map_file(name, NULL));
}

TEST(a_loop_of_links_is_refused)
{
	make_file(1);
	unlink(file.path);
	assert_int_equal(symlink(file.path, file.path), 0);
	assert_null_with(ELOOP, foster_map_file(file.path, NULL));
	remove_file();
}

/* ----------------------------------------------------------------- in a sandbox */

TEST(where_a_sandbox_refuses_statx_files_are_mapped)
{
	const char *p;

	make_file(page_size() + 16);
	refuse(SYS_statx, 0, EPERM);
	p = foster_map_file(file.path, NULL);
	assert_non_null(p);
	assert_int_equal(info_of(p).len, file.len);
	assert_true(pattern_holds(p, page_size(), 0));
	remove_file();
}

TEST(where_a_sandbox_refuses_statx_regions_of_memory_files_go)
{
	struct mark mark;

	refuse(SYS_statx, 0, EPERM);
	mark = make_memfd_region(&kept, 1, AT_BASE);
	kept = NULL;
	assert_goes(&mark);
}
