// SPDX-License-Identifier: BSD-2-Clause
/* The macros of foster/bpf.h as C++17 compiles them: variable_cxx.cc. */
#include "support_btf.h"

#include <linux/types.h>

#include "kinds.h"
#include "kinds.skel.h"
#include "variable_cxx.h"

static void assert_holds(int line)
{
	if (line)
		test_say("variable_cxx.cc:%d: %s", line, foster_bpf_strerror());
	assert_int_equal(line, 0);
}

TEST(types_of_cxx_match)
{
	assert_holds(cxx_matches(foster_datasec_of(LOADED(kinds_bpf)->maps.bss)));
}

TEST(other_types_of_cxx_are_refused)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);

	assert_holds(cxx_refusals(foster_datasec_of(skel->maps.bss),
				  foster_datasec_of(skel->maps.rodata)));
}

TEST(memory_is_read_and_written_from_cxx)
{
	struct kinds_bpf *skel = LOADED(kinds_bpf);

	assert_holds(cxx_accesses(foster_datasec_of(skel->maps.bss)));
	assert_int_equal(FOSTER_READ(skel->bss->runs), 3);
	assert_int_equal(FOSTER_READ(skel->bss->width), 5);
}
