/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The collection events of libgc.  There is one place for a hook; ours takes it and hands
 * on to the one that was there.  Who replaces ours is noticed at the next call of
 * event_keep().
 */
#ifndef FOSTER_GC_EVENT_H
#define FOSTER_GC_EVENT_H

/* Hooks in; again, when the host has replaced our hook.  Context: no lock. */
void event_keep(void);

#endif
