/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How soon regions go of which no stale copy exists: their only pointers are overwritten, and
 * stack and registers are cleared.
 *
 *   FOSTER_SOAK   10,000 regions in place of some hundred
 */
#include "adopting.h"

#include "base/sync.h"

#define BATCH 100
#define BATCHES 5
#define BATCHES_OF_SOAK 100
#define ROUNDS_MOST 3
#define LEFT_ONE_IN 1000

static void *volatile held[BATCH];
static struct mark mark[BATCH];

static unsigned int dropped;
static unsigned int gone[ROUNDS_MOST + 1]; /* within so many deciding rounds */

/* What had been released in all when the rounds began that come after the drop. */
static uint64_t released_at[ROUNDS_MOST + 1];
static _Atomic unsigned int rounds;

static void note_round(const char *point)
{
	if (!strcmp(point, "sweep-begins") && rounds <= ROUNDS_MOST)
		released_at[rounds++] = stats_now().released;
}

static NOINLINE void make_one(size_t i)
{
	switch (i % 4) {
	case 0:
		mark[i] = make_memfd_region(&held[i], 1, AT_BASE);
		break;
	case 1:
		mark[i] = make_anon_region(&held[i], 2, AT_MIDDLE);
		break;
	case 2: /* beside the collector's heap */
		mark[i] = make_anon_region(&held[i], 80, AT_LAST_BYTE);
		break;
	default:
		mark[i] = adopt_pages(&held[i], 3);
	}
}

static void drop_batch(void)
{
	memset((void *)held, 0, sizeof(held));
	dropped += BATCH;
	rounds = 0;
	sync_hook = note_round;
	collect_times(ROUNDS_MOST);
	sync_hook = NULL;
	for (unsigned int r = rounds; r <= ROUNDS_MOST; r++)
		released_at[r] = stats_now().released;
	for (unsigned int r = 1; r <= ROUNDS_MOST; r++)
		gone[r] += (unsigned int)(released_at[r] - released_at[0]);
}

TEST_WITHIN(regions_without_a_stale_copy_are_gone_within_three_rounds, 600)
{
	const int batches = getenv("FOSTER_SOAK") ? BATCHES_OF_SOAK : BATCHES;

	adopting_begin();
	for (int n = 0; n < batches; n++) {
		for (size_t i = 0; i < BATCH; i++)
			make_one(i);
		forget(); /* where the frames of what is called now lie */
		collect_times(1);
		for (size_t i = 0; i < BATCH; i++)
			assert_true(mark_is_tracked(&mark[i]) && mark_is_mapped(&mark[i]));
		forget();
		drop_batch();
	}
	for (unsigned int r = 1; r <= ROUNDS_MOST; r++)
		test_say("of %u dropped, %u gone within %u deciding round%s: %.2f %%", dropped,
			 gone[r], r, r > 1 ? "s" : "", 100. * gone[r] / dropped);
	/* One may be, by a word of libgc's that only looks like a pointer. */
	assert_true(dropped - gone[ROUNDS_MOST] <= 1 + (dropped - 1) / LEFT_ONE_IN);
}
