/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps of the sweep that a test build can leave out, to prove that a test notices.  In an
 * installed library there is nothing of them.
 */
#ifndef FOSTER_BASE_MUTANT_H
#define FOSTER_BASE_MUTANT_H

enum mutant {
	MUTANT_NONE,
	MUTANT_OTHER_MEMORY,  /* only the collector's heap, stacks and static data are read */
	MUTANT_OLD_LIST,      /* the list of mappings is not taken anew in the pause */
	MUTANT_SHARED_EARLY,  /* shared memory is read before, not in the pause */
	MUTANT_ONE_JUDGEMENT, /* words in unmarked objects are not judged again */
	MUTANT_NO_REGISTERS,
	MUTANT_OLD_PAGES,     /* written pages are not read again */
	MUTANT_RUNNING,	      /* threads that the collector does not know are not stopped */
	MUTANT_NO_PAUSE,      /* the decision is made before the collection */
	MUTANT_OVERSLEPT,     /* what was not read may be kept, and what it points to goes */
	MUTANT_NOBODY_WAKES,  /* regions in doubt are not read, whatever speaks for them */
};

#ifdef FOSTER_SYNC_POINTS
/* Taken from the environment (FOSTER_MUTANT, a number) at the first round. */
extern enum mutant mutant;
void mutant_choose(void);
#define MUTANT(name) (mutant == MUTANT_##name)
#else
#define mutant_choose() ((void)0)
#define MUTANT(name) 0
#endif

#endif
