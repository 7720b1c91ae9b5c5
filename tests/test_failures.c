/* SPDX-License-Identifier: BSD-2-Clause */
/* Each public function, while each of the calls that it makes fails in turn (sweep.h). */
#include "sweep.h"

#include "failing.h"

/* ----------------------------------------------------------------- starting, stopping */

TEST(a_kernel_that_cannot_be_queried_leaves_no_descriptor_open_for_it)
{
	struct census now = { 0 };

	failing_old_kernel();
	assert_int_equal(foster_init(NULL), 0);
	(void)make_dropped(1);
	count_fds(&now);
	assert_int_equal(now.kept_fds[KEPT_MAPS], 1); /* the sweep's */
}

static int call_init(struct scene *s UNUSED)
{
	return foster_init(NULL);
}

static int call_init_options(struct scene *s UNUSED)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	return foster_init(&options);
}

/* It does all that it is for. */
static void undo_init(struct scene *s)
{
	void *volatile slot;
	struct mark mark;

	mark = make_memfd_region(&slot, 3, AT_BASE);
	must(mark_pattern_holds(&mark));
	must(foster_close(slot) == 0);
	must(!maps_count_inode(mark.inode));
	must(stats_now().regions == s->before.regions);
}

SURVIVES(foster_init_survives_each_failing_call,
	 { .call = call_init, .undo = undo_init, .first = true, .errors = { LACKS } })
SURVIVES(foster_init_with_options_survives_each_failing_call, { .call = call_init_options,
								.undo = undo_init,
								.first = true,
								.errors = { LACKS } })
SURVIVES(foster_init_on_another_thread_survives_each_failing_call,
	 { .call = call_init,
	   .undo = undo_init,
	   .first = true,
	   .plain = true,
	   .errors = { LACKS } })

static int call_fini(struct scene *s UNUSED)
{
	return foster_fini(10000);
}

/* These go, and as many more. */
static void undo_collect(struct scene *s)
{
	drop_some(s);
	collect_times(ROUNDS);
	/* A word that looks like a pointer may keep one. */
	must(stats_now().regions <= s->before.regions - DROPPED + 1);
}

SURVIVES(foster_fini_survives_each_failing_call, { .call = call_fini,
						   .prepare = drop_some,
						   .undo = undo_collect,
						   .releases = true,
						   .errors = { ETIMEDOUT } })
SURVIVES(foster_fini_of_a_pool_survives_each_failing_call, { .call = call_fini,
							     .prepare = drop_some,
							     .undo = undo_collect,
							     .releases = true,
							     .pooled = true,
							     .len = 8192,
							     .errors = { ETIMEDOUT } })

static int call_collect(struct scene *s UNUSED)
{
	return foster_collect(10000);
}

static void stop(struct scene *s UNUSED)
{
	must(foster_fini(10000) >= 0);
}

SURVIVES(foster_collect_survives_each_failing_call, { .call = call_collect,
						      .prepare = drop_some,
						      .undo = undo_collect,
						      .releases = true,
						      .errors = { LACKS } })
SURVIVES(foster_collect_of_slots_survives_each_failing_call, { .call = call_collect,
							      .prepare = drop_some,
							      .undo = undo_collect,
							      .releases = true,
							      .many = true,
							      .errors = { LACKS } })
SURVIVES(foster_collect_into_the_pool_survives_each_failing_call, { .call = call_collect,
								    .prepare = drop_some,
								    .undo = undo_collect,
								    .releases = true,
								    .pooled = true,
								    .len = 16384,
								    .errors = { LACKS } })
SURVIVES(foster_collect_after_fini_survives_each_failing_call, { .call = call_collect,
								 .prepare = stop,
								 .undo = undo_init,
								 .releases = true,
								 .errors = { LACKS } })
SURVIVES(foster_collect_on_an_unknown_thread_survives_each_failing_call,
	 { .call = call_collect,
	   .prepare = drop_some,
	   .undo = undo_collect,
	   .releases = true,
	   .plain = true,
	   .errors = { LACKS } })

