// SPDX-License-Identifier: BSD-2-Clause
/* For libFuzzer: `make fuzz` builds and runs it.  A finding: ./fuzz_btf FILE. */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	(void)walk_btf(data, len);
	return 0;
}
