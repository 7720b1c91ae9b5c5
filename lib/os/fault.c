/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "base/check.h"

/*
 * What was there before us.  Installed twice, because a handler was put in front of ours,
 * there are two: that one may hand on to us, as libgc's does, and the second time round
 * the oldest is next.  Written before our handler can see them, never changed while it
 * can.
 */
struct chain {
	int signal;
	struct sigaction oldest;
	struct sigaction latest;
	bool installed;
	bool twice;
};
static struct chain chains[] = { { .signal = SIGSEGV }, { .signal = SIGBUS } };
#define CHAINS (sizeof(chains) / sizeof(*chains))

static fault_fn *_Atomic look;
/*
 * The context that this thread is handing on, where two handlers are behind us: seen
 * again, it comes from the later one.  Not a count of depth, since a handler may leave by
 * a jump. Initial-exec: reading it must not allocate.
 */
static __thread void *volatile handing __attribute__((tls_model("initial-exec")));

void fault_deadly(int signal)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };

	sigaction(signal, &standard, NULL);
}

/* The default action of a fault ends the process when the instruction faults again. */
static void hand_to_default(int signal, const siginfo_t *info)
{
	fault_deadly(signal);
	if (info->si_code <= 0)
		raise(signal); /* sent by somebody: it would not happen again by itself */
}

static bool is_function(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) ||
	       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void call(const struct sigaction *action, int signal, siginfo_t *info, void *context)
{
	sigset_t before;

	sigprocmask(SIG_BLOCK, &action->sa_mask, &before);
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(signal, info, context);
	else
		action->sa_handler(signal);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void hand_on(const struct sigaction *next, int signal, siginfo_t *info, void *context)
{
	if (is_function(next))
		call(next, signal, info, context);
	else if (next->sa_handler == SIG_DFL || info->si_code > 0)
		hand_to_default(signal, info); /* the kernel does not let a fault be ignored */
}

static void handle(int signal, siginfo_t *info, void *context)
{
	int saved = errno;
	struct chain *chain = &chains[signal == SIGBUS];

	if (handing && handing == context) {
		hand_on(&chain->oldest, signal, info, context);
	} else if (!look(signal, info, context)) {
		handing = chain->twice ? context : NULL;
		hand_on(&chain->latest, signal, info, context);
		handing = NULL;
	}
	errno = saved;
}

static bool is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

static int install_one(struct chain *chain)
{
	struct sigaction ours = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction now;

	if (sigaction(chain->signal, NULL, &now))
		return -errno;
	if (is_ours(&now))
		return 0;
	/* Ours may run at once: what it hands on to is there before. */
	chain->latest = now;
	chain->twice = chain->installed;
	if (!chain->installed)
		chain->oldest = now;
	chain->installed = true;
	sigemptyset(&ours.sa_mask);
	return sigaction(chain->signal, &ours, NULL) ? -errno : 0;
}

int fault_install(fault_fn *fn)
{
	int err = 0;

	atomic_store(&look, fn);
	for (size_t i = 0; !err && i < CHAINS; i++)
		err = install_one(&chains[i]);
	return err;
}
