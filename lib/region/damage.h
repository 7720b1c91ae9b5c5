/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling users of damaged regions, off the thread that met the damage. */
#ifndef FOSTER_REGION_DAMAGE_H
#define FOSTER_REGION_DAMAGE_H

/* There is a damaged region to report.  Any context. */
void damage_announce(void);

/* Calls the users' functions.  Context: the reaper, no lock held. */
void damage_report(void);

#endif
