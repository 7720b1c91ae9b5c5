/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rounds of the sweep by written-page tracking, in the world of world.pml.
 *
 * Never released while a place that anybody can get at holds the pointer (asserted at the
 * release and at each load after it); and released by a round before which all of them
 * were cleared.
 *
 * Each switch below takes something away from the sweep, and must be refuted:
 *   OTHER_MEMORY_NOT_READ  LIST_NOT_RETAKEN  SHARED_NOT_READ_IN_PAUSE
 *   NO_SECOND_JUDGEMENT  REGISTERS_NOT_READ  WRITTEN_NOT_READ_AGAIN
 *   UNKNOWN_NOT_STOPPED  DECIDED_OUTSIDE_PAUSE
 *   PROTECTED_LATE    written pages are protected anew after they were read, not before
 *   DEAD_WORDS_COUNT  a word counts whether its object is marked or not
 * KERNEL_WRITES takes an assumption away.
 */
#define WRITES_ARE_NOTICED
#include "world.pml"

bool hit[PLACES];    /* words where the pointer was seen before the pause */
bool listed[PLACES]; /* mappings that were there when the round began */
bool clean;	     /* then, nobody could get at the pointer any more */
bool again;
bool later;	     /* it stands in an object that was not marked at the instant */
bool found;

#define READ(w) hit[w] = hit[w] || has[w]

/* A mapping that went since it was listed cannot be tracked. */
inline track(w, page)
{
	d_step { tracked[w] = listed[w] && mapped[w]; written[page] = 0 }
}

/* Asked whether it was written, and protected anew, at one moment; read after that. */
inline take_written(page)
{
#ifdef PROTECTED_LATE
	again = written[page]
#else
	d_step { again = written[page]; written[page] = 0 }
#endif
}

inline end_written(page)
{
#ifdef PROTECTED_LATE
	written[page] = 0;
#endif
	again = 0
}

inline pass(w, page)
{
	take_written(page);
	if
	:: again -> READ(w)
	:: else
	fi;
	end_written(page)
}

inline pass_two_words(w, v, page)
{
	take_written(page);
	if
	:: again ->
		READ(w);
		READ(v)
	:: else
	fi;
	end_written(page)
}

inline judge(w)
{
	if
	:: has[w] -> found = 1
	:: else
	fi
}

inline judge_object(w)
{
	if
#ifdef DEAD_WORDS_COUNT
	:: has[w] -> found = 1
#else
	:: has[w] && marked -> found = 1
	:: has[w] && !marked -> later = 1
#endif
	:: else
	fi
}

#ifdef WRITTEN_NOT_READ_AGAIN
#define DUE(w, page) (hit[w])
#else
#define DUE(w, page) (hit[w] || written[page])
#endif
#ifdef LIST_NOT_RETAKEN
/* The kernel says nothing of what is not tracked. */
#define DUE_MAPPED(w, page) \
	(mapped[w] && listed[w] && (hit[w] || tracked[w] && written[page]))
#else
#define DUE_MAPPED(w, page) (mapped[w] && (!(listed[w] && tracked[w]) || DUE(w, page)))
#endif

inline look(w, page)
{
	if
	:: DUE(w, page) -> judge(w)
	:: else
	fi
}

inline look_at_object(w, page)
{
	if
	:: DUE(w, page) -> judge_object(w)
	:: else
	fi
}

inline look_at_mapping(w, page)
{
	if
	:: DUE_MAPPED(w, page) -> judge(w)
	:: else
	fi
}

/* One after the other is protected, and then read. */
inline read_all()
{
#ifndef OTHER_MEMORY_NOT_READ
	written[PA] = 0;
	READ(A0);
	IN_MEMORY(READ(A1);)
	IN_MEMORY(written[PB] = 0;)
	IN_MEMORY(READ(B);)
	IN_MAPPINGS(track(X, PX);)
	IN_MAPPINGS(READ(X);)
	IN_MAPPINGS(track(Y, PY);)
	IN_MAPPINGS(READ(Y);)
#endif
	IN_HEAP(written[PH] = 0;)
	IN_HEAP(READ(H);)
#ifdef SHARED_NOT_READ_IN_PAUSE
	IN_MEMORY(judge(S);)
#endif
	skip
}

inline read_written()
{
#ifndef OTHER_MEMORY_NOT_READ
#ifdef MEMORY
	pass_two_words(A0, A1, PA);
	pass(B, PB);
#else
	pass(A0, PA);
#endif
	IN_MAPPINGS(pass(X, PX);)
	IN_MAPPINGS(pass(Y, PY);)
#endif
	IN_HEAP(pass(H, PH);)
	skip
}

inline look_at_all()
{
#ifndef OTHER_MEMORY_NOT_READ
	look(A0, PA);
	IN_MEMORY(look(A1, PA);)
	IN_MEMORY(look(B, PB);)
	IN_MAPPINGS(look_at_mapping(X, PX);)
	IN_MAPPINGS(look_at_mapping(Y, PY);)
#ifndef SHARED_NOT_READ_IN_PAUSE
	IN_MEMORY(judge(S);)
#endif
#endif
	IN_HEAP(look_at_object(H, PH);)
#ifndef REGISTERS_NOT_READ
	judge(RA);
	judge(RB);
#endif
	skip
}

inline go_on()
{
	stopped[RB] = 0;
	stopped[RA] = 0
}

inline decide()
{
	mark();
#ifndef UNKNOWN_NOT_STOPPED
	stopped[RB] = 1;
#endif
#ifdef DECIDED_OUTSIDE_PAUSE
	go_on();
	look_at_all();
#else
	look_at_all();
	go_on();
#endif
	IN_HEAP(finalize();)
#if defined(HEAP) && !defined(NO_SECOND_JUDGEMENT) && !defined(DEAD_WORDS_COUNT)
	if
	:: later && marked -> found = 1
	:: else
	fi;
#endif
	locked = 0
}

inline release()
{
	if
	:: !found ->
		assert(!HELD_ANYWHERE);
		released = 1
	:: else
	fi;
	MISSING_UNLESS(released || !clean)
}

inline begin()
{
	clean = !HELD_ANYWHERE;
	IN_MAPPINGS(listed[X] = mapped[X];)
	IN_MAPPINGS(listed[Y] = mapped[Y];)
	skip
}

/* Forgets, so that rounds that do not differ in what comes are one to spin. */
inline end()
{
	d_step {
		hit[A0] = 0; hit[A1] = 0; hit[B] = 0; hit[H] = 0; hit[X] = 0; hit[Y] = 0;
		written[PA] = 0; written[PB] = 0; written[PH] = 0; written[PX] = 0;
		written[PY] = 0;
		listed[X] = 0; listed[Y] = 0; tracked[X] = 0; tracked[Y] = 0;
		clean = 0; later = 0; found = 0; marked = 0
	}
}

proctype rounds()
{
	do
	:: !released ->
		begin();
		read_all();
		read_written();
		decide();
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
