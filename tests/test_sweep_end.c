/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a tracked round: after the answer, and without a trace. */
#include "adopting.h"

#include <sys/wait.h>

#include "base/sync.h"
#include "os/tracking.h"

#define PAGES ((size_t)256)

static char *memory; /* watched in rounds, for it is not small */

static void begin(void)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	if (!tracking_works())
		test_skip("no write tracking here (Linux 6.7)");
	options.idle_collect_ms = FOSTER_NEVER;
	options.collect_mib = 1 << 20;
	options.collect_regions = 1 << 30;
	options.sweep = FOSTER_SWEEP_TRACKED;
	assert_int_equal(foster_init(&options), 0);
	memory = area_new(PAGES);
	memset(memory, 'm', PAGES * page_size());
}

static NOINLINE void drop_one(void)
{
	(void)adopt_bytes(NULL, hidden_of(area_new(1) + 501), 100, NULL);
}

static void release_one(void)
{
	forget();
	drop_one();
	assert_true(are_released(1));
}

/* Is any memory of the process under a userfaultfd? */
static bool is_watched(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	bool found = false;
	char line[512];

	child_check(smaps);
	while (fgets(line, sizeof(line), smaps))
		found |= strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " uw");
	fclose(smaps);
	return found;
}

static bool has_ended(void *arg UNUSED)
{
	return !is_watched();
}

/* The reaper, before it ends the tracking. */
static struct {
	_Atomic bool armed;
	struct moment there, on;
} stop;

static void stop_before_the_end(const char *point)
{
	if (strcmp(point, "sweep-rests") != 0 || !atomic_exchange(&stop.armed, false))
		return;
	moment_announce(&stop.there);
	moment_await(&stop.on);
}

static void release_one_and_stop(void)
{
	sync_hook = stop_before_the_end;
	atomic_store(&stop.armed, true);
	release_one();
	moment_await(&stop.there);
}

TEST(the_tracking_ends_soon_after_a_round)
{
	begin();
	release_one();
	assert_true(wait_until(has_ended, NULL, 5000));
	memory[page_size()]++;
}

TEST(the_answer_does_not_wait_for_the_end_of_the_tracking)
{
	begin();
	release_one_and_stop();
	assert_true(is_watched());
	moment_announce(&stop.on);
	assert_true(wait_until(has_ended, NULL, 5000));
}

TEST(foster_fini_ends_the_tracking)
{
	begin();
	release_one();
	assert_int_equal(foster_fini(20000), 0);
	assert_false(is_watched());
}

static bool has_userfaultfd(void)
{
	char path[64], name[64];

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, name, sizeof(name));
		if (len > 0 && memmem(name, (size_t)len, "userfaultfd", 11))
			return true;
	}
	return false;
}

TEST(a_child_made_before_the_end_has_no_trace_of_it)
{
	pid_t child;
	int status;

	begin();
	release_one_and_stop();
	assert_true(has_userfaultfd());
	child = fork();
	if (child == 0) {
		child_check(!has_userfaultfd());
		child_check(!is_watched());
		_exit(0);
	}
	moment_announce(&stop.on);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(wait_until(has_ended, NULL, 5000));
}
