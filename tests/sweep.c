/* SPDX-License-Identifier: BSD-2-Clause */
#include "sweep.h"

#include <pthread.h>
#include <sys/wait.h>

#include "failing.h"

char file_path[PATH_MAX];
uint64_t file_inode, memfd_inode;

/* ---------------------------------------------------------------------------- what is */

static const struct kept {
	const char *name;
	size_t most; /* descriptors */
} kept_files[] = {
	[KEPT_MAPS] = { "/maps", 2 }, /* for one mapping, and for all */
	[KEPT_SMAPS] = { "/smaps", 1 },
	[KEPT_PAGEMAP] = { "/pagemap", 1 },
	[KEPT_MEM] = { "/mem", 1 },
	[KEPT_TASK] = { "/task", 1 },
};
_Static_assert(COUNT_OF(kept_files) == KEPT_FILES, "all are named");

/* Which of the files that foster keeps it is; KEPT_FILES: none. */
static size_t kept_file(const char *target)
{
	const char *name = strrchr(target, '/');
	size_t i = 0;

	if (strncmp(target, "/proc/", 6))
		return KEPT_FILES;
	while (i < KEPT_FILES && strcmp(name, kept_files[i].name))
		i++;
	return i;
}

void count_fds(struct census *c)
{
	char target[PATH_MAX];
	size_t kept;

	for (int fd = 0; fd < 1024; fd++) {
		if (!fd_target(fd, target))
			continue;
		kept = kept_file(target);
		if (kept < KEPT_FILES)
			c->kept_fds[kept]++;
		else if (strstr(target, "userfaultfd"))
			c->tracking++;
		else
			c->fds++;
	}
}

struct census census(void)
{
	struct foster_stats stats = FOSTER_STATS_INIT;
	struct census c = { 0 };

	must(foster_stats(&stats) == 0);
	c.regions = stats.regions;
	c.bytes = stats.bytes;
	c.unseen = stats.unseen;
	c.revoked = stats.revoked;
	c.closed = stats.closed;
	c.disowned = stats.disowned;
	c.files = maps_count_inode(file_inode) + maps_count_inode(memfd_inode);
	count_fds(&c);
	return c;
}

static void check_fds(const struct census *before)
{
	struct census now;
	int looks = 100;

	/* A round that goes on, or is over since just now, has one open. */
	do {
		now = (struct census){ 0 };
		count_fds(&now);
	} while ((now.fds != before->fds || now.tracking) && looks-- > 0 &&
		 usleep(20000) == 0);
	must(now.fds == before->fds && !now.tracking);
	for (size_t i = 0; i < KEPT_FILES; i++)
		must(now.kept_fds[i] <= kept_files[i].most);
}

/* What a failed call leaves. */
static void check_unchanged(const struct scene *s)
{
	const struct census *was = &s->before;
	struct census now = census();

	check_fds(was);
	/* What the kernel refused to take back goes as soon as it lets. */
	if (s->trial->later && (now.files != was->files || now.regions != was->regions)) {
		collect_times(ROUNDS);
		now = census();
	}
	if (s->trial->releases) {
		must(now.regions <= was->regions && now.files <= was->files);
		return;
	}
	must(now.regions == was->regions);
	must(now.bytes == was->bytes);
	must(now.unseen == was->unseen);
	must(now.disowned == was->disowned);
	must(now.files == was->files);
}

/* A region that the call has nothing to do with. */
static NOINLINE void make_witness(struct scene *s)
{
	s->witness_mark = make_anon_region(&s->witness, 2, AT_BASE);
	must(foster_pin(s->witness) == 0);
}

static void check_witness(const struct scene *s)
{
	struct foster_info info;

	if (!s->witness)
		return;
	info = mark_info(&s->witness_mark);
	must(info.id == s->witness_mark.id);
	must(info.pins == 1 && info.state == FOSTER_LIVE && info.revoked == 0);
	must(mark_pattern_holds(&s->witness_mark));
}

/* ------------------------------------------------------------------------------ a try */

/* Shared with the process of a try, which may die at any moment. */
struct report {
	unsigned int failed; /* calls */
	int result;	     /* of the function */
	char call[32];	     /* the first that failed */
};
static struct report *report;

struct attempt {
	const struct trial *trial;
	unsigned int succeed;
	enum failing_how how;
	bool old_kernel;
};

struct armed_call {
	struct scene *scene;
	const struct attempt *attempt;
	int r;
};

static void *call_armed(void *arg)
{
	struct armed_call *c = arg;

	failing_arm(c->attempt->succeed, c->attempt->how);
	c->r = c->scene->trial->call(c->scene);
	report->failed = failing_disarm();
	report->result = c->r;
	/* A thread that ends leaves its stack, which foster may have failed to note. */
	forget();
	snprintf(report->call, sizeof(report->call), "%s", failing_first());
	forget(); /* a thread's stack outlives it */
	return NULL;
}

static void *call_unarmed(void *arg)
{
	struct armed_call *c = arg;

	c->r = c->scene->trial->call(c->scene);
	forget();
	return NULL;
}

