/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/handlers.h"

#include "base/attributes.h"

void handlers_learn(void)
{
}

uintptr_t handlers_interrupted(uintptr_t low, _unused_ uintptr_t sp, _unused_ uintptr_t end)
{
	return low;
}
