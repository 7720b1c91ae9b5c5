/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sync.h"

#ifdef FOSTER_SYNC_POINTS
void (*_Atomic sync_hook)(const char *name);
#else
extern int sync_nothing; /* ISO C wants a declaration in every file */
#endif
