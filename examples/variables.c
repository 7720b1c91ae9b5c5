// SPDX-License-Identifier: BSD-2-Clause
/*
 * variables.c PINNED_MAP [TIMES]: print the variables of a loaded BPF program with their
 * types and values, once a second.
 *
 *	cc -O2 -o variables variables.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * The program may be anybody's; its .bss, .data or .rodata is pinned by bpftool, for
 * example:
 *
 *	bpftool map pin name my_prog.bss /sys/fs/bpf/my_bss
 *	./variables /sys/fs/bpf/my_bss
 */
#include <bpf/bpf.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <foster/bpf.h>

#define SKIPPED 77

/* The program may change it meanwhile: one load for each. */
static uint64_t number_at(const void *p, uint32_t bytes)
{
	switch (bytes) {
	case 1:
		return FOSTER_READ(*(const uint8_t *)p);
	case 2:
		return FOSTER_READ(*(const uint16_t *)p);
	case 4:
		return FOSTER_READ(*(const uint32_t *)p);
	default:
		return FOSTER_READ(*(const uint64_t *)p);
	}
}

static void print_element(const struct foster_variable *variable, const char *p)
{
	const uint32_t bytes = variable->element_bytes, unused = 64 - 8 * bytes;

	if (variable->kind == FOSTER_KIND_SIGNED && bytes <= 8)
		printf(" %" PRId64, (int64_t)(number_at(p, bytes) << unused) >> unused);
	else if (variable->kind == FOSTER_KIND_FLOAT && bytes == 8)
		printf(" %g", FOSTER_READ(*(const double *)p));
	else if (variable->kind < FOSTER_KIND_FLOAT || variable->kind == FOSTER_KIND_ENUM)
		printf(" %" PRIu64, number_at(p, bytes));
	else
		for (uint32_t i = 0; i < bytes && i < 16; i++)
			printf(i ? "%02" PRIx64 : " %02" PRIx64, number_at(p + i, 1));
}

static void print_all(const struct foster_datasec *ds)
{
	struct foster_variable v = FOSTER_VARIABLE_INIT;

	for (size_t i = 0; foster_datasec_variable(ds, i, &v) == 0; i++) {
		printf("%s %s =", v.type, v.name);
		for (uint64_t n = 0; v.addr && n < v.count && n < 4; n++)
			print_element(&v, (const char *)v.addr + n * v.element_bytes);
		printf(v.count > 4 ? " ...\n" : "\n");
	}
}

int main(int argc, char **argv)
{
	const int times = argc > 2 ? atoi(argv[2]) : -1;
	struct foster_datasec *ds;

	if (argc < 2)
		errx(SKIPPED, "usage: variables PINNED_MAP [TIMES]");
	ds = foster_datasec(bpf_obj_get(argv[1]));
	if (!ds)
		errx(1, "%s: %s", argv[1], foster_bpf_strerror());
	for (int i = 0; i != times; i++, sleep(i != times))
		print_all(ds);
	return 0; /* nothing to unmap */
}
