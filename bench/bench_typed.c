// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a variable of a loaded BPF program costs by name and type: to find it once, and to
 * read it then; against the pointer of mmap(2), the system call, and libbpf's BTF.
 */
#include "bench.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <foster/bpf.h>

#define SIZES 3

static const unsigned int sizes[SIZES] = { 10, 1000, 10000 };
static int maps[SIZES]; /* a section of so many variables */

/* ------------------------------------------------------------------ made-up programs */

static void name_of(unsigned int i, char *name, size_t len)
{
	snprintf(name, len, "counter_of_queue_%u", i);
}

static int section_of(struct btf *btf, unsigned int count)
{
	int u64 = btf__add_int(btf, "__u64", 8, 0), section;
	char name[32];

	for (unsigned int i = 0; i < count; i++) {
		name_of(i, name, sizeof(name));
		btf__add_var(btf, name, BTF_VAR_GLOBAL_ALLOCATED, u64);
	}
	section = btf__add_datasec(btf, ".bss", count * 8);
	for (unsigned int i = 0; i < count; i++)
		btf__add_datasec_var_info(btf, u64 + 1 + (int)i, i * 8, 8);
	return section;
}

/* Such a map as libbpf makes of .bss; -errno where BPF is not permitted. */
static int make_map(unsigned int count)
{
	struct btf *btf = btf__new_empty();
	int section = section_of(btf, count), fd = btf__load_into_kernel(btf);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE,
		    .btf_value_type_id = (__u32)section);

	if (fd < 0)
		return fd;
	opts.btf_fd = (__u32)btf__fd(btf);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench.bss", sizeof(__u32), count * 8, 1,
			    &opts);
	btf__free(btf);
	return fd;
}

/* ------------------------------------------------------------------ the machine code */

/* Each in a section of its own: the linker gives its first and last byte. */
#define IN_SECTION(name) __attribute__((noinline, used, section(name)))

IN_SECTION("code_raw") uint64_t load_raw(const uint64_t *hits);
IN_SECTION("code_typed") uint64_t load_typed(const uint64_t *hits);
extern const unsigned char __start_code_raw[], __stop_code_raw[];
extern const unsigned char __start_code_typed[], __stop_code_typed[];

uint64_t load_raw(const uint64_t *hits)
{
	return *(const volatile uint64_t *)hits;
}

/* For a pointer that FOSTER_VAR() returned. */
uint64_t load_typed(const uint64_t *hits)
{
	return FOSTER_READ(*hits);
}

static void print_machine_code(void)
{
	const size_t len = (size_t)(__stop_code_raw - __start_code_raw);
	const bool same = __stop_code_typed - __start_code_typed == (ptrdiff_t)len &&
			  memcmp(__start_code_raw, __start_code_typed, len) == 0;

	printf("\nmachine code of: return *hits\n  %-30s", "pointer of FOSTER_VAR");
	for (const unsigned char *p = __start_code_typed; p < __stop_code_typed; p++)
		printf(" %02x", *p);
	printf("\n  against the pointer of mmap: %s\n", same ? "the same" : "different");
}

/* ------------------------------------------------------------------------- the loads */

enum { LOAD, CALL, FIRST, OPEN, FIND = OPEN + SIZES };

#define LOADS 1000000
#define CALLS 2000
#define OPENS 20
#define FINDS 20000

static uint64_t *hits;
static struct foster_datasec *sections[SIZES];

/* Nanoseconds per load. */
static double measure_loads(void)
{
	const double start = bench_now();

	for (int i = 0; i < LOADS; i++)
		bench_use(FOSTER_READ(*hits));
	return (bench_now() - start) / LOADS;
}

/* The same value by the system call that all others make. */
static double measure_calls(void)
{
	const double start = bench_now();
	__u32 key = 0;
	__u64 values[10];

	for (int i = 0; i < CALLS; i++) {
		if (bpf_map_lookup_elem(maps[0], &key, values) < 0)
			bench_fail("bpf_map_lookup_elem");
		bench_use(values[3]);
	}
	return (bench_now() - start) / CALLS;
}

/* ------------------------------------------------------------------------ to find it */

/* Of 64 names, so that it is not one that the processor has before it. */
static double measure_finds(const struct foster_datasec *ds, unsigned int count)
{
	char names[64][32];
	double start;

	for (unsigned int i = 0; i < 64; i++)
		name_of(i * 7919 % count, names[i], sizeof(names[i]));
	start = bench_now();
	for (int i = 0; i < FINDS; i++) {
		const uint64_t *p = foster_var(ds, names[i % 64], FOSTER_TYPE(uint64_t));

		if (!p)
			bench_fail(foster_bpf_strerror());
		bench_use((uintptr_t)p);
	}
	return (bench_now() - start) / FINDS;
}

static void open_foster(int map)
{
	struct foster_datasec *ds = foster_datasec(map);
	uint64_t *p = FOSTER_VAR(ds, uint64_t, counter_of_queue_3);

	if (!p)
		bench_fail(foster_bpf_strerror());
	bench_use(*p);
	foster_close(p);
	foster_close(ds);
}

