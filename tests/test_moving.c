/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The moving target: the pointer is copied from one place to another and the old one
 * is cleared, while foster looks for it.  At no moment is it nowhere, and so the
 * region stays.
 *
 *   FOSTER_SOAK   the free runners run until a thousand rounds have decided and a million
 *                 moves were made
 */
#include "hide_mover.h"

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* --------------------------------------------- every pair of places, at every point */

/* A call of the point other than the one before, of as many as there were last time. */
static unsigned int choose_call(unsigned int turn, unsigned int calls)
{
	return 1 + turn * 7 % (calls ? calls : 1);
}

struct tally {
	unsigned int forced; /* moves at the point */
	unsigned int calls;  /* of the point, in the last round */
};

/*
 * Moves from a place to another at the point, or afterwards where that was not come
 * to.
 */
static void force_move(const char *point, enum mover_place from, enum mover_place to,
		       unsigned int turn, struct tally *tally)
{
	bool fired;

	mover_plan(from, to);
	mover_arm(point, choose_call(turn, tally->calls), mover_follow_plan);
	hide_collect();
	tally->calls = mover_disarm(&fired);
	tally->forced += fired;
	if (!fired)
		mover_move(from, to);
	if (!hide_whole())
		test_say("moved from %s to %s at %s", mover_place_names[from],
			 mover_place_names[to], point);
	assert_true(hide_whole());
}

static void check_pairs(const char *point)
{
	enum mover_place at = PLACE_STATIC;
	struct tally tally = { 0, 1 };
	unsigned int turn = 0;

	mover_begin();
	hide_put(mover_area(at));
	hide_unpin();
	for (unsigned int from = 0; from < PLACES; from++) {
		for (unsigned int to = 0; to < PLACES; to++) {
			if (from == to)
				continue;
			if (at != from)
				mover_move(at, from);
			force_move(point, from, to, turn++, &tally);
			at = to;
		}
	}
	test_say("%u of %u moves at %s", tally.forced, turn, point);
	/* Every other one at least: the point may come more or less often than before. */
	assert_true(tally.forced >= turn / 2);
	if (at != PLACE_STATIC)
		mover_move(at, PLACE_STATIC);
	assert_true(hide_kept());
	hide_clear(mover_area(PLACE_STATIC));
	assert_gone();
}

IN_EACH_WAY(keeps_what_moves_before_it_reads)
{
	check_pairs("sweep-begins");
}

IN_EACH_WAY(keeps_what_moves_just_before_the_pause)
{
	check_pairs("sweep-pause");
}

/* The other ways read all at one moment, or have a copy of it. */

static void move_while_it_reads(void)
{
	check_pairs("sweep-reading");
}

static void move_between_passes(void)
{
	check_pairs("sweep-pass");
}

HIDING_WAY(keeps_what_moves_while_it_reads, move_while_it_reads, tracked, TRACKED,
	   HIDE_MIXED)
HIDING_WAY(keeps_what_moves_between_passes, move_between_passes, tracked, TRACKED,
	   HIDE_MIXED + HIDE_SHAPE(AT_END, 1))

/* -------------------------------------------------------- memory that was not there */

static const char *const points[] = { "sweep-begins", "sweep-reading", "sweep-pass",
				      "sweep-pause" };

/* Where an action finds the words, and where it has put them. */
static struct {
	volatile void *home;
	volatile char *area;
	char *reserve;	       /* mapped before the first round */
	void (*prepare)(void); /* before each turn; NULL: nothing */
	int fd;
	pthread_t thread;
} fresh;

static void move_words(volatile void *to, volatile void *from)
{
	for (unsigned int kind = 0; kind < HIDE_KINDS; kind++)
		hide_move(hide_slot(to, kind), hide_slot(from, kind));
}

static char *map(size_t pages)
{
	char *p = mmap(NULL, pages * page_size(), RW, ANON, -1, 0);

	child_check(p != MAP_FAILED);
	return p;
}

#define TURNS 5u
#define APART 4u /* calls of the point that is come to often */

/*
 * Moves the words away from home at a point; and back, when a round has found them
 * there.
 */
