/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accounts of regions, by number: struct region in memory that no sweep reads, and struct
 * region_calls, whose words are evidence, in a table of its own.  Both are there from the first use of a
 * number on, and never move.  (Who reads them finds region_at() and its kin in region/region.h.)
 */
#ifndef FOSTER_REGION_ACCOUNT_H
#define FOSTER_REGION_ACCOUNT_H

#include <stdint.h>

#include "base/attributes.h"

struct region_facts;

/* A number, whose accounts are as they were left; 0: no memory.  The region lock is held, as in the next. */
uint32_t account_new(void) _must_check_;

/* Readers may still look. */
void account_free(uint32_t number);

/* What the maker gave to be called.  Context: who owns the region. */
void account_set_calls(uint32_t number, const struct region_facts *facts) _nonnull_all_;
void account_forget_calls(uint32_t number);

#endif
