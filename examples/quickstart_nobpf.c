// SPDX-License-Identifier: BSD-2-Clause
/*
 * In place of quickstart_bpf.c where clang, bpftool or libbpf were missing at build time.
 */
#include <errno.h>

#include "quickstart.h"

static int no_load(void)
{
	line("not done", "this quickstart was built without clang, bpftool or libbpf");
	return -ENOSYS;
}

const struct program bpf_program = {
	.what = "a BPF program",
	.load = no_load,
};