/* ------------------------------------------------------------------------ foster_mmap */

static int call_mmap(struct scene *s)
{
	const struct trial *t = s->trial;
	int fd = t->flags & MAP_ANONYMOUS ? -1 : s->memfd;
	void *p = foster_mmap(NULL, t->len, RW, t->flags, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->p = p;
	return 0;
}

/* The region is good, and goes as it should. */
static NOINLINE void undo_region(struct scene *s)
{
	struct foster_info info = FOSTER_INFO_INIT;
	char *p = s->p;

	must(foster_info(p, &info) == 0 && info.state == FOSTER_LIVE);
	must(info.base == p && info.pins == 0);
	must(stats_now().regions == s->before.regions + 1);
	if (info.source == FOSTER_SOURCE_ANON)
		pattern_fill(p, PATTERNED_PAGES * 8);
	must(pattern_holds(p, PATTERNED_PAGES * 8, s->trial->opts.offset));
	if (info.prot & PROT_WRITE)
		p[info.len - 1] = 1;
	must(foster_pin(p) == 0 && foster_unpin(p) == 0);
	must(foster_collect(10000) >= 0);
	must(pattern_holds(p, PATTERNED_PAGES * 8, s->trial->opts.offset));
	must(foster_close(p) == 0);
	must(maps_count_inode(file_inode) + maps_count_inode(memfd_inode) ==
	     s->before.files);
	must(stats_now().regions == s->before.regions);
	must(stats_now().bytes == s->before.bytes);
	must(stats_now().unseen == s->before.unseen);
}

#define MAP_ERRORS                    \
	{                             \
		LACKS, EMFILE, EINVAL \
	}
#define MMAP_TRIAL(...)                                                                  \
	{                                                                                \
		.call = call_mmap, .undo = undo_region, .errors = { LACKS }, __VA_ARGS__ \
	}

SURVIVES(foster_mmap_of_memory_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = ANON))
SURVIVES(foster_mmap_of_pooled_memory_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = ANON, .pooled = true))
SURVIVES(foster_mmap_of_much_memory_survives_each_failing_call,
	 MMAP_TRIAL(.len = BIG, .flags = ANON))
SURVIVES(foster_mmap_of_much_pooled_memory_survives_each_failing_call,
	 MMAP_TRIAL(.len = POOLED_MOST, .flags = ANON, .pooled = true))
SURVIVES(foster_mmap_of_shared_memory_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED | MAP_ANONYMOUS))
SURVIVES(foster_mmap_of_a_file_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED))
SURVIVES(foster_mmap_of_a_file_in_the_pool_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .pooled = true))
SURVIVES(foster_mmap_of_a_private_file_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_PRIVATE))
SURVIVES(foster_mmap_of_a_big_file_survives_each_failing_call,
	 MMAP_TRIAL(.len = BIG, .flags = MAP_SHARED))
SURVIVES(foster_mmap_of_a_big_file_in_the_pool_survives_each_failing_call,
	 MMAP_TRIAL(.len = POOLED_MOST, .flags = MAP_SHARED, .pooled = true))
SURVIVES(foster_mmap_of_memory_in_a_new_slot_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = ANON, .many = true))
SURVIVES(foster_mmap_of_a_file_in_a_new_slot_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .many = true))
SURVIVES(foster_mmap_of_a_file_in_a_used_slot_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .many = true, .pooled = true))
SURVIVES(foster_mmap_in_a_used_slot_on_an_unknown_thread_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = ANON, .plain = true, .many = true, .pooled = true))
SURVIVES(foster_mmap_as_the_first_call_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .first = true))
SURVIVES(foster_mmap_on_an_unknown_thread_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .plain = true))
SURVIVES(foster_mmap_on_an_unknown_thread_from_the_pool_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .plain = true, .pooled = true))
SURVIVES(foster_mmap_first_on_an_unknown_thread_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = ANON, .plain = true, .first = true))
SURVIVES(foster_mmap_after_fini_survives_each_failing_call,
	 MMAP_TRIAL(.len = 8192, .flags = MAP_SHARED, .prepare = stop))

