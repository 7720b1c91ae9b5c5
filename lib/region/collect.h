/* SPDX-License-Identifier: BSD-2-Clause */
/* Collections that somebody waits for. */
#ifndef FOSTER_REGION_COLLECT_H
#define FOSTER_REGION_COLLECT_H

#include <stdint.h>

#include "base/attributes.h"

/*
 * As foster_collect(), up to a moment; 0: does not wait.  How many were released, or
 * -errno.
 */
int collect_until(uint64_t deadline) _must_check_;

#endif
