/* SPDX-License-Identifier: BSD-2-Clause */
/* BTF made up for a test, loaded into the kernel together with a map of it. */
#ifndef FOSTER_TESTS_SUPPORT_BTF_H
#define FOSTER_TESTS_SUPPORT_BTF_H

#include <bpf/btf.h>

#include "support_bpf.h"

#define DRAFT_VARIABLES 64

/* Types are added with libbpf's btf__add_...(draft.btf, ...), before the variables. */
struct draft {
	struct btf *btf;
	size_t count;
	struct {
		const char *name;
		int type;
		__u32 offset, bytes;
		int linkage;
	} variable[DRAFT_VARIABLES];
};

void draft_begin(struct draft *draft);

/* A global variable; and one of file scope. */
void draft_variable(struct draft *draft, const char *name, int type, __u32 offset,
		    __u32 bytes);
void draft_static(struct draft *draft, const char *name, int type, __u32 offset,
		  __u32 bytes);

/* A map of one value with these variables.  The flags are added to BPF_F_MMAPABLE. */
int draft_section(struct draft *draft, const char *section, __u32 bytes, __u32 flags);

/* The same as a datasec. */
struct foster_datasec *draft_datasec(struct draft *draft, const char *section,
				     __u32 bytes, __u32 flags);

/* An array map whose values are of a type of the draft. */
int draft_array(struct draft *draft, int type, __u32 bytes, __u32 entries, __u32 flags);

/* A datasec with one variable of 8 bytes, unsigned, "hits". */
struct foster_datasec *small_datasec(void);
int small_section(__u32 flags);

/* A call must return NULL with the errno, and the reason have the words. */
#define assert_refuses(error, words, call)                                       \
	do {                                                                     \
		assert_null_with(error, call);                                   \
		if (!strstr(foster_bpf_strerror(), words))                       \
			test_say("the reason is \"%s\"", foster_bpf_strerror()); \
		assert_non_null(strstr(foster_bpf_strerror(), words));           \
	} while (0)

/* The same of a call that returns a negative errno. */
#define assert_denies(error, words, call)                                        \
	do {                                                                     \
		assert_fails(error, call);                                       \
		if (!strstr(foster_bpf_strerror(), words))                       \
			test_say("the reason is \"%s\"", foster_bpf_strerror()); \
		assert_non_null(strstr(foster_bpf_strerror(), words));           \
	} while (0)

#endif
