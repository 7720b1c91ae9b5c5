/* SPDX-License-Identifier: BSD-2-Clause */
/* The regions of a child of fork. */
#ifndef FOSTER_REGION_INHERIT_H
#define FOSTER_REGION_INHERIT_H

/*
 * Ends what threads of the parent had begun, and counts anew.
 * Context: the child's only thread, before anything else of foster; no lock held.
 */
void regions_inherit(void);

#endif
