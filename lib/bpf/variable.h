/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A variable of a data section: found, described, and compared with a type of the
 * program.
 */
#ifndef FOSTER_BPF_VARIABLE_H
#define FOSTER_BPF_VARIABLE_H

#include "bpf/section.h"

/*
 * Returns 0; or with a reason -ENOENT, which has the nearest name, or -ENOTUNIQ: several
 * static variables of this name.
 */
int variable_find(const struct section *section, const char *name,
		  const struct variable **variable) _must_check_ _nonnull_all_;

/* 0, or with a reason -EBADMSG: its type makes no sense. */
int variable_describe(struct section *section, const struct variable *variable,
		      struct foster_variable *out) _must_check_ _nonnull_all_;

/*
 * May the variable be used as the type that is asked for? With count: it is an array of
 * such elements, and *count is how many. Returns 0; or with a reason an errno of
 * match_type(), or
 *   -ERANGE         it reaches behind the end of the section
 *   -EACCES         it is for reading only, and the type is not const
 *   -EADDRNOTAVAIL  it is not aligned as the type is
 */
int variable_check(struct section *section, const struct variable *variable,
		   const struct foster_type *asked, uint64_t *count)
	_must_check_ _nonnull_(1, 2, 3);

#endif
