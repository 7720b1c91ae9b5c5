/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that is done with BTF, on bytes from anywhere: a data section made of them,
 * its variables described, found, and compared with types of C. No kernel and no libbpf.
 */
#ifndef FOSTER_TESTS_FUZZ_WALK_H
#define FOSTER_TESTS_FUZZ_WALK_H

#include <stddef.h>
#include <stdint.h>

/*
 * What a file of the corpus is:
 *
 *	[ number of the value type | where a string is | raw BTF ... ]
 *	  4 bytes                    4 bytes
 *
 * The string is asked for as the name of a variable and as the path of a member.
 */
#define WALK_HEAD 8

/* What became of it; the answer of section_plan() where there is no section. */
struct walked {
	int made;
	uint32_t variables, described, matched;
};

struct walked walk_btf(const uint8_t *data, size_t len);

#endif