static bool act_once(const char *point, unsigned int turn, void (*action)(void),
		     void (*undo)(void))
{
	bool fired;

	if (fresh.prepare)
		fresh.prepare();
	forget();
	mover_arm(point, strcmp(point, "sweep-reading") ? 1 : 1 + turn * APART, action);
	hide_collect();
	mover_disarm(&fired);
	if (!hide_whole())
		test_say("moved at %s", point);
	assert_true(hide_whole());
	if (!fired)
		return false;
	hide_collect();
	assert_true(hide_whole());
	if (undo)
		undo();
	else
		move_words(fresh.home, fresh.area);
	forget();
	return true;
}

/* The action takes the words from fresh.home, to fresh.area where undo is NULL. */
static void check_action(void (*action)(void), void (*undo)(void))
{
	unsigned int done = 0;

	mover_begin();
	if (!fresh.home)
		fresh.home = mover_area(PLACE_STATIC);
	hide_put(fresh.home);
	hide_unpin();
	for (unsigned int turn = 0; turn < TURNS; turn++)
		for (unsigned int i = 0; i < COUNT_OF(points); i++)
			done += act_once(points[i], turn, action, undo);
	/* Each way has a beginning and a pause. */
	assert_true(done >= 2 * TURNS);
	hide_clear(fresh.home);
	assert_gone();
}

static void move_to_new_mapping(void)
{
	fresh.area = map(1);
	move_words(fresh.area, fresh.home);
}

IN_EACH_WAY(keeps_what_moves_to_a_new_mapping)
{
	check_action(move_to_new_mapping, NULL);
}

/* It has been read, or is watched for writes; now it is another mapping. */
static void move_to_replaced_mapping(void)
{
	void *p = mmap(fresh.reserve, page_size(), RW, ANON | MAP_FIXED, -1, 0);

	child_check(p == fresh.reserve);
	fresh.area = p;
	move_words(fresh.area, fresh.home);
}

IN_EACH_WAY(keeps_what_moves_to_a_mapping_made_anew)
{
	fresh.reserve = map(1);
	fresh.reserve[0] = 1;
	check_action(move_to_replaced_mapping, NULL);
}

#define BIG_PAGES ((size_t)2048) /* so many are asked about in another way */

static void map_big(void)
{
	fresh.reserve = map(BIG_PAGES);
	madvise(fresh.reserve, BIG_PAGES * page_size(), MADV_NOHUGEPAGE);
	memset(fresh.reserve, 'b', BIG_PAGES * page_size());
}

static void move_within_big_mapping(void)
{
	fresh.area = fresh.reserve + 1500 * page_size();
	move_words(fresh.area, fresh.home);
}

IN_EACH_WAY(keeps_what_moves_to_a_big_mapping)
{
	map_big();
	check_action(move_within_big_mapping, NULL);
}

static void move_to_replaced_big_mapping(void)
{
	void *p = mmap(fresh.reserve, BIG_PAGES * page_size(), RW, ANON | MAP_FIXED, -1, 0);

	child_check(p == fresh.reserve);
	move_within_big_mapping();
}

IN_EACH_WAY(keeps_what_moves_to_a_big_mapping_made_anew)
{
	map_big();
	check_action(move_to_replaced_big_mapping, NULL);
}

