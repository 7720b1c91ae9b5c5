// SPDX-License-Identifier: BSD-2-Clause
/*
 * packets.c: count the packets on the loopback interface with a BPF program, and read its counters
 * by typed pointers when the process that loaded it is gone.
 *
 *	cc -O2 -o packets packets.c $(pkg-config --cflags --libs foster-bpf libbpf)
 *
 * packets.skel.h is made of bpf/packets.bpf.c by `bpftool gen skeleton`.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <err.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <foster/bpf.h>

#include "packets.h"
#include "packets.skel.h"

#define SKIPPED 77
#define SEEN	FOSTER_STRUCT(struct packets_seen, packets, bytes)

static int socket_on_loopback(void)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = htons(3), /* all */
					     .sll_ifindex = (int)if_nametoindex("lo") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const void *)&address, sizeof(address)) < 0)
		err(SKIPPED, "a packet socket on lo");
	return fd;
}

/* In a process of its own: from here on the socket alone holds the program. */
static void load(int fd, int tell)
{
	struct packets_bpf *skel = packets_bpf__open_and_load();
	int program = skel ? bpf_program__fd(skel->progs.count_packets) : -1;
	struct bpf_map_info map = { 0 };
	__u32 len = sizeof(map);

	if (!skel || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) < 0)
		err(SKIPPED, "a BPF program");
	if (bpf_obj_get_info_by_fd(bpf_map__fd(skel->maps.bss), &map, &len) < 0 ||
	    write(tell, &map.id, sizeof(map.id)) != sizeof(map.id))
		err(1, "the number of the map");
	_exit(0);
}

int main(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket_on_loopback(), tell[2], udp = socket(AF_INET, SOCK_DGRAM, 0), status;
	const struct packets_seen *seen;
	size_t count;
	__u32 id;

	if (pipe(tell) < 0 || fork() == 0)
		load(fd, tell[1]);
	wait(&status); /* the loader is gone */
	if (status || read(tell[0], &id, sizeof(id)) != sizeof(id))
		errx(SKIPPED, "the loader failed");
	seen = FOSTER_ARRAY(foster_datasec(bpf_map_get_fd_by_id(id)), const SEEN, seen, &count);
	if (!seen)
		errx(1, "%s", foster_bpf_strerror());
	for (int i = 0; i < 5; i++)
		(void)!sendto(udp, "hello", 5, 0, (const void *)&to, sizeof(to));
	for (size_t i = 0; i < count; i++)
		if (FOSTER_READ(seen[i].packets))
			printf("protocol %zu: %llu packets, %llu bytes\n", i,
			       FOSTER_READ(seen[i].packets), FOSTER_READ(seen[i].bytes));
	return 0;
}
