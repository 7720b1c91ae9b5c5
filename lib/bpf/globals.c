// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/globals.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/reason.h"

#define LOAD_ADDRESS (BPF_LD | BPF_DW | BPF_IMM)

/* What is asked of all programs. */
struct search {
	uint32_t map_id;
	const char *map_name;
	uintptr_t arena;
	size_t len;
	struct globals found; /* btf_id 0: nothing yet */
	bool nameless;	      /* a program without BTF refers to the arena */
};

/* A program, and what the kernel copies out of it. */
struct program {
	struct bpf_prog_info info;
	uint32_t *maps;
	struct bpf_insn *code;
};

static int describe(int fd, struct bpf_prog_info *info)
{
	__u32 size = sizeof(*info);

	return bpf_obj_get_info_by_fd(fd, info, &size);
}

static void program_clear(const struct program *program)
{
	free(program->maps);
	free(program->code);
}

/* Counts first, then what is counted. Maps may be added meanwhile; code is as it was. */
static int program_read(int fd, struct program *program)
{
	struct bpf_prog_info sizes = { 0 };
	int r = describe(fd, &sizes);

	*program = (struct program){ 0 };
	if (r < 0 || !sizes.nr_map_ids || !sizes.xlated_prog_len)
		return r;
	program->maps = calloc(sizes.nr_map_ids, sizeof(*program->maps));
	program->code = malloc(sizes.xlated_prog_len);
	if (!program->maps || !program->code)
		return -ENOMEM;
	program->info.nr_map_ids = sizes.nr_map_ids;
	program->info.map_ids = (uintptr_t)program->maps;
	program->info.xlated_prog_len = sizes.xlated_prog_len;
	program->info.xlated_prog_insns = (uintptr_t)program->code;
	r = describe(fd, &program->info);
	/* The kernel withholds the code of some programs, and says so with 0. */
	if (!program->info.xlated_prog_insns)
		program->info.xlated_prog_len = 0;
	if (program->info.nr_map_ids > sizes.nr_map_ids)
		program->info.nr_map_ids = sizes.nr_map_ids;
	return r;
}

static bool uses_map(const struct program *program, uint32_t map_id)
{
	for (uint32_t i = 0; i < program->info.nr_map_ids; i++)
		if (program->maps[i] == map_id)
			return true;
	return false;
}

/*
 * The kernel has made addresses of the process of what libbpf gave as offsets in the map.
 * Only the highest and the lowest are of interest. False: there is none.
 */
static bool find_references(const struct search *search, const struct program *program,
			    struct globals *ret)
{
	const uint32_t count =
		program->info.xlated_prog_len / (uint32_t)sizeof(*program->code);
	bool found = false;

	for (uint32_t i = 0; i + 1 < count; i++) {
		const struct bpf_insn *insn = &program->code[i];
		uint64_t offset;

		if (insn->code != LOAD_ADDRESS)
			continue;
		offset = ((uint64_t)(uint32_t)insn[1].imm << 32 | (uint32_t)insn[0].imm) -
			 search->arena;
		i++;
		if (insn->src_reg || offset >= search->len)
			continue;
		if (!found || offset < ret->first)
			ret->first = offset;
		if (!found || offset > ret->last)
			ret->last = offset;
		found = true;
	}
	return found;
}

static int add(struct search *search, const struct globals *more)
{
	struct globals *all = &search->found;

	if (!all->btf_id) {
		*all = *more;
		return 0;
	}
	if (all->btf_id != more->btf_id)
		return reason_set(ENOTUNIQ,
				  "programs of different objects have variables in arena "
				  "\"%s\"",
				  search->map_name);
	if (more->first < all->first)
		all->first = more->first;
	if (more->last > all->last)
		all->last = more->last;
	return 0;
}

static int ask_program(struct search *search, const struct program *program)
{
	struct globals mine = { .btf_id = program->info.btf_id };

	if (!uses_map(program, search->map_id) ||
	    !find_references(search, program, &mine))
		return 0;
	if (mine.btf_id)
		return add(search, &mine);
	search->nameless = true;
	return 0;
}

static int refused(const struct search *search, int err)
{
	return reason_set(err, "the programs of arena \"%s\" cannot be looked at: %m",
			  search->map_name);
}

static int ask(struct search *search, uint32_t id)
{
	int fd = bpf_prog_get_fd_by_id(id);
	struct program program;
	int r;

	if (fd < 0) /* it may have gone */
		return fd == -ENOENT ? 0 : refused(search, -fd);
	r = program_read(fd, &program);
	r = r < 0 ? refused(search, -r) : ask_program(search, &program);
	program_clear(&program);
	close(fd);
	return r;
}

static int ask_all(struct search *search)
{
	uint32_t id = 0;
	int r;

	while ((r = bpf_prog_get_next_id(id, &id)) == 0) {
		r = ask(search, id);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : refused(search, -r);
}

int globals_find(uint32_t map_id, const char *map_name, const void *arena, size_t len,
		 struct globals *ret)
{
	struct search search = {
		.map_id = map_id,
		.map_name = map_name,
		.arena = (uintptr_t)arena,
		.len = len,
	};
	int r = ask_all(&search);

	if (r < 0)
		return r;
	if (!search.found.btf_id)
		return reason_set(
			ENODATA,
			search.nameless ? "a program with variables in arena \"%s\" has "
					  "no BTF"
					: "no program that is loaded uses a variable in "
					  "arena \"%s\"",
			map_name);
	*ret = search.found;
	return 0;
}

/* A pointer just past the last variable is none of another. */
static bool fits(const struct globals *globals, uint64_t offset, uint32_t bytes)
{
	return globals->first >= offset && globals->last - offset <= bytes;
}

int globals_place(const struct globals *globals, const char *map_name, size_t len,
		  uint32_t bytes, uint64_t *offset)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uint64_t whole = ((uint64_t)bytes + page - 1) / page * page;
	const uint64_t behind = whole <= len ? len - whole : 0;
	const bool at_start = bytes <= len && fits(globals, 0, bytes);
	const bool at_end = whole <= len && fits(globals, behind, bytes);

	if (!at_start && !at_end)
		return reason_set(ENODATA,
				  "variables of %u bytes are not where libbpf puts them in "
				  "arena \"%s\"",
				  bytes, map_name);
	if (at_start && at_end && behind)
		return reason_set(ENODATA,
				  "the programs do not tell at which end of arena \"%s\" "
				  "their variables are",
				  map_name);
	*offset = at_start ? 0 : behind;
	return 0;
}