/* The page keeps its contents and gets another address: nothing is written. */
static void move_by_mremap(void)
{
	char *to = map(1);

	move_words(fresh.reserve, fresh.home);
	fresh.area = mremap(fresh.reserve, page_size(), page_size(),
			    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	child_check(fresh.area == to);
	fresh.reserve = map(1);
	fresh.reserve[0] = 1;
}

IN_EACH_WAY(keeps_what_moves_by_mremap)
{
	fresh.reserve = map(1);
	fresh.reserve[0] = 1;
	check_action(move_by_mremap, NULL);
}

/* By the kernel, into memory that is only read here. */
static void move_by_pwrite(void)
{
	char area[HIDE_ROOM] __attribute__((aligned(8))) = { 0 };

	move_words(area, fresh.home);
	child_check(pwrite(fresh.fd, area, HIDE_ROOM, 0) == HIDE_ROOM);
	hide_clear(area);
}

static void undo_pwrite(void)
{
	char area[HIDE_ROOM] __attribute__((aligned(8)));

	child_check(pread(fresh.fd, area, HIDE_ROOM, 0) == HIDE_ROOM);
	move_words(fresh.home, area);
	child_check(pwrite(fresh.fd, area, HIDE_ROOM, 0) == HIDE_ROOM);
}

IN_EACH_WAY(keeps_what_moves_by_pwrite)
{
	void *p;

	fresh.fd = pattern_memfd(page_size(), 0);
	p = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fresh.fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	check_action(move_by_pwrite, undo_pwrite);
	munmap(p, page_size());
}

/* The other way: the reading side of the pipe writes memory for us. */
static void move_by_read(void)
{
	char area[HIDE_ROOM] __attribute__((aligned(8))) = { 0 };
	int fds[2];

	child_check(pipe(fds) == 0);
	move_words(area, fresh.home);
	child_check(write(fds[1], area, HIDE_ROOM) == HIDE_ROOM);
	child_check(read(fds[0], fresh.reserve, HIDE_ROOM) == HIDE_ROOM);
	hide_clear(area);
	close(fds[0]);
	close(fds[1]);
	fresh.area = fresh.reserve;
}

IN_EACH_WAY(keeps_what_moves_by_read)
{
	fresh.reserve = map(1);
	fresh.reserve[0] = 1;
	check_action(move_by_read, NULL);
}

/* A thread that did not exist takes them to its stack. */
static struct moment taken, give_back;

static void *take_and_give_back(void *unused UNUSED)
{
	volatile char area[HIDE_ROOM] __attribute__((aligned(8)));

	move_words(area, fresh.home);
	moment_announce(&taken);
	moment_await(&give_back);
	move_words(fresh.home, area);
	forget();
	return NULL;
}

static void move_to_new_thread(void)
{
	atomic_store(&taken.come, 0);
	atomic_store(&give_back.come, 0);
	child_check(pthread_create(&fresh.thread, NULL, take_and_give_back, NULL) == 0);
	moment_await(&taken);
}

static void undo_new_thread(void)
{
	moment_announce(&give_back);
	thread_end(fresh.thread);
}

IN_EACH_WAY(keeps_what_moves_to_a_new_thread)
{
	check_action(move_to_new_thread, undo_new_thread);
}

/*
 * The object from which they come is dropped at the same time.  It is new, no collection
 * has marked it yet: who reads it now, and asks after the next one whether it is marked,
 * believes that the words are gone.
 */
static void move_out_of_object(void)
{
	fresh.area = mover_area(PLACE_MALLOC);
	move_words(fresh.area, fresh.home);
	fresh.home = NULL;
}

static NOINLINE void move_to_new_object(void)
{
	volatile void *from = fresh.home ? fresh.home : fresh.area;

	fresh.home = GC_MALLOC(HIDE_ROOM);
	assert_non_null(fresh.home);
	move_words(fresh.home, from);
}

IN_EACH_WAY(keeps_what_moves_out_of_a_new_object_that_is_dropped)
{
	fresh.home = GC_MALLOC(HIDE_ROOM);
	fresh.prepare = move_to_new_object;
	check_action(move_out_of_object, move_to_new_object);
}

/*
 * Made when the round has begun and dropped before its moment, the object is never marked:
 * who asks about words at one moment, and about objects at another, loses them.
 */
static void move_through_new_object(void)
{
	child_check(foster_thread_attach() == 0);
	move_to_new_object();
	child_check(foster_thread_detach() == 0);
	mover_arm("sweep-pause", 1, move_out_of_object);
}

IN_EACH_WAY(keeps_what_moves_through_an_object_that_no_collection_meets)
{
	bool fired;

	mover_begin();
	fresh.area = mover_area(PLACE_MALLOC);
	hide_put(fresh.area);
	hide_unpin();
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		mover_arm("sweep-begins", 1, move_through_new_object);
		hide_collect();
		mover_disarm(&fired);
		assert_true(fired && !fresh.home);
		assert_true(hide_whole());
	}
	hide_clear(fresh.area);
	assert_gone();
}

/* --------------------------------------------------------------------- free runners */

#define RUNNERS 2
#define ROUNDS_ENOUGH 100
#define ROUNDS_OF_SOAK 1000
#define MOVES_OF_SOAK 1000000ul
#define SECONDS_AT_MOST 6 /* of each way; a soak takes what it takes */
#define SECONDS_OF_SOAK 3600
#define FRESH_EVERY 64 /* moves: one to a mapping that is new */

/* Moves the words of its own kinds: the first runner those of two, the second one. */
struct runner {
	enum hide_kind first, end;
	uint64_t random;
	_Atomic uint64_t moves;
	bool known;
};