/* By hand: BTF from the kernel, the section in it, the variable in that. */
static const struct btf_var_secinfo *find_by_hand(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, ".bss", BTF_KIND_DATASEC);
	const struct btf_type *section = btf__type_by_id(btf, (__u32)id);
	const struct btf_var_secinfo *entry = btf_var_secinfos(section);

	for (int i = 0; i < btf_vlen(section); i++) {
		const struct btf_type *type = btf__type_by_id(btf, entry[i].type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name) == 0)
			return &entry[i];
	}
	return NULL;
}

static void open_by_hand(int map)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	struct btf *btf;
	char *memory;

	if (bpf_obj_get_info_by_fd(map, &info, &len) < 0)
		bench_fail("bpf_obj_get_info_by_fd");
	btf = btf__load_from_kernel_by_id(info.btf_id);
	memory = mmap(NULL, info.value_size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (!btf || memory == MAP_FAILED)
		bench_fail("mmap");
	bench_use((uint64_t)memory[find_by_hand(btf, "counter_of_queue_3")->offset]);
	munmap(memory, info.value_size);
	btf__free(btf);
}

static double measure_opens(void (*open)(int map), int map)
{
	const double start = bench_now();

	for (int i = 0; i < OPENS; i++)
		open(map);
	return (bench_now() - start) / OPENS;
}

static void map_foster(int map)
{
	const char *p = foster_bpf_map(map);

	if (!p)
		bench_fail(foster_bpf_strerror());
	bench_use((uint64_t)*p);
	foster_close(p);
}

static void map_bare(int map)
{
	char *p = mmap(NULL, 80, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	if (p == MAP_FAILED)
		bench_fail("mmap");
	bench_use((uint64_t)*p);
	munmap(p, 80);
}

/* -------------------------------------------------------------------- the contenders */

static void setup_foster(const void *arg)
{
	(void)arg;
	bench_expose(sections);
	for (int i = 0; i < SIZES; i++)
		sections[i] = foster_datasec(maps[i]);
	hits = FOSTER_VAR(sections[0], uint64_t, counter_of_queue_3);
	if (!hits)
		bench_fail(foster_bpf_strerror());
}

static void setup_bare(const void *arg)
{
	(void)arg;
	hits = mmap(NULL, 80, PROT_READ | PROT_WRITE, MAP_SHARED, maps[0], 0);
	if (hits == MAP_FAILED)
		bench_fail("mmap");
	hits += 3;
}

static void round_foster(const void *arg, struct bench_sample *out)
{
	(void)arg;
	out->v[LOAD] = out->v[CALL] = measure_loads();
	out->v[FIRST] = measure_opens(map_foster, maps[0]);
	for (int i = 0; i < SIZES; i++)
		out->v[OPEN + i] = measure_opens(open_foster, maps[i]);
}

static void round_bare(const void *arg, struct bench_sample *out)
{
	(void)arg;
	out->v[LOAD] = measure_loads();
	out->v[CALL] = measure_calls();
	out->v[FIRST] = measure_opens(map_bare, maps[0]);
	for (int i = 0; i < SIZES; i++)
		out->v[OPEN + i] = measure_opens(open_by_hand, maps[i]);
}

static void round_finds(const void *arg, struct bench_sample *out)
{
	(void)arg;
	for (int i = 0; i < SIZES; i++)
		out->v[i] = measure_finds(sections[i], sizes[i]);
}

/* ------------------------------------------------------------------------- the table */

static void print_table(const struct bench_series *s)
{
	bench_section("a variable of 8 bytes", "instead");
	bench_row("load, against the pointer of mmap", BENCH_TIME, LOAD, &s[0], &s[1]);
	bench_row("load, against bpf_map_lookup_elem", BENCH_TIME, CALL, &s[0], &s[1]);
	printf("  %-50s %11.0f\n", "loads in the time of one such call",
	       bench_median(&s[1], CALL) / bench_median(&s[0], CALL));
	bench_row("map the section, read, close", BENCH_TIME, FIRST, &s[0], &s[1]);
	bench_section("a data section opened, a variable found, closed", "libbpf");
	bench_row("of 10 variables", BENCH_TIME, OPEN, &s[0], &s[1]);
	bench_row("of 1,000", BENCH_TIME, OPEN + 1, &s[0], &s[1]);
	bench_row("of 10,000", BENCH_TIME, OPEN + 2, &s[0], &s[1]);
}

static void print_finds(const struct bench_series *s)
{
	bench_section("foster_var() of a section that is open", NULL);
	bench_single("of 10 variables", BENCH_TIME, bench_median(s, 0), "");
	bench_single("of 1,000", BENCH_TIME, bench_median(s, 1), "");
	bench_single("of 10,000", BENCH_TIME, bench_median(s, 2), "at most 100 ns");
}

int main(void)
{
	static const struct bench_contender contenders[] = {
		{ setup_foster, round_foster },
		{ setup_bare, round_bare },
	};
	static const struct bench_contender finder = { setup_foster, round_finds };
	struct bench_series s[2], finds;

	libbpf_set_print(NULL);
	for (int i = 0; i < SIZES; i++) {
		maps[i] = make_map(sizes[i]);
		if (maps[i] < 0) {
			printf("\nBPF is not permitted here: %s\n", strerror(-maps[i]));
			return 0;
		}
	}
	print_machine_code();
	bench_compete(contenders, 2, (struct bench_plan){ 9, 1 }, NULL, s);
	print_table(s);
	bench_compete(&finder, 1, (struct bench_plan){ 9, 1 }, NULL, &finds);
	print_finds(&finds);
	return 0;
}
