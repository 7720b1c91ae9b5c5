/* SPDX-License-Identifier: BSD-2-Clause */
/* A type of BTF as C spells it: "const struct slot *[4]". */
#ifndef FOSTER_BPF_SPELLING_H
#define FOSTER_BPF_SPELLING_H

#include "bpf/types.h"

#define SPELLING_BYTES 96

/* Cut, with dots at the end, where it is too long; dots stand for what goes too deep. */
struct spelling {
	char text[SPELLING_BYTES];
};

struct spelling spelling_of(const struct types *types, uint32_t id) _nonnull_all_;

#endif