/* -------------------------------------------------------------------- foster_map_file */

static int call_map_file(struct scene *s)
{
	void *p = foster_map_file(file_path, &s->trial->opts);

	s->p = p;
	return p ? 0 : -errno;
}

static int call_map_file_plainly(struct scene *s)
{
	void *p = foster_map_file(file_path, NULL);

	s->p = p;
	return p ? 0 : -errno;
}

static NOINLINE void survive_already(struct scene *s)
{
	struct foster_map_opts opts = FOSTER_MAP_OPTS_INIT;
	void *p;

	opts.flags = FOSTER_MAP_SURVIVE;
	p = foster_map_file(file_path, &opts);
	must(p && foster_close(p) == 0);
	(void)s;
}

#define OPTS(...) .opts = { .size = sizeof(struct foster_map_opts), __VA_ARGS__ }
#define FILE_TRIAL(...)                                                           \
	{                                                                         \
		.call = call_map_file, .undo = undo_region, .errors = MAP_ERRORS, \
		__VA_ARGS__                                                       \
	}

SURVIVES(foster_map_file_survives_each_failing_call,
	 { .call = call_map_file_plainly, .undo = undo_region, .errors = MAP_ERRORS })
SURVIVES(foster_map_file_to_write_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = FOSTER_MAP_WRITE)))
SURVIVES(foster_map_file_to_write_privately_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = FOSTER_MAP_WRITE | FOSTER_MAP_PRIVATE)))
SURVIVES(foster_map_file_populated_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = FOSTER_MAP_POPULATE)))
SURVIVES(foster_map_file_with_advice_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.advice = MADV_SEQUENTIAL), .later = true))
SURVIVES(foster_map_file_of_a_window_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.offset = 4099, .length = 5000)))
SURVIVES(foster_map_file_that_survives_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = FOSTER_MAP_SURVIVE)))
SURVIVES(foster_map_file_that_survives_once_more_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = FOSTER_MAP_SURVIVE), .prepare = survive_already))
SURVIVES(foster_map_file_as_the_first_call_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = FOSTER_MAP_SURVIVE), .first = true))
SURVIVES(foster_map_file_on_an_unknown_thread_survives_each_failing_call,
	 FILE_TRIAL(OPTS(.flags = 0), .plain = true))

/* ---------------------------------------------------------------- the end of a region */

static NOINLINE void make_anon(struct scene *s)
{
	s->mark = make_anon_region((void *volatile *)&s->p, PATTERNED_PAGES, AT_BASE);
}

static NOINLINE void make_file(struct scene *s)
{
	s->mark = make_memfd_region((void *volatile *)&s->p, PATTERNED_PAGES, AT_BASE);
}

static NOINLINE void make_surviving(struct scene *s)
{
	struct foster_map_opts opts = FOSTER_MAP_OPTS_INIT;

	opts.flags = FOSTER_MAP_SURVIVE;
	s->p = foster_map_file(file_path, &opts);
	must(s->p);
	s->mark = mark_of(s->p);
}

static void check_whole(const struct scene *s)
{
	struct foster_info info = mark_info(&s->mark);

	must(info.id == s->mark.id && info.state == FOSTER_LIVE && info.revoked == 0);
	must(mark_pattern_holds(&s->mark));
}

/* A failed call leaves the region as it was, bytes included. */
static int whole_if_failed(const struct scene *s, int r)
{
	if (r < 0) {
		(void)failing_disarm();
		check_whole(s);
	}
	return r;
}

static int call_close(struct scene *s)
{
	return whole_if_failed(s, foster_close(s->p));
}

static void undo_close(struct scene *s)
{
	struct foster_info info = mark_info(&s->mark);

	must(info.id == s->mark.id && info.state == FOSTER_REVOKED);
	must(!s->mark.inode || !maps_count_inode(s->mark.inode));
	must(!mark_is_readable(&s->mark));
	must(stats_now().regions == s->before.regions - 1);
	must(stats_now().revoked == s->before.revoked + 1);
	s->p = NULL;
	forget();
	must(goes_within(&s->mark, ROUNDS));
}

