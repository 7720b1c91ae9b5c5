/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that keep the hidden words: see hide.h. */
#include "hide.h"

#define ASLEEP_MS 10

static void *keep(void *arg)
{
	struct keeper *k = arg;

	if (k->known)
		child_check(foster_thread_attach() == 0);
	k->hide(k);
	forget();
	moment_announce(&k->dropped);
	moment_await(&k->leave);
	if (k->known)
		child_check(foster_thread_detach() == 0);
	return NULL;
}

void keeper_begin(struct keeper *k, bool known, void (*hide)(struct keeper *))
{
	*k = (struct keeper){ .hide = hide, .known = known };
	assert_int_equal(pipe(k->pipe), 0);
	k->thread = thread_begin(keep, k);
	moment_await(&k->hidden);
	/* It may be on its way into a call in which it is to sleep. */
	sleep_ms(ASLEEP_MS);
}

void keeper_wait(struct keeper *k)
{
	forget();
	moment_announce(&k->hidden);
	moment_await(&k->drop);
}

void keeper_drop(struct keeper *k)
{
	moment_announce(&k->drop);
	assert_int_equal(write(k->pipe[1], "", 1), 1);
	moment_await(&k->dropped);
}

void keeper_end(struct keeper *k)
{
	moment_announce(&k->leave);
	thread_end(k->thread);
	close(k->pipe[0]);
	close(k->pipe[1]);
}

void check_keeper(void (*hide)(struct keeper *), bool known)
{
	struct keeper k;

	keeper_begin(&k, known, hide);
	assert_kept();
	keeper_drop(&k);
	assert_gone();
	keeper_end(&k);
}
