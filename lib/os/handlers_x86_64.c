/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/handlers.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

#include "os/raw.h"

#define SIGNALS 64

/* What rt_sigaction(2) gives; the C library shows less. */
struct action {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

/*
 * The C library has one; programs that install handlers without it bring theirs.  More than fit are not
 * known: then nothing below a stack pointer is dead.
 */
#define RESTORERS 8
static _Atomic uintptr_t restorers[RESTORERS];
static _Atomic bool too_many;

static void add(uintptr_t restorer)
{
	for (int i = 0; i < RESTORERS; i++) {
		if (restorers[i] == restorer)
			return;
		if (!restorers[i]) {
			restorers[i] = restorer;
			return;
		}
	}
	too_many = true;
}

void handlers_learn(void)
{
	for (unsigned int signal = 1; signal <= SIGNALS; signal++) {
		struct action action = { 0 };

		if (raw(SYS_rt_sigaction, signal, 0, (uintptr_t)&action,
			sizeof(action.mask)) == 0 &&
		    action.restorer)
			add(action.restorer);
	}
}

static bool is_restorer(uintptr_t word)
{
	for (int i = 0; i < RESTORERS && restorers[i]; i++)
		if (restorers[i] == word)
			return true;
	return false;
}

/* What the kernel lays down: where the handler returns to, and the context. */
struct frame {
	uintptr_t restorer;
	ucontext_t context;
};
#define NEEDED (offsetof(struct frame, context.uc_mcontext.gregs) + sizeof(gregset_t))

uintptr_t handlers_interrupted(uintptr_t low, uintptr_t sp, uintptr_t end)
{
	uintptr_t lowest = sp;

	if (too_many)
		return low;
	for (uintptr_t at = sp & ~(sizeof(at) - 1); at < end && end - at >= NEEDED;
	     at += sizeof(at)) {
		const struct frame *frame = (const struct frame *)at;
		uintptr_t interrupted;

		if (!is_restorer(frame->restorer))
			continue;
		interrupted = (uintptr_t)frame->context.uc_mcontext.gregs[REG_RSP];
		if (interrupted >= low && interrupted < lowest)
			lowest = interrupted;
	}
	return lowest;
}
