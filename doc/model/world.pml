/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world that a round of the sweep looks at: the places where the pointer may be, and
 * two threads that do to it whatever a program can, in any order.
 *
 *   A0 A1   two words of one page of private memory
 *   B       a word of another page
 *   S       a word of shared memory, which can be written behind everybody's back
 *   H       a word of an object of the collector
 *   X Y     a word each of mappings that are made, unmapped, moved to the other address
 *   RA RB   registers or stack of a thread that the collector knows, and of one that it
 *           does not
 *
 * A move is a copy and, later or never, the clearing of the old place: two steps.  From
 * memory to memory it goes through a register, as on the processor.
 *
 * Switches: MEMORY brings A1, B and S, HEAP brings H, MAPPINGS brings X and Y; A0, RA and
 * RB are always there.  LIMIT, where given, is how many copies there may be at one time.
 */

#ifdef MEMORY
#define IN_MEMORY(x) x
#else
#define IN_MEMORY(x)
#endif
#ifdef HEAP
#define IN_HEAP(x) x
#else
#define IN_HEAP(x)
#endif
#ifdef MAPPINGS
#define IN_MAPPINGS(x) x
#else
#define IN_MAPPINGS(x)
#endif

#define A0 0
#define A1 1
#define B 2
#define S 3
#define H 4
#define X 5
#define Y 6
#define RA 7
#define RB 8
#define PLACES 9

bool has[PLACES];
byte copies;

/* Pages whose writes are noticed.  S is on none. */
#define PA 0
#define PB 1
#define PH 2
#define PX 3
#define PY 4
bool written[5];

/* Of X and Y: is memory there, and is it the memory whose writes are noticed? */
bool mapped[PLACES];
bool tracked[PLACES];

/* The object of H: a root leads to it; a finalizer is registered; it waits to run. */
bool rooted = 1;
bool finalizable;
bool queued;
/* As the collector says, from the end of marking until its next collection. */
bool marked;
bool newer;

/* The collector's lock, and which threads stand still. */
bool locked;
bool stopped[PLACES];

bool released;

/* What a thread can get at, and what it can get at some day. */
#define REACHED(w) ((w != H || rooted) && ((w != X && w != Y) || mapped[w]))
#define LIVING (rooted || queued || finalizable)
#define HELD(w) (has[w] && (w != H || LIVING))
#define HELD_ANYWHERE \
	(HELD(A0) || HELD(A1) || HELD(B) || HELD(S) || HELD(H) || HELD(X) || HELD(Y) || \
	 HELD(RA) || HELD(RB))

/* A model that is to release early is not asked for more. */
#ifdef EARLY_IS_ENOUGH
#define MISSING_UNLESS(x) skip
#else
#define MISSING_UNLESS(x) assert(x)
#endif

#define PUT(w) copies = copies + 1 - has[w]; has[w] = 1
#define WIPE(w) copies = copies - has[w]; has[w] = 0

#ifdef WRITES_ARE_NOTICED
#define NOTICE(page) written[page] = 1
#define NOTICE_IF(is, page) written[page] = written[page] || is
#define NOTICE_NO_MORE(page) written[page] = 0
#else
#define NOTICE(page) skip
#define NOTICE_IF(is, page) skip
#define NOTICE_NO_MORE(page) skip
#endif

#ifdef MARKS_ARE_ASKED_LATER
#define MARK_ANEW newer = 1; marked = rooted || queued || finalizable
#else
#define MARK_ANEW skip
#endif

#define CAN (!stopped[me])
#ifdef LIMIT
#define ROOM (copies < LIMIT)
#else
#define ROOM true
#endif

/* A load, a store, a clearing of a word. */
#define USES(w, notice) \
	:: d_step { CAN && REACHED(w) && has[w] && !has[me] && ROOM -> \
		assert(!released); PUT(me) } \
	:: d_step { CAN && REACHED(w) && has[me] && !has[w] && ROOM -> PUT(w); notice } \
	:: d_step { CAN && REACHED(w) && has[w] -> WIPE(w); notice }

/* mmap, munmap, mremap: what is new, or elsewhere, is not noticed any more. */
#define MAPS(w, page, other) \
	:: d_step { CAN && !mapped[w] -> mapped[w] = 1 } \
	:: d_step { CAN && mapped[w] -> \
		mapped[w] = 0; tracked[w] = 0; NOTICE_NO_MORE(page); WIPE(w) } \
	:: d_step { CAN && mapped[w] && !mapped[other] -> \
		mapped[other] = 1; has[other] = has[w]; \
		mapped[w] = 0; tracked[w] = 0; NOTICE_NO_MORE(page); has[w] = 0 }

/*
 * The last root is dropped; a finalizer is registered; it runs, which takes the
 * collector's lock, and has the object again; a dead object's memory becomes another's,
 * cleared.
 * And the host's own collections.
 */
#define OBJECTS \
	:: d_step { CAN && rooted -> rooted = 0 } \
	:: d_step { CAN && rooted && !finalizable -> finalizable = 1 } \
	:: d_step { CAN && !locked && queued -> queued = 0; rooted = 1 } \
	:: d_step { CAN && !locked && !LIVING -> rooted = 1; WIPE(H); NOTICE(PH) } \
	:: d_step { CAN && !locked -> MARK_ANEW; \
		queued = queued || (!rooted && finalizable); \
		finalizable = finalizable && rooted }

proctype thread(byte me)
{
end:	do
	USES(A0, NOTICE(PA))
	IN_MEMORY(USES(A1, NOTICE(PA)))
	IN_MEMORY(USES(B, NOTICE(PB)))
	IN_MEMORY(USES(S, skip))
	IN_HEAP(USES(H, NOTICE(PH)))
	IN_HEAP(OBJECTS)
	IN_MAPPINGS(USES(X, NOTICE_IF(tracked[X], PX)))
	IN_MAPPINGS(USES(Y, NOTICE_IF(tracked[Y], PY)))
	IN_MAPPINGS(MAPS(X, PX, Y))
	IN_MAPPINGS(MAPS(Y, PY, X))
	:: d_step { CAN && has[me] -> WIPE(me) }
#ifdef KERNEL_WRITES
	/* What an assumption excludes: the kernel writes through pages that it pinned. */
	:: d_step { CAN && has[S] && !has[A0] && ROOM -> PUT(A0) }
#endif
	od
}

/* The collector: the threads that it knows stand still, those that it does not go on. */
inline mark()
{
	locked = 1;
	stopped[RA] = 1;
	marked = rooted || queued
}

/* After marking, threads running again, the lock held: what is finalizable is queued. */
inline finalize()
{
	atomic {
		if
		:: !marked && finalizable ->
			finalizable = 0;
			queued = 1;
			marked = 1
		:: else
		fi
	}
}
