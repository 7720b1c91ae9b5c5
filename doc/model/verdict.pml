/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the instant to the release: calls reveal the region meanwhile, and the host's own
 * collections put it in doubt anew.
 *
 * A round takes the region out of the queue of doubts before it begins.  Its verdict is
 * carried out if the region is in doubt still and not in the queue: a call that reveals it
 * ends the doubt, and a doubt after that puts it there again.
 *
 * Never RELEASING while anybody has a pointer; and RELEASING after a round before and
 * during which nobody had one.
 *
 *   (no switch)  a region that the collector tracks too, and doubts
 *   IN_PLACE     one that it does not: only rounds doubt it
 *   SIGN_ALONE   the sweep is off: no round, the collector's doubt decides; pointers are
 *                only where it looks
 *
 * Switches that must be refuted:
 *   QUEUED_IGNORED    any doubt will do
 *   STATE_IGNORED     a call that reveals the region changes nothing
 * and with SIGN_ALONE:
 *   TOUCH_IGNORED     the sign counts, whether the region was touched since the marking
 *   TOUCHED_BETWEEN   that is looked at in the sign only: a call comes and goes between look
 *                     and swap
 *   NOTED_EARLY       a call reads the cycle's number before it gives the pointer
 *   NOTED_LATE        a call lets go of the region before it notes the number
 *   NOTED_BACKWARDS   a call that was delayed undoes the later touch of another
 */
#define MOST 4 /* collections in a run */

mtype = { LIVE, DOUBTED, RELEASING };

/* The life word: it is read, and swapped, as one. */
mtype state = LIVE;
bool queued;
byte holds;
byte touched; /* of it, beside the word: the last cycle in which it was */
byte signed_at; /* the same: the cycle of the last sign that counted */

byte cycle = 1; /* goes up at each instant */
bool locked;	/* the collector's lock */
bool stopped;

bool in_register; /* the collector sees this one */
bool in_malloc;	  /* and not this one; the sweep sees both */
bool revealed;
#define HELD (in_register || in_malloc)

/* foster_info(), foster_for_each(): a pointer comes into being, from our hidden one. */
inline give()
{
	atomic { !stopped -> in_register = 1 }
}

inline let_go()
{
	atomic { !stopped -> holds-- }
}

inline read_cycle()
{
	atomic { !stopped -> now = cycle }
}

#ifdef NOTED_BACKWARDS
#define LATER(a, b) a
#else
#define LATER(a, b) (a > b -> a : b)
#endif

inline note()
{
	atomic { !stopped -> touched = LATER(now, touched); now = 0 }
}

#ifdef STATE_IGNORED
#define REVIVE skip
#else
#define REVIVE state = LIVE
#endif

proctype caller()
{
	byte now;

end:	do
	:: atomic {
		!stopped && state != RELEASING ->
			holds++;
			REVIVE;
			revealed = 1
	   };
#ifdef NOTED_EARLY
	   read_cycle(); give(); note(); let_go()
#else
#ifdef NOTED_LATE
	   give(); let_go(); read_cycle(); note()
#else
	   give(); read_cycle(); note(); let_go()
#endif
#endif
	od
}

/* What the program does with a pointer that it has. */
proctype user()
{
end:	do
#ifndef SIGN_ALONE
	:: d_step { !stopped && in_register && !in_malloc -> in_malloc = 1 }
	:: d_step { !stopped && in_malloc && !in_register -> in_register = 1 }
	:: d_step { !stopped && in_malloc -> in_malloc = 0 }
#endif
	:: d_step { !stopped && in_register -> in_register = 0 }
	od
}

#ifdef TOUCH_IGNORED
#define UNTOUCHED true
#else
#define UNTOUCHED (touched < cycle)
#endif
#if defined(TOUCH_IGNORED) || defined(TOUCHED_BETWEEN)
#define UNTOUCHED_STILL true
#else
#define UNTOUCHED_STILL (touched < signed_at)
#endif

/*
 * The collector sees no pointer: it asks the sign, under its lock; threads run again.
 */
inline sign()
{
	d_step { was = state; had = holds };
	if
	:: was == LIVE && had == 0 ->
		if
		:: UNTOUCHED ->
			signed_at = cycle;
			d_step {
				if
				:: state == was && holds == had ->
					state = DOUBTED;
					queued = 1
				:: else
				fi;
				skip
			}
		:: else
		fi
	:: else
	fi;
	d_step { was = 0; had = 0 }
}

inline collect()
{
	atomic { !locked -> locked = 1 };
	stopped = 1;
	d_step { cycle++; unseen = !in_register; none = !HELD };
	stopped = 0;
#ifndef IN_PLACE
	if
	:: unseen -> sign()
	:: else
	fi;
#endif
	locked = 0
}

proctype host()
{
	mtype was;
	byte had;
	bool unseen, none;

end:	do
	:: cycle < MOST -> collect()
	od
}

#ifdef QUEUED_IGNORED
#define COUNTS true
#else
#define COUNTS (!queued)
#endif

inline release()
{
	assert(!HELD);
	state = RELEASING
}

#ifdef SIGN_ALONE
proctype reaper()
{
end:	do
	:: d_step {
		queued ->
			queued = 0;
			if
			:: state == DOUBTED && UNTOUCHED_STILL -> release()
			:: state == DOUBTED && !UNTOUCHED_STILL -> state = LIVE
			:: else
			fi;
			skip
	   }
	od
}
#else
/* The doubt that this round is about; in place, it is the round's own. */
inline suspect()
{
	d_step {
		queued = 0;
#ifdef IN_PLACE
		if
		:: state == LIVE && holds == 0 -> state = DOUBTED
		:: else
		fi;
#endif
		revealed = 0
	};
	d_step { suspected = state == DOUBTED && !queued; quiet = suspected && !HELD }
}

/* One swap of the word. */
inline condemn()
{
	d_step {
		if
		:: state == DOUBTED && COUNTS -> release()
		:: else
		fi;
		skip
	}
}

/* What stays is in doubt no more, whoever doubted it. */
inline acquit()
{
	d_step {
		if
		:: state == DOUBTED -> state = LIVE
		:: else
		fi;
		suspected = 0; quiet = 0; unseen = 0; none = 0
	}
}

proctype reaper()
{
	mtype was;
	byte had;
	bool unseen, none, suspected, quiet;

end:	do
	:: cycle < MOST ->
		suspect();
		if
		:: suspected ->
			collect();
			if
			:: none -> condemn()
			:: else
			fi;
#ifndef EARLY_IS_ENOUGH
			assert(state == RELEASING || !quiet || revealed);
#endif
			skip
		:: else
		fi;
		if
		:: state == RELEASING -> break
		:: else -> acquit()
		fi
	od
}
#endif

init
{
	atomic {
		in_register = 1;
		run caller();
		run caller();
		run user();
		run host();
		run reaper()
	}
}
