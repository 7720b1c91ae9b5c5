// SPDX-License-Identifier: BSD-2-Clause
/*
 * packets.c: count the packets on the loopback interface with a BPF program, and read its
 * counters by typed pointers when the process that loaded it is gone.
 *
 *	cc -O2 -o packets packets.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * bpftool makes packets.skel.h of bpf/packets.bpf.c.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <err.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <foster/bpf.h>

#include "packets.h"
#include "packets.skel.h"

#define SKIPPED 77
#define SEEN FOSTER_STRUCT(struct packets_seen, packets, bytes)

/* In a process of its own: from here on the socket alone holds the program. */
static void load(int fd, __u32 *id)
{
	struct packets_bpf *skel = packets_bpf__open_and_load();
	int prog = skel ? bpf_program__fd(skel->progs.count_packets) : -1;
	struct bpf_map_info map = { 0 };
	__u32 len = sizeof(map);

	if (!skel || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) < 0)
		err(SKIPPED, "a BPF program");
	bpf_obj_get_info_by_fd(bpf_map__fd(skel->maps.bss), &map, &len);
	*id = map.id;
	_exit(0);
}

static void send_one(void)
{
	const struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(9) };
	const int udp = socket(AF_INET, SOCK_DGRAM, 0);

	(void)!sendto(udp, "hello", 5, 0, (const void *)&here, sizeof(here));
}

int main(void)
{
	const int filter = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	__u32 *id = foster_mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct packets_seen *seen;
	size_t n;
	int fd;

	if (filter < 0 || id == MAP_FAILED)
		err(SKIPPED, "a packet socket");
	if (fork() == 0)
		load(filter, id);
	wait(NULL); /* the loader is gone */
	if (!*id)
		errx(SKIPPED, "the loader failed");
	fd = bpf_map_get_fd_by_id(*id);
	seen = FOSTER_ARRAY(foster_datasec(fd), const SEEN, seen, &n);
	if (!seen)
		errx(1, "%s", foster_bpf_strerror());
	send_one();
	for (size_t i = 0; i < n; i++)
		if (FOSTER_READ(seen[i].packets))
			printf("protocol %zu: %llu packets, %llu bytes\n", i,
			       FOSTER_READ(seen[i].packets), FOSTER_READ(seen[i].bytes));
	return 0;
}