static int on_its_thread(void *(*fn)(void *), struct scene *s,
			 const struct attempt *attempt)
{
	struct armed_call c = { s, attempt, -1 };

	if (s->trial->plain)
		on_plain_thread(fn, &c);
	else
		fn(&c);
	return c.r;
}

static bool is_documented(const struct trial *t, int r)
{
	for (size_t i = 0; i < COUNT_OF(t->errors); i++)
		if (t->errors[i] && t->errors[i] == -r)
			return true;
	return false;
}

/* Ended in order, with the thread of foster well. */
static void check_end(const struct scene *s)
{
	check_witness(s);
	check_fds(&s->before);
	forget();
	must(foster_collect(10000) >= 0);
	must(foster_fini(10000) >= 0);
	check_witness(s);
}

/* A range of the size comes into the pool. */
static NOINLINE struct mark make_pooled(const struct scene *s)
{
	void *p = foster_mmap(NULL, s->trial->len, RW, ANON, -1, 0);
	struct mark mark;

	must(p != MAP_FAILED);
	mark = mark_of(p);
	must(foster_close(p) == 0);
	return mark;
}

static void fill_pool(const struct scene *s)
{
	struct mark mark = make_pooled(s);

	forget();
	must(goes_within(&mark, ROUNDS));
	must(stats_now().pool_ranges);
}

#define MANY 4096

static NOINLINE void make_many(void)
{
	for (int i = 0; i < MANY; i++)
		must(foster_mmap(NULL, page_size(), RW, ANON, -1, 0) != MAP_FAILED);
	forget();
	must(foster_collect(10000) >= 0);
}

static void set_scene(struct scene *s, const struct attempt *attempt)
{
	const struct trial *t = s->trial;
	struct foster_options options = FOSTER_OPTIONS_INIT;

	s->memfd = pattern_memfd(FILE_BYTES, 0);
	memfd_inode = inode_of(s->memfd);
	if (attempt->old_kernel)
		failing_old_kernel();
	options.idle_collect_ms = FOSTER_NEVER;
	options.sweep = t->sweep;
	options.pool_mib = t->pooled ? 64 : FOSTER_NEVER;
	if (!t->first) {
		must(foster_init(&options) == 0);
		make_witness(s);
	}
	if (t->many)
		make_many();
	if (t->pooled)
		fill_pool(s);
	if (t->prepare)
		t->prepare(s);
	s->before = census();
}

/* In a process of its own. */
static void try_once(void *arg)
{
	const struct attempt *attempt = arg;
	struct scene s = { .trial = attempt->trial };
	int r;

	alarm(TRY_SECONDS);
	set_scene(&s, attempt);
	r = on_its_thread(call_armed, &s, attempt);
	check_witness(&s);
	if (r < 0) {
		must(report->failed);
		must(is_documented(s.trial, r));
		check_unchanged(&s);
		r = on_its_thread(call_unarmed, &s, attempt);
		must(r >= 0);
	}
	/* Or holes in the frames of what follows show what was there before. */
	forget();
	if (s.trial->undo)
		s.trial->undo(&s);
	s.p = NULL;
	check_end(&s);
}

NOINLINE void drop_some(struct scene *s UNUSED)
{
	for (int i = 0; i < DROPPED; i++)
		(void)make_dropped(2);
	forget();
}

/* ---------------------------------------------------------------------------- a sweep */

static void complain(const struct attempt *a, int status)
{
	test_say("%s call %u (%s)%s: %s, %s %d",
		 a->how == FAIL_ONE ? "failing" : "failing from", a->succeed,
		 report->call, a->old_kernel ? " on an old kernel" : "",
		 report->result < 0 ? strerror(-report->result) : "succeeds",
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* How many tries went wrong. */
static unsigned int sweep_so(const struct trial *t, enum failing_how how, bool old_kernel)
{
	struct attempt a = { .trial = t, .how = how, .old_kernel = old_kernel };
	unsigned int bad = 0;
	int status;

	for (a.succeed = 0; a.succeed < CALLS_AT_MOST; a.succeed++) {
		memset(report, 0, sizeof(*report));
		status = child_status(try_once, &a);
		if (status) {
			complain(&a, status);
			bad++;
		}
		if (!report->failed)
			return bad;
	}
	test_say("after %u calls there was still one to fail", a.succeed);
	return bad + 1;
}

void sweep(const struct trial *t)
{
	unsigned int bad = 0;
	int fd = pattern_file(file_path, FILE_BYTES);

	file_inode = inode_of(fd);
	close(fd);
	report = mmap(NULL, sizeof(*report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(report, MAP_FAILED);
	for (int old_kernel = 0; old_kernel < 2; old_kernel++) {
		bad += sweep_so(t, FAIL_ONE, old_kernel);
		bad += sweep_so(t, FAIL_ALL_LATER, old_kernel);
	}
	unlink(file_path);
	assert_int_equal(bad, 0);
}
