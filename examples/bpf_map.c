// SPDX-License-Identifier: BSD-2-Clause
/*
 * bpf_map.c PINNED_MAP: print the values of a pinned array map, read from its memory.
 *
 *	cc -O2 -o bpf_map bpf_map.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * The map must have been made with BPF_F_MMAPABLE, as those of .bss and .data are:
 *
 *	bpftool map create /sys/fs/bpf/hits type array key 4 value 8 entries 3 \
 *		name hits flags 0x400
 *	./bpf_map /sys/fs/bpf/hits
 */
#include <bpf/bpf.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <foster/bpf.h>

#define SKIPPED 77

/* The values lie one after the other, each from a multiple of 8 bytes. */
struct values {
	const unsigned char *first;
	uint32_t count, size, stride;
};

static struct values open_map(const char *path)
{
	int fd = bpf_obj_get(path);
	struct bpf_map_info map = { 0 };
	uint32_t len = sizeof(map);
	struct values values;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &map, &len) < 0)
		err(1, "%s", path);
	values = (struct values){
		.first = foster_bpf_map(fd),
		.count = map.max_entries,
		.size = map.value_size,
		.stride = (map.value_size + 7) & ~7u,
	};
	if (!values.first)
		err(1, "%s: %s", path, foster_bpf_strerror());
	close(fd); /* the memory needs no descriptor */
	return values;
}

/* Programs may change the bytes meanwhile: read each once. */
static void print_value(const unsigned char *value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		printf(" %02x", FOSTER_READ(value[i]));
	printf("\n");
}

int main(int argc, char **argv)
{
	struct values values;

	if (argc != 2) {
		fprintf(stderr, "usage: bpf_map PINNED_MAP\n");
		return SKIPPED;
	}
	values = open_map(argv[1]);
	for (uint32_t i = 0; i < values.count; i++) {
		printf("%" PRIu32 ":", i);
		print_value(values.first + (size_t)i * values.stride, values.size);
	}
	return 0; /* nothing to unmap */
}
