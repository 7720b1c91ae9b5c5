/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of every kind map, hold, drop, close and read regions under forced collections.
 * Each page carries a signature made from the region's number, so that a region that was
 * released too early, or a range that was given to two, is noticed at the next read.
 *
 *   FOSTER_STRESS_SECONDS   how long (8)
 *   FOSTER_STRESS_SEED      the start of all random choices
 */
#include "support.h"

#include <pthread.h>

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#define must child_check

#define SECONDS 8
#define SECONDS_OF_GRACE 60
#define SEED 20240229
#define THREADS 8
#define OF_COLLECTOR 4 /* the first are made by GC_pthread_create(), */
#define ATTACHED 2     /* the next attach themselves, the rest is unknown */
#define SLOTS 24
#define PAGES_AT_MOST 64
#define TRIES 3 /* of a collection that is refused */
#define ROUNDS_A_SECOND 100000ul
#define KEPT_AT_MOST 2 /* a thread, by words that only look like pointers */

/* What keeps a region. */
enum holder {
	ON_STACK,
	IN_STATIC,
	IN_HEAP,
	BY_PIN,
	BY_UNSEEN, /* its maker being unknown */
};

/* A region of one thread.  Static, where everybody looks: no address in the clear. */
struct record {
	struct hidden base;
	uint64_t id;	  /* 0: none */
	uint64_t revoked; /* a bit for each page */
	unsigned int pages;
	unsigned int pins;
	enum holder holder;
	bool closed;
};

struct worker {
	pthread_t thread;
	unsigned int index;
	uint64_t random;
	struct record records[SLOTS];
	void *volatile *stack; /* slots in the frame of the thread */
	void *volatile *heap; /* slots in an object, of malloc's or of the collector's, that the
				 frame of the thread points to */
	uint64_t made, closed, pinned, parts;
};

static struct worker workers[THREADS];
static bool swept; /* pointers are seen wherever they are */
static void *volatile in_static[THREADS][SLOTS];
static char path[PATH_MAX];
static uint64_t end_ms, rounds_at_most;
static _Atomic unsigned int parked;
static _Atomic unsigned int busy; /* collections refused */
static struct moment leave;

static bool is_known(const struct worker *w)
{
	return w->index < OF_COLLECTOR + ATTACHED;
}

static bool is_seen(const struct worker *w)
{
	return swept || is_known(w);
}

/* ----------------------------------------------------------------------------- chance */

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static unsigned int chance(struct worker *w, unsigned int below)
{
	return (unsigned int)(next_random(&w->random) % below);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* ------------------------------------------------------------------------- signatures */

static uint64_t signature(uint64_t id, unsigned int page, size_t word)
{
	/* Odd, and above all addresses. */
	return (id * 0x9e3779b97f4a7c15u + page * 0xff51afd7ed558ccdu + word) |
	       0x8000000000000001u;
}

static uint64_t *word_at(const struct record *r, unsigned int page, size_t word)
{
	char *base = hidden_show(r->base);

	return (uint64_t *)(void *)(base + page * page_size()) + word;
}

static NOINLINE void sign_pages(const struct record *r)
{
	for (unsigned int page = 0; page < r->pages; page++)
		for (size_t word = 0; word < page_size() / 8; word++)
			*word_at(r, page, word) = signature(r->id, page, word);
}

/* Its first word, its last, and one between, of each page that is left. */
static NOINLINE void verify(struct worker *w, const struct record *r)
{
	size_t words = page_size() / 8;

	for (unsigned int page = 0; page < r->pages; page++) {
		size_t word = chance(w, (unsigned int)words);

		if (r->closed || r->revoked >> page & 1)
			continue;
		must(FOSTER_READ(*word_at(r, page, 0)) == signature(r->id, page, 0));
		must(FOSTER_READ(*word_at(r, page, word)) ==
		     signature(r->id, page, word));
		must(FOSTER_READ(*word_at(r, page, words - 1)) ==
		     signature(r->id, page, words - 1));
	}
}

static NOINLINE void check_info(const struct record *r)
{
	struct foster_info info = FOSTER_INFO_INIT;

	must(foster_info(hidden_show(r->base), &info) == 0);
	must(info.id == r->id);
	must(info.base == hidden_show(r->base));
	must(info.len == r->pages * page_size());
	must(info.pins == r->pins);
	if (r->closed)
		must(info.state == FOSTER_REVOKED);
	else
		must(info.revoked ==
		     (size_t)__builtin_popcountll(r->revoked) * page_size());
	memset(&info, 0, sizeof(info));
}

/* ------------------------------------------------------------------------- collecting */

/* A thread that leaves the collector's handler, or is being made, blocks its signal. */
static NOINLINE void collect(int timeout_ms)
{
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		r = foster_collect(timeout_ms);
		if (r != -EBUSY)
			break;
		atomic_fetch_add(&busy, 1);
	}
	must(r >= 0 || r == -EBUSY);
}