#define CLOSE(...)                                                            \
	{                                                                     \
		.call = call_close, .undo = undo_close, .errors = { ENOMEM }, \
		__VA_ARGS__                                                   \
	}

SURVIVES(foster_close_of_memory_survives_each_failing_call, CLOSE(.prepare = make_anon))
SURVIVES(foster_close_of_a_file_survives_each_failing_call, CLOSE(.prepare = make_file))
SURVIVES(foster_close_of_a_surviving_file_survives_each_failing_call,
	 CLOSE(.prepare = make_surviving))
SURVIVES(foster_close_of_a_file_in_a_slot_survives_each_failing_call,
	 CLOSE(.prepare = make_file, .many = true))
SURVIVES(foster_close_on_an_unknown_thread_survives_each_failing_call,
	 CLOSE(.prepare = make_file, .plain = true))

static int call_munmap(struct scene *s)
{
	return whole_if_failed(s, foster_munmap((char *)s->p + page_size(), page_size()));
}

static void undo_munmap(struct scene *s)
{
	struct foster_info info = mark_info(&s->mark);

	must(info.state == FOSTER_LIVE && info.revoked == page_size());
	must(pattern_holds(s->p, page_size(), 0));
	must(foster_copy(&info, (char *)s->p + page_size(), 1) == -EFAULT);
	must(stats_now().regions == s->before.regions);
	must(foster_close(s->p) == 0);
	must(!s->mark.inode || !maps_count_inode(s->mark.inode));
}

#define MUNMAP(...)                                                             \
	{                                                                       \
		.call = call_munmap, .undo = undo_munmap, .errors = { ENOMEM }, \
		__VA_ARGS__                                                     \
	}

SURVIVES(foster_munmap_of_a_part_of_memory_survives_each_failing_call,
	 MUNMAP(.prepare = make_anon))
SURVIVES(foster_munmap_of_a_part_of_a_file_survives_each_failing_call,
	 MUNMAP(.prepare = make_file))

static int call_munmap_all(struct scene *s)
{
	return whole_if_failed(s, foster_munmap(s->p, PATTERNED_PAGES * page_size()));
}

SURVIVES(foster_munmap_of_all_survives_each_failing_call, { .call = call_munmap_all,
							    .prepare = make_file,
							    .undo = undo_close,
							    .errors = { ENOMEM } })

/* The last pages of one that lost others before. */
static NOINLINE void make_holed(struct scene *s)
{
	make_file(s);
	must(foster_munmap((char *)s->p + page_size(), 2 * page_size()) == 0);
}

static int call_munmap_last(struct scene *s)
{
	int r = foster_munmap(s->p, page_size());

	if (r < 0) {
		(void)failing_disarm();
		must(mark_info(&s->mark).state == FOSTER_LIVE);
		must(mark_info(&s->mark).revoked == 2 * page_size());
		must(pattern_holds(s->p, page_size(), 0));
	}
	return r;
}

SURVIVES(foster_munmap_of_the_last_page_survives_each_failing_call,
	 { .call = call_munmap_last,
	   .prepare = make_holed,
	   .undo = undo_close,
	   .errors = { ENOMEM } })

static int call_disown(struct scene *s)
{
	return foster_disown(s->p);
}

static void undo_disown(struct scene *s)
{
	struct foster_info info = FOSTER_INFO_INIT;

	must(foster_info(s->p, &info) == -ENOENT);
	must(mark_pattern_holds(&s->mark));
	must(foster_collect(10000) >= 0);
	must(mark_pattern_holds(&s->mark));
	must(stats_now().regions == s->before.regions - 1);
	must(munmap(s->p, s->mark.len) == 0);
}

SURVIVES(foster_disown_survives_each_failing_call,
	 { .call = call_disown, .prepare = make_file, .undo = undo_disown })

/* ------------------------------------------------------- pins, looking, threads, copy */

