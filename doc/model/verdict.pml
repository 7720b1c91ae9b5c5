/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the instant to the release: calls reveal the region meanwhile, and the host's own
 * collections put it in doubt anew.
 *
 * A verdict is of one cycle of the collector.  It counts if the region was not touched in
 * that cycle or later; that it is in doubt says little, for the doubt may be another one.
 *
 * Never RELEASING while anybody has a pointer; and RELEASING after a round before and
 * during which nobody had one.  Switches that must be refuted:
 *   TOUCH_IGNORED     the verdict counts if the region is in doubt
 *   SETTLED_UNLOCKED  doubt and touch are looked at without the collector's lock
 *   NOTED_EARLY       a call reads the cycle's number before it gives the pointer
 *   NOTED_LATE        a call lets go of the region before it notes the number
 *   NOTED_BACKWARDS   a call that was delayed undoes the later touch of another
 */
#define MOST 4 /* collections in a run */

mtype = { LIVE, DOUBTED, RELEASING };

/* The life word: it is read, and swapped, as one. */
mtype state = LIVE;
byte holds;
byte touched; /* of it, beside the word: the last cycle in which it was */

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

proctype caller()
{
	byte now;

end:	do
	:: atomic {
		!stopped && state != RELEASING ->
			holds++;
			state = LIVE;
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
	:: d_step { !stopped && in_register && !in_malloc -> in_malloc = 1 }
	:: d_step { !stopped && in_malloc && !in_register -> in_register = 1 }
	:: d_step { !stopped && in_register -> in_register = 0 }
	:: d_step { !stopped && in_malloc -> in_malloc = 0 }
	od
}

/*
 * The collector sees no pointer: it asks the sign, under its lock; threads run again.
 */
inline sign()
{
	d_step { was = state; had = holds };
	if
	:: was == LIVE && had == 0 ->
		if
		:: touched < cycle ->
			d_step {
				if
				:: state == was && holds == had -> state = DOUBTED
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
	d_step { cycle++; at = cycle; unseen = !in_register; none = !HELD };
	stopped = 0;
	if
	:: unseen -> sign()
	:: else
	fi;
	locked = 0
}

proctype host()
{
	mtype was;
	byte had, at;
	bool unseen, none;

end:	do
	:: cycle < MOST -> collect()
	od
}

/* The verdict is carried out, if it still counts. */
inline settle()
{
#ifndef SETTLED_UNLOCKED
	atomic { !locked -> locked = 1 };
#endif
	d_step { was = state; had = holds };
#ifdef TOUCH_IGNORED
	counts = 1;
#else
	counts = touched < at;
#endif
	if
	:: was == DOUBTED && had == 0 && counts ->
		d_step {
			if
			:: state == was && holds == had ->
				assert(!HELD);
				state = RELEASING
			:: else
			fi;
			skip
		}
	:: else
	fi;
#ifndef SETTLED_UNLOCKED
	locked = 0;
#endif
	skip
}

proctype reaper()
{
	mtype was;
	byte had, at;
	bool unseen, none, counts, quiet;

end:	do
	:: state == DOUBTED && cycle < MOST ->
		d_step { revealed = 0; quiet = state == DOUBTED && !HELD };
		collect();
		if
		:: none -> settle()
		:: else
		fi;
#ifndef EARLY_IS_ENOUGH
		assert(state == RELEASING || !quiet || revealed);
#endif
		d_step {
			was = 0; had = 0; at = 0;
			unseen = 0; none = 0; counts = 0; quiet = 0
		}
	od
}

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
