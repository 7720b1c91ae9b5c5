/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Named points at which a test may stop a thread, to force a race instead of hoping for
 * it. They are nothing in an installed library.
 */
#ifndef FOSTER_BASE_SYNC_H
#define FOSTER_BASE_SYNC_H

#ifdef FOSTER_SYNC_POINTS
/* Called with the name of the point, on the thread that reaches it; NULL: none. */
extern void (*_Atomic sync_hook)(const char *name);
#define FOSTER_SYNC(name)                                    \
	do {                                                 \
		void (*hook_)(const char *) = sync_hook;     \
		if (hook_)                                   \
			hook_(name);                         \
	} while (0)
#else
#define FOSTER_SYNC(name) ((void)0)
#endif

#endif
