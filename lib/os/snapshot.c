/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/check.h"
#include "os/companion.h"
#include "os/raw.h"
#include "os/thread.h"

/* Of Linux 5.9. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_UNSHARED (1u << 1) /* CLOSE_RANGE_UNSHARE */

/*
 * The copy is of the companion's stack too, and fn runs on that copy.
 *
 * It starts with the host's descriptors shared, not copied, and then has none: a copy
 * would keep pipes and sockets open that the host closes meanwhile, and what fn opens in
 * a shared table would stay open were it killed.
 */
static __attribute__((noreturn)) void live(long parent, void (*fn)(void *), void *arg)
{
	(void)raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	if (raw(SYS_getppid, 0) != parent)
		companion_die();
	companion_unguard();
	(void)raw(SYS_close_range, 0, UINT_MAX, CLOSE_UNSHARED);
	fn(arg);
	for (;;)
		(void)raw(SYS_exit_group, 0);
}

int snapshot_take(struct snapshot *s, void (*fn)(void *), void *arg)
{
	long self = raw(SYS_getpid, 0);
	/* SIGCHLD is the companion's, which sleeps for it in companion_doze(). */
	long pid = raw(SYS_clone, CLONE_FILES | CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		live(self, fn, arg);
	companion_has_child((pid_t)pid);
	s->pid = (pid_t)pid;
	return 0;
}

/* 0: it runs. */
static long look(pid_t pid, int *status)
{
	return raw(SYS_wait4, (uintptr_t)pid, (uintptr_t)status, WNOHANG | __WALL, 0);
}

int snapshot_wait(struct snapshot *s, uint64_t deadline)
{
	bool killed = false;
	int status = 0;
	long r;

	fo_assert(s->pid > 0);
	while ((r = look(s->pid, &status)) == 0) {
		if (!killed && clock_ns() >= deadline) {
			(void)raw(SYS_kill, (uintptr_t)s->pid, SIGKILL);
			killed = true;
		}
		companion_doze(killed ? UINT64_MAX : deadline);
	}
	companion_has_child(0);
	if (r > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return killed ? -ETIMEDOUT : -ECHILD;
}