/* ---------------------------------------------------------------------------- holding */

static void *volatile *slot_of(struct worker *w, const struct record *r)
{
	size_t i = (size_t)(r - w->records);

	switch (r->holder) {
	case ON_STACK:
		return &w->stack[i];
	case IN_STATIC:
		return &in_static[w->index][i];
	case IN_HEAP:
		return &w->heap[i];
	default:
		return NULL;
	}
}

/* A pointer somewhere into it, the one just past the end included. */
static NOINLINE void hold(struct worker *w, struct record *r)
{
	void *volatile *slot = slot_of(w, r);

	if (slot)
		*slot = (char *)hidden_show(r->base) +
			chance(w, (unsigned int)(r->pages * page_size() + 1));
}

static NOINLINE void let_go(struct worker *w, struct record *r)
{
	void *volatile *slot = slot_of(w, r);

	if (slot)
		*slot = NULL;
}

static enum holder choose_holder(struct worker *w)
{
	return is_seen(w) ? (enum holder)chance(w, IN_HEAP + 1) : BY_UNSEEN;
}

/* From one place to another.  Both at once, for a moment. */
static NOINLINE void move(struct worker *w, struct record *r)
{
	void *volatile *old = slot_of(w, r);

	if (r->holder > IN_HEAP)
		return;
	r->holder = choose_holder(w);
	hold(w, r);
	if (old && old != slot_of(w, r))
		*old = NULL;
}

/* Only a register has it while a collection runs. */
static NOINLINE void hold_in_register(struct worker *w, struct record *r)
{
	void *volatile *slot = slot_of(w, r);
	char *p = slot ? *slot : NULL;

	if (!p)
		return;
	*slot = NULL;
	__asm__ volatile("" : "+r"(p));
	if (chance(w, 2) && w->index < OF_COLLECTOR)
		GC_gcollect();
	else
		collect(20000);
	__asm__ volatile("" : "+r"(p));
	*slot = p;
}

/* ----------------------------------------------------------------------------- makers */

