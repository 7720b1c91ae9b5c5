// SPDX-License-Identifier: BSD-2-Clause
/*
 * stats.c: what foster counts, and which regions there are.
 *
 *	cc -O2 -o stats stats.c $(pkg-config --cflags --libs foster)
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>

#include <foster/foster.h>

static const char *const states[] = {
	[FOSTER_LIVE] = "live",
	[FOSTER_DOUBTED] = "in doubt",
	[FOSTER_REVOKED] = "revoked",
	[FOSTER_RELEASING] = "being released",
};

static const void *regions[2];

static void map_two(void)
{
	regions[0] =
		foster_mmap(NULL, 10000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	regions[1] = foster_map_file("/proc/self/exe", NULL);
	if (regions[0] == MAP_FAILED || !regions[1])
		err(1, "cannot map");
	if (foster_close(regions[0]) < 0)
		err(1, "foster_close");
}

/* Called for each region, which is kept meanwhile. */
static int print_region(const struct foster_info *info, void *arg)
{
	int *number = arg;

	printf("region %d: %zu bytes at %p, %s\n", ++*number, info->len, info->base,
	       states[info->state]);
	return 0; /* another value ends the visit */
}

static void print_stats(const struct foster_stats *stats)
{
	/* The header lists the counters once; this makes one printf() of each. */
#define PRINT(name, what) printf("%10" PRIu64 "  %-14s %s\n", stats->name, #name, what);
	FOSTER_STATS_FIELDS(PRINT)
#undef PRINT
}

int main(void)
{
	struct foster_stats stats = { .size = sizeof(stats) };
	int number = 0;

	map_two();
	foster_for_each(print_region, &number);
	if (foster_stats(&stats) < 0)
		err(1, "foster_stats");
	print_stats(&stats);
	return number == 2 ? 0 : 1;
}
