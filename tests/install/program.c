/* SPDX-License-Identifier: BSD-2-Clause */
/* The least that a user writes, in the common part of C and C++. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, in strict C11 */
#include <foster/foster.h>

int main(void)
{
	struct foster_info info = FOSTER_INFO_INIT;
	void *p = foster_mmap(NULL, 1, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || foster_info(p, &info) || info.base != p)
		return 1;
	return foster_close(p) || foster_fini(-1) < 0;
}
