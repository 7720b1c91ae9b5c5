/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is the calling thread running code of a user for us?  Then it must not wait for the
 * reaper.
 */
#ifndef FOSTER_REGION_CALLBACK_H
#define FOSTER_REGION_CALLBACK_H

#include <stdbool.h>

/* Around a call of a user's function.  They nest. */
void callback_enter(void);
void callback_leave(void);

bool callback_inside(void);

#endif