static NOINLINE void *map_memfd(size_t len)
{
	int fd = memfd_create("stress", MFD_CLOEXEC);
	void *p;

	must(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	p = foster_mmap(NULL, len, RW, MAP_SHARED, fd, 0);
	must(close(fd) == 0);
	return p;
}

static NOINLINE void *map_path(size_t len)
{
	struct foster_map_opts opts = FOSTER_MAP_OPTS_INIT;

	opts.length = len;
	opts.flags = FOSTER_MAP_WRITE | FOSTER_MAP_PRIVATE;
	return foster_map_file(path, &opts);
}

static NOINLINE void make(struct worker *w, struct record *r)
{
	struct foster_info info = FOSTER_INFO_INIT;
	unsigned int kind = chance(w, 3);
	size_t len;
	void *p;

	memset(r, 0, sizeof(*r));
	r->pages = 1 + chance(w, chance(w, 4) ? 8 : PAGES_AT_MOST);
	len = r->pages * page_size();
	p = kind == 0	? map_memfd(len)
	    : kind == 1 ? map_path(len)
			: foster_mmap(NULL, len, RW, ANON, -1, 0);
	must(p && p != MAP_FAILED);
	must(foster_info(p, &info) == 0 && info.base == p && info.len == len);
	must(!(info.flags & FOSTER_INFO_UNSEEN) == is_seen(w));
	r->id = info.id;
	r->base = hidden_of(p);
	r->holder = choose_holder(w);
	hold(w, r);
	sign_pages(r);
	w->made++;
	memset(&info, 0, sizeof(info));
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* ----------------------------------------------------------------------------- enders */

static NOINLINE void close_it(struct worker *w, struct record *r)
{
	if (r->closed)
		return;
	must(foster_close((char *)hidden_show(r->base) + chance(w, 4096)) == 0);
	r->closed = true;
	w->closed++;
}

/* Pages [first, first + count) of those that it has. */
static NOINLINE void revoke_part(struct worker *w, struct record *r)
{
	unsigned int first = chance(w, r->pages);
	unsigned int count = 1 + chance(w, r->pages - first);
	uint64_t bits = (count == 64 ? 0 : (uint64_t)1 << count) - 1;
	uint64_t all = (r->pages == 64 ? 0 : (uint64_t)1 << r->pages) - 1;
	bool news = bits << first & ~r->revoked;
	int err;

	if (r->closed)
		return;
	err = foster_munmap((char *)hidden_show(r->base) + first * page_size(),
			    count * page_size());
	/* One call for all pages is a close, whatever was revoked before. */
	if (count == r->pages)
		news = true;
	must(err == (news ? 0 : -EALREADY));
	r->revoked |= bits << first;
	w->parts++;
	if (r->revoked == all) {
		r->closed = true;
		w->closed++;
	}
}

static NOINLINE void pin(struct worker *w, struct record *r)
{
	int err = foster_pin(hidden_show(r->base));

	must(err == (r->closed ? -ESTALE : 0));
	if (err)
		return;
	r->pins++;
	w->pinned++;
	/* The pin alone will do. */
	if (r->holder <= IN_HEAP && chance(w, 2)) {
		let_go(w, r);
		r->holder = BY_PIN;
	}
}

static NOINLINE void unpin(struct worker *w, struct record *r)
{
	if (!r->pins) {
		must(foster_unpin(hidden_show(r->base)) == -EINVAL);
		return;
	}
	/* A pointer first, where the last pin was all that there was. */
	if (r->holder == BY_PIN && r->pins == 1) {
		r->holder = choose_holder(w);
		hold(w, r);
	}
	must(foster_unpin(hidden_show(r->base)) == 0);
	r->pins--;
}

static NOINLINE void drop(struct worker *w, struct record *r)
{
	if (r->holder == BY_UNSEEN)
		close_it(w, r);
	/* What keeps the region goes last: until then the address is its own. */
	while (r->pins)
		unpin(w, r);
	let_go(w, r);
	memset(r, 0, sizeof(*r));
}

/* ----------------------------------------------------------------------------- rounds */

static NOINLINE void disturb(struct worker *w)
{
	if (w->index < OF_COLLECTOR && chance(w, 2))
		GC_gcollect();
	else
		collect(0);
	if (is_known(w))
		for (int i = 0; i < 100; i++)
			must(GC_MALLOC(16 + chance(w, 400)));
}

/* Closed, without a pointer or a pin: nothing keeps its addresses. */
static bool is_kept(const struct record *r)
{
	return !(r->closed && r->holder == BY_UNSEEN && !r->pins);
}

static NOINLINE void use(struct worker *w, struct record *r)
{
	unsigned int what = chance(w, 100);

	if (!is_kept(r)) {
		memset(r, 0, sizeof(*r));
		return;
	}
	check_info(r);
	verify(w, r);
	if (what < 30)
		drop(w, r);
	else if (what < 37)
		close_it(w, r);
	else if (what < 45)
		revoke_part(w, r);
	else if (what < 52)
		pin(w, r);
	else if (what < 60)
		unpin(w, r);
	else if (what < 75)
		move(w, r);
	else if (what < 76 && is_seen(w))
		hold_in_register(w, r);
}

static NOINLINE void play(struct worker *w)
{
	for (uint64_t i = 0; i < rounds_at_most && now_ms() < end_ms; i++) {
		struct record *r = &w->records[chance(w, SLOTS)];

		if (r->id)
			use(w, r);
		else
			make(w, r);
		if (chance(w, 200) == 0)
			disturb(w);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		struct record *r = &w->records[i];

		if (!r->id || !is_kept(r))
			continue;
		check_info(r);
		verify(w, r);
		drop(w, r);
	}
}

static NOINLINE void wait_parked(void)
{
	forget();
	atomic_fetch_add(&parked, 1);
	moment_await(&leave);
}

/* The collector looks in no other heap. */
static void *volatile *new_heap(struct worker *w, size_t bytes)
{
	bool of_malloc = !is_known(w) || (swept && w->index % 2);
	void *volatile *heap = of_malloc ? calloc(1, bytes) : GC_MALLOC(bytes);

	must(heap);
	return heap;
}

static NOINLINE void work(struct worker *w)
{
	void *volatile stack[SLOTS] = { NULL };
	void *volatile *heap = new_heap(w, sizeof(stack));

	w->stack = stack;
	w->heap = heap;
	play(w);
	__asm__ volatile("" : : "r"(stack), "r"(heap) : "memory");
	w->stack = w->heap = NULL;
}

static void *begin(void *arg)
{
	struct worker *w = arg;

	if (w->index >= OF_COLLECTOR && is_known(w))
		must(foster_thread_attach() == 0);
	must(GC_thread_is_registered() == is_known(w));
	work(w);
	wait_parked();
	return NULL;
}

/* --------------------------------------------------------------------------- the test */

static void start(uint64_t seed)
{
	for (unsigned int i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		w->index = i;
		w->random = seed * THREADS + i;
		if (i < OF_COLLECTOR)
			assert_int_equal(GC_pthread_create(&w->thread, NULL, begin, w),
					 0);
		else
			assert_int_equal(pthread_create(&w->thread, NULL, begin, w), 0);
	}
}

static void join(void)
{
	moment_announce(&leave);
	for (unsigned int i = 0; i < THREADS; i++)
		if (i < OF_COLLECTOR)
			assert_int_equal(GC_pthread_join(workers[i].thread, NULL), 0);
		else
			assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

struct sum {
	uint64_t live, revoked, bytes;
};

static int add(const struct foster_info *info, void *arg)
{
	struct sum *sum = arg;

	if (info->state == FOSTER_REVOKED) {
		sum->revoked++;
	} else {
		sum->live++;
		sum->bytes += info->len;
	}
	return 0;
}

/* The counters agree with each other, with a visit, and with what the threads did. */
static void check_stats(void)
{
	struct foster_stats stats = stats_now();
	uint64_t made = 0, closed = 0;
	struct sum sum = { 0 };

	for (unsigned int i = 0; i < THREADS; i++) {
		made += workers[i].made;
		closed += workers[i].closed;
	}
	assert_int_equal(foster_for_each(add, &sum), 0);
	assert_int_equal(stats.mapped, made);
	assert_int_equal(stats.closed, closed);
	assert_int_equal(stats.mapped, stats.released + stats.regions + stats.revoked);
	assert_int_equal(stats.regions, sum.live);
	assert_int_equal(stats.revoked, sum.revoked);
	assert_int_equal(stats.bytes, sum.bytes);
	assert_int_equal(stats.unseen, 0);
	assert_int_equal(stats.abandoned, 0);
	assert_int_equal(stats.disowned, 0);
}

static uint64_t kept(void)
{
	struct foster_stats stats = stats_now();

	return stats.regions + stats.revoked;
}

static void collect_meanwhile(uint64_t seed)
{
	uint64_t random = ~seed;

	while (atomic_load(&parked) < THREADS) {
		collect(20000);
		sleep_ms((unsigned int)(next_random(&random) % 20));
	}
}

static void stress(void)
{
	uint64_t seconds = setting("FOSTER_STRESS_SECONDS", SECONDS);
	uint64_t seed = setting("FOSTER_STRESS_SEED", SEED);
	struct foster_stats stats;

	alarm((unsigned int)seconds + SECONDS_OF_GRACE);
	test_say("seed %llu, %llu seconds", (unsigned long long)seed,
		 (unsigned long long)seconds);
	close(pattern_file(path, PAGES_AT_MOST * page_size()));
	end_ms = now_ms() + seconds * 1000;
	rounds_at_most = seconds * ROUNDS_A_SECOND;
	start(seed);
	collect_meanwhile(seed);
	unlink(path);

	/* The threads are there and wait. */
	collect_times(3);
	stats = stats_now();
	test_say("%llu made, %llu closed, %llu reused, %llu kept, %u busy",
		 (unsigned long long)stats.mapped, (unsigned long long)stats.closed,
		 (unsigned long long)stats.reused, (unsigned long long)kept(),
		 atomic_load(&busy));
	check_stats();
	assert_true(kept() <= KEPT_AT_MOST * THREADS);
	join();
	collect_times(3);
	check_stats();
	assert_true(kept() <= KEPT_AT_MOST * THREADS);
}

TEST(regions_of_many_threads_hold_what_was_written_and_go)
{
	assert_int_equal(foster_init(NULL), 0);
	swept = true;
	stress();
}

TEST(without_the_sweep_they_do_where_the_collector_looks)
{
	init_without_sweep();
	stress();
}
