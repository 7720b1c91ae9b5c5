/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/mutant.h"

#ifdef FOSTER_SYNC_POINTS
#include <stdlib.h>

enum mutant mutant;

void mutant_choose(void)
{
	const char *number = getenv("FOSTER_MUTANT");

	mutant = number ? (enum mutant)strtol(number, NULL, 10) : MUTANT_NONE;
}
#endif
