/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounds of the sweep by a snapshot, in the world of world.pml: private memory is copied
 * in the pause and read while threads run, and the collector is asked last about the
 * objects that were not marked.  The host may have collected meanwhile: then its marks
 * speak of another moment, and the round decides nothing.
 *
 * The properties are those of sweep.pml.  Switches that must be refuted:
 *   SHARED_NOT_READ_IN_PAUSE  COPIED_OUTSIDE_PAUSE  REGISTERS_NOT_READ
 *   UNKNOWN_NOT_STOPPED  NO_SECOND_JUDGEMENT  MARKS_OF_ANY_CYCLE
 */
#define MARKS_ARE_ASKED_LATER
#include "world.pml"

bool copy[PLACES];
bool was_marked; /* the marks lie in memory too: the copy has those of the instant */
bool clean;
bool later;
bool found;
bool undecided;

inline judge(w)
{
	if
	:: has[w] -> found = 1
	:: else
	fi
}

inline take_copy()
{
	d_step {
		copy[A0] = has[A0]; copy[A1] = has[A1]; copy[B] = has[B];
		copy[H] = has[H]; copy[X] = has[X]; copy[Y] = has[Y];
		was_marked = marked
	}
}

inline go_on()
{
	stopped[RB] = 0;
	stopped[RA] = 0
}

inline instant()
{
	atomic { !locked -> locked = 1 };
	mark();
#ifndef UNKNOWN_NOT_STOPPED
	stopped[RB] = 1;
#endif
#ifndef COPIED_OUTSIDE_PAUSE
	take_copy();
#endif
#ifndef SHARED_NOT_READ_IN_PAUSE
	IN_MEMORY(judge(S);)
#endif
#ifndef REGISTERS_NOT_READ
	judge(RA);
	judge(RB);
#endif
	go_on();
#ifdef COPIED_OUTSIDE_PAUSE
	take_copy();
#endif
	IN_HEAP(finalize();)
	newer = 0;
	locked = 0
}

/* Nothing in the copy changes any more: when each word is read does not matter. */
inline read_copy()
{
	d_step {
		found = found || copy[A0] || copy[A1] || copy[B] || copy[X] || copy[Y] ||
			(copy[H] && was_marked);
		later = copy[H] && !was_marked
	};
#ifdef SHARED_NOT_READ_IN_PAUSE
	IN_MEMORY(judge(S);)
#endif
	skip
}

#ifdef MARKS_OF_ANY_CYCLE
#define CANNOT_ASK false
#else
#define CANNOT_ASK newer
#endif

inline ask_collector()
{
	atomic { !locked -> locked = 1 };
	if
	:: CANNOT_ASK -> undecided = 1
	:: !CANNOT_ASK && marked -> found = 1
	:: else
	fi;
	locked = 0
}

inline release()
{
	if
	:: !found && !undecided ->
		assert(!HELD_ANYWHERE);
		released = 1
	:: else
	fi;
	MISSING_UNLESS(released || !clean || undecided)
}

/* Forgets, so that rounds that do not differ in what comes are one to spin. */
inline end()
{
	d_step {
		copy[A0] = 0; copy[A1] = 0; copy[B] = 0;
		copy[H] = 0; copy[X] = 0; copy[Y] = 0;
		was_marked = 0; clean = 0; later = 0; found = 0; undecided = 0
	}
}

proctype rounds()
{
	do
	:: !released ->
		clean = !HELD_ANYWHERE;
		instant();
		read_copy();
#if defined(HEAP) && !defined(NO_SECOND_JUDGEMENT)
		if
		:: later -> ask_collector()
		:: else
		fi;
#endif
		release();
		end()
	:: released -> break
	od
}

init
{
	atomic {
		PUT(RB);
		run thread(RA);
		run thread(RB);
		run rounds()
	}
}
