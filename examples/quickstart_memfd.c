// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stands in for the BPF program where there is none: a memfd with the layout of the
 * program's .bss, and a function that counts in it through a plain mapping of its own.
 */
#include <errno.h>
#include <foster/foster.h>
#include <sys/mman.h>
#include <unistd.h>

#include "quickstart.h"

static int fd = -1;
static struct counter_globals *own;

static int memfd_load(void)
{
	fd = memfd_create("foster-quickstart", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(*own)) < 0)
		return -errno;
	own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (own == MAP_FAILED) {
		own = NULL;
		return -errno;
	}
	line("memory", "a memfd of %zu bytes, and a function of this program",
	     sizeof(*own));
	return 0;
}

static int memfd_run(void)
{
	struct counter_slot *slot = &own->slots[COUNTER_PICK];

	FOSTER_WRITE(own->runs, FOSTER_READ(own->runs) + 1);
	FOSTER_WRITE(slot->hits, FOSTER_READ(slot->hits) + 1);
	return 0;
}

static NOINLINE struct counter_slot *memfd_map(void)
{
	struct counter_globals *g;

	g = foster_mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return g == MAP_FAILED ? NULL : &g->slots[COUNTER_PICK];
}

static void memfd_leave(void)
{
	close(fd);
	fd = -1;
}

static int memfd_end(void)
{
	int r = munmap(own, sizeof(*own));

	own = NULL;
	return r == 0;
}

static bool memfd_memory_gone(void)
{
	return mappings_named("/memfd:foster-quickstart") == 0;
}

static const char *const memfd_names[] = { "/memfd:foster-quickstart", NULL };

const struct program memfd_program = {
	.what = "a memfd of the same layout that a function of ours counts in",
	.how = "a call of the function",
	.how_again = "a call of the function, through a mapping of its own",
	.names = memfd_names,
	.load = memfd_load,
	.run = memfd_run,
	.map = memfd_map,
	.leave = memfd_leave,
	.run_again = memfd_run,
	.end = memfd_end,
	.memory_gone = memfd_memory_gone,
};
