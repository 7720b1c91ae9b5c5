/* SPDX-License-Identifier: BSD-2-Clause */
/* What the macros do in C++: 0, or the line of variable_cxx.cc that did not hold. */
#ifndef FOSTER_TESTS_VARIABLE_CXX_H
#define FOSTER_TESTS_VARIABLE_CXX_H

struct foster_datasec;

#ifdef __cplusplus
extern "C" {
#endif

/* The sections of kinds.bpf.c. */
int cxx_matches(const struct foster_datasec *bss);
int cxx_refusals(const struct foster_datasec *bss, const struct foster_datasec *rodata);

/* Adds 3 to "runs" and makes "width" 5. */
int cxx_accesses(const struct foster_datasec *bss);

#ifdef __cplusplus
}
#endif

#endif
