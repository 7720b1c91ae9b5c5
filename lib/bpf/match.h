/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a type of the program the type that BTF says? */
#ifndef FOSTER_BPF_MATCH_H
#define FOSTER_BPF_MATCH_H

#include <foster/type.h>

#include "bpf/types.h"

/* What the reason begins with: variable "hits" of .bss. */
struct subject {
	const char *what;
	const char *name;
	const char *of; /* "" or " of "; what follows it */
	const char *owner;
};

/*
 * Brings a description that a user gave into ours. Returns 0; or with a reason -EINVAL,
 * or -E2BIG where it is of a newer header and says more than we know.
 */
int match_take(const struct foster_type *theirs, struct foster_type *asked)
	_must_check_ _nonnull_(2);

/*
 * Returns 0; or with a reason
 *   -EPROTOTYPE  another kind of type
 *   -EMSGSIZE    another size, or number of elements
 *   -EDOM        the other sign
 *   -EPROTO      a member of a struct is another, elsewhere or not there
 *   -ENODATA     BTF does not say the type
 *   -EBADMSG     BTF makes no sense
 */
int match_type(struct types *types, uint32_t id, const struct foster_type *asked,
	       const struct subject *subject) _must_check_ _nonnull_all_;

/* Elements of an array, and what one of them is.  0, or as match_type(). */
int match_array(struct types *types, uint32_t id, const struct foster_type *asked,
		const struct subject *subject, uint64_t *count)
	_must_check_ _nonnull_all_;

/* Is it, or are its elements, declared const? */
bool match_is_const(struct types *types, uint32_t id) _nonnull_all_;

#endif