static _Atomic int stop;

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* For so many turns the word is in a register alone. */
static void carry(volatile void *to, volatile void *from, uint64_t turns)
{
#if defined(__x86_64__)
	__asm__ volatile("movq (%1), %%r12\n\t"
			 "movq $0, (%1)\n"
			 "1:\tpause\n\t"
			 "decq %2\n\t"
			 "jns 1b\n\t"
			 "movq %%r12, (%0)\n\t"
			 "xorl %%r12d, %%r12d" ::"r"(to),
			 "r"(from), "r"(turns)
			 : "r12", "memory", "cc");
#else
	(void)turns;
	hide_move(to, from);
#endif
}

static void move_some(struct runner *r, volatile void *to, volatile void *from)
{
	for (unsigned int kind = r->first; kind < r->end; kind++) {
		const uint64_t chance = next_random(&r->random) % 256;

		if (chance < 16)
			carry(hide_slot(to, kind), hide_slot(from, kind), chance * 8);
		else
			hide_move(hide_slot(to, kind), hide_slot(from, kind));
	}
	atomic_fetch_add_explicit(&r->moves, r->end - r->first, memory_order_relaxed);
}

/* Through a mapping that has not been there, and is not there afterwards. */
static void move_through_new_mapping(struct runner *r, volatile void *to,
				     volatile void *from)
{
	char *p = map(1);

	move_some(r, p, from);
	move_some(r, to, p);
	child_check(munmap(p, page_size()) == 0);
}

static void *run(void *arg)
{
	struct runner *r = arg;
	enum mover_place at = PLACE_STATIC;

	if (r->known)
		child_check(foster_thread_attach() == 0);
	while (!atomic_load(&stop)) {
		const enum mover_place to = next_random(&r->random) % PLACE_MEMORY;

		if (to == at)
			continue;
		if (next_random(&r->random) % FRESH_EVERY)
			move_some(r, mover_area(to), mover_area(at));
		else
			move_through_new_mapping(r, mover_area(to), mover_area(at));
		at = to;
	}
	if (at != PLACE_STATIC)
		move_some(r, mover_area(PLACE_STATIC), mover_area(at));
	forget();
	if (r->known)
		child_check(foster_thread_detach() == 0);
	return NULL;
}

/*
 * A round that released what was dropped for it has decided.  One that did not end in
 * time, or could not stop a thread, is no failure here.
 */
static bool round_decides(void)
{
	int r;

	make_dropped(1);
	forget();
	r = foster_collect(20000);
	assert_true(r >= 0 || r == -EBUSY || r == -ETIMEDOUT);
	return r > 0;
}

static unsigned int run_rounds(struct runner *runners)
{
	const bool soak = getenv("FOSTER_SOAK") != NULL;
	const unsigned int enough = soak ? ROUNDS_OF_SOAK : ROUNDS_ENOUGH;
	const uint64_t end = now_ms() + 1000 * (soak ? SECONDS_OF_SOAK : SECONDS_AT_MOST);
	unsigned int decided = 0, rounds = 0;
	uint64_t moves = 0;

	while (now_ms() < end && (decided < enough || (soak && moves < MOVES_OF_SOAK))) {
		decided += round_decides();
		rounds++;
		assert_true(hide_whole());
		moves = atomic_load(&runners[0].moves) + atomic_load(&runners[1].moves);
	}
	test_say("%u of %u rounds decided, %llu moves", decided, rounds,
		 (unsigned long long)moves);
	assert_true(decided >= (soak ? enough : rounds / 2));
	return decided;
}

IN_EACH_WAY(keeps_what_moves_all_the_time)
{
	static struct runner runners[RUNNERS] = {
		{ .first = HIDE_OVERLAID, .end = HIDE_BYTES, .random = 1, .known = true },
		{ .first = HIDE_BYTES, .end = HIDE_KINDS, .random = 2 },
	};
	pthread_t thread[RUNNERS];

	if (getenv("FOSTER_SOAK"))
		alarm(2 * SECONDS_OF_SOAK);
	mover_begin();
	hide_put(mover_area(PLACE_STATIC));
	hide_unpin();
	for (unsigned int i = 0; i < RUNNERS; i++)
		thread[i] = thread_begin(run, &runners[i]);
	assert_true(run_rounds(runners) > 0);
	atomic_store(&stop, 1);
	for (unsigned int i = 0; i < RUNNERS; i++)
		thread_end(thread[i]);
	assert_true(hide_kept());
	hide_clear(mover_area(PLACE_STATIC));
	assert_gone();
}