static int call_pin(struct scene *s)
{
	int r = foster_pin(s->p);

	if (!r)
		r = foster_pin((char *)s->p + 1);
	if (!r)
		r = foster_unpin(s->p);
	return r;
}

static void undo_pin(struct scene *s)
{
	must(mark_info(&s->mark).pins == 1);
	must(foster_unpin(s->p) == 0);
	must(foster_unpin(s->p) == -EINVAL);
	check_whole(s);
	must(foster_close(s->p) == 0);
}

SURVIVES(foster_pin_and_unpin_survive_each_failing_call,
	 { .call = call_pin, .prepare = make_file, .undo = undo_pin })

static int count_one(const struct foster_info *info, void *arg)
{
	if (info->state != FOSTER_LIVE)
		return -EIO;
	++*(int *)arg;
	return 0;
}

static int call_look(struct scene *s)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct foster_stats stats = FOSTER_STATS_INIT;
	int seen = 0;
	int r = foster_for_each(count_one, &seen);

	if (!r)
		r = foster_info(s->p, &info);
	if (!r)
		r = foster_stats(&stats);
	return !r && seen != 2 ? -EIO : r;
}

static void undo_look(struct scene *s)
{
	check_whole(s);
	must(foster_close(s->p) == 0);
}

SURVIVES(foster_for_each_and_info_survive_each_failing_call,
	 { .call = call_look, .prepare = make_file, .undo = undo_look })

static int call_copy(struct scene *s)
{
	uint64_t word = 0;
	int r = foster_copy(&word, s->p, sizeof(word));

	if (!r && word != pattern_word(0))
		return -EIO;
	return r;
}

/* The handler that was installed does its work. */
static void undo_copy(struct scene *s)
{
	char byte;

	must(foster_copy(&byte, NULL, 1) == -EFAULT);
	undo_look(s);
}

/* The first call installs a handler. */
SURVIVES(foster_copy_survives_each_failing_call, { .call = call_copy,
						   .prepare = make_file,
						   .undo = undo_copy,
						   .errors = { EFAULT, EINVAL, ENOMEM } })

static int call_copy_partial(struct scene *s)
{
	char bytes[16];
	char *end = (char *)s->p + PATTERNED_PAGES * page_size();
	ssize_t r = foster_copy_partial(bytes, end - 8, 8);

	return r >= 0 && r != 8 ? -EIO : (int)r;
}

SURVIVES(foster_copy_partial_survives_each_failing_call, { .call = call_copy_partial,
							   .prepare = make_file,
							   .undo = undo_copy,
							   .errors = { EINVAL, ENOMEM } })

static int call_attach(struct scene *s UNUSED)
{
	return foster_thread_attach();
}

static void undo_attach(struct scene *s)
{
	undo_init(s);
	must(foster_thread_detach() == -EINVAL); /* the thread is gone, and was another */
}

SURVIVES(foster_thread_attach_survives_each_failing_call,
	 { .call = call_attach, .undo = undo_attach, .plain = true, .errors = { LACKS } })
SURVIVES(foster_thread_attach_as_the_first_call_survives_each_failing_call,
	 { .call = call_attach,
	   .undo = undo_attach,
	   .plain = true,
	   .first = true,
	   .errors = { LACKS } })

/* In between a region is mapped, and seen where the thread could be attached. */
static int call_attach_and_detach(struct scene *s)
{
	void *p;
	int r = foster_thread_attach();

	if (r)
		return r;
	p = foster_mmap(NULL, page_size(), RW, MAP_SHARED, s->memfd, 0);
	if (p != MAP_FAILED && stats_now().unseen != s->before.unseen)
		r = -EIO;
	if (p != MAP_FAILED && !r)
		r = foster_close(p);
	if (r == -ENOMEM)
		r = (failing_disarm(), foster_close(p));
	return foster_thread_detach() ? -EIO : r;
}

SURVIVES(foster_thread_detach_survives_each_failing_call,
	 { .call = call_attach_and_detach,
	   .undo = undo_attach,
	   .plain = true,
	   .errors = { LACKS } })
