/* SPDX-License-Identifier: BSD-2-Clause */
/* The same for libfoster-bpf, which needs no permission to refuse a descriptor. */
#include <foster/bpf.h>

#include <errno.h>

int main(void)
{
	if (foster_bpf_map(-1) || errno != EBADF)
		return 1;
	return !*foster_bpf_strerror();
}
