/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting foster, once, and what fork and exit mean for it. */
#ifndef FOSTER_REGION_CORE_H
#define FOSTER_REGION_CORE_H

#include "base/attributes.h"

/*
 * Foster is initialised and its thread runs.  What every call begins with that makes a
 * region or collects.  0, -EDEADLK when called from inside the initialisation, or the
 * errors of foster_init().
 */
int core_ready(void) _must_check_;

#endif
