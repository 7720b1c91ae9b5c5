// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main job: memory that no allocator made lives as long as a pointer into it, and not
 * longer.  Shown on the globals of a BPF program, then on a file of the system.
 *
 *	quickstart [--no-bpf]
 *
 * Exit status: 0 if every promise was seen to hold, 1 if not, 2: wrong option.
 */
#include <errno.h>
#include <foster/foster.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "quickstart.h"

#define RUNS 3
#define MARK 1000

/*
 * The one pointer that is kept, into the middle of the memory.  In static data, where the
 * collector looks.  On the stack it would do as well, but is not as easily taken away.
 */
static struct counter_slot *kept;

static NOINLINE struct place keep_middle(const struct program *program)
{
	kept = program->map();
	return place_of(kept);
}

static NOINLINE void show_region(void)
{
	struct foster_info info = FOSTER_INFO_INIT;

	if (foster_info(kept, &info) < 0)
		return;
	line("address", "%p, %zu bytes into a region of %zu", (void *)kept,
	     (size_t)((char *)kept - (char *)info.base), info.len);
}

/* What the pointer reads; never through a pointer that foster did not keep. */
static NOINLINE bool reads(uint64_t hits)
{
	uint64_t seen = FOSTER_READ(kept->hits);

	line("read", "hits = %" PRIu64, seen);
	return seen == hits;
}

static bool map_and_keep(const struct program *program, struct place *place,
			 struct mapping *then)
{
	step("Maps its memory with foster and keeps one pointer into the middle of it.");
	*place = keep_middle(program);
	if (!kept) {
		promise(false, "the memory can be mapped");
		return false;
	}
	show_region();
	*then = mapping_at(*place);
	show_mapping("maps", then);
	promise(reads(RUNS), "the pointer reads what the program counted in %d runs",
		RUNS);
	return true;
}

static void give_up_the_rest(const struct program *program)
{
	step("Gives up everything else: closes every descriptor.");
	program->leave();
	promise(descriptors_named(program->names) == 0, "no descriptor of it is open");
}

static void collect_and_look(struct place place, const struct mapping *then)
{
	struct mapping now;

	step("Runs a collection while the one pointer is there.");
	collect();
	now = mapping_at(place);
	show_mapping("maps", &now);
	promise(still_mapped(place, then),
		"the pointer into the middle keeps the memory mapped");
	promise(reads(RUNS), "the memory holds what it held");
}

static void write_and_run(const struct program *program)
{
	step("Writes %d through the pointer and runs the program again.", MARK);
	line("by", "%s", program->how_again);
	FOSTER_WRITE(kept->hits, MARK);
	if (program->run_again() < 0)
		line("run", "failed: %s", strerror(errno));
	promise(reads(MARK + 1),
		"the program counted on from %d: it is the program's memory", MARK);
}

static void end_program(const struct program *program, struct place place,
			const struct mapping *then)
{
	int gone;

	step("Ends the program and runs another collection.");
	gone = program->end();
	if (gone >= 0)
		promise(gone, "the program is gone");
	collect();
	promise(still_mapped(place, then) && reads(MARK + 1),
		"its memory is still there, held by the pointer alone");
}

static void drop_and_look(const struct program *program, struct place place,
			  const struct mapping *then)
{
	struct mapping now;

	step("Drops the pointer and runs a collection.");
	show_mapping("before", then);
	kept = NULL;
	collect();
	now = mapping_at(place);
	show_mapping("after", &now);
	promise(!still_mapped(place, then), "the line of /proc/self/maps is gone");
	promise(program->memory_gone(), "so is the memory itself");
}

void show_program(const struct program *program)
{
	struct mapping then;
	struct place place;

	step("Runs it %d times.", RUNS);
	line("by", "%s", program->how);
	for (int i = 0; i < RUNS; i++)
		if (program->run() < 0)
			line("run", "failed: %s", strerror(errno));
	if (!map_and_keep(program, &place, &then)) {
		program->leave();
		program->end();
		return;
	}
	give_up_the_rest(program);
	collect_and_look(place, &then);
	write_and_run(program);
	end_program(program, place, &then);
	drop_and_look(program, place, &then);
}

static const struct program *load_program(bool bpf)
{
	if (bpf) {
		step("Loads %s.", bpf_program.what);
		if (bpf_program.load() == 0)
			return &bpf_program;
	}
	step("%s: loads the fallback, %s.", bpf ? "No BPF here" : "BPF not wanted",
	     memfd_program.what);
	if (memfd_program.load() == 0)
		return &memfd_program;
	promise(false, "the fallback can be loaded");
	return NULL;
}

int main(int argc, char **argv)
{
	const struct program *program;
	int r;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--no-bpf") != 0)) {
		fprintf(stderr, "usage: %s [--no-bpf]\n", argv[0]);
		return 2;
	}
	r = foster_init(NULL);
	if (r < 0) {
		fprintf(stderr, "foster_init: %s\n", strerror(-r));
		return 1;
	}
	puts("First: the memory of a program.");
	program = load_program(argc == 1);
	if (program)
		show_program(program);
	puts("\nSecond: a file of the system.");
	show_elf();
	printf("\n%u promises%s, %u seen to hold, %u not.\n", promises(),
	       program == &memfd_program ? " (without BPF: the fallback)" : "",
	       promises() - promises_broken(), promises_broken());
	return promises_broken() != 0;
}
