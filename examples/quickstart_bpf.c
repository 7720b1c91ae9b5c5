// SPDX-License-Identifier: BSD-2-Clause
/*
 * The BPF program of the quickstart: loaded from its skeleton, run by the kernel's test
 * run, and after its descriptors are closed by a datagram to a socket that has it for a
 * filter.  The socket holds the program, and so the program's maps; when the socket goes,
 * the program goes, and only foster's mapping holds the map.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <foster/bpf.h>
#include <foster/foster.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "quickstart.h"

#include "counter.skel.h"

static struct counter_bpf *skel;
static int sockets[2] = { -1, -1 };
static __u32 prog_id, map_id;

/* The numbers under which the kernel lists the program and the map of its .bss. */
static int learn_ids(void)
{
	struct bpf_prog_info prog = { 0 };
	struct bpf_map_info map = { 0 };
	__u32 prog_size = sizeof(prog), map_size = sizeof(map);
	int r;

	r = bpf_obj_get_info_by_fd(bpf_program__fd(skel->progs.count), &prog, &prog_size);
	if (r == 0)
		r = bpf_obj_get_info_by_fd(bpf_map__fd(skel->maps.bss), &map, &map_size);
	prog_id = prog.id;
	map_id = map.id;
	return r;
}

static int attach_socket(void)
{
	int prog = bpf_program__fd(skel->progs.count);

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets) < 0 ||
	    setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) < 0)
		return -errno;
	return 0;
}

static void close_sockets(void)
{
	for (int i = 0; i < 2; i++) {
		if (sockets[i] >= 0)
			close(sockets[i]);
		sockets[i] = -1;
	}
}

static void bpf_leave(void)
{
	counter_bpf__destroy(skel);
	skel = NULL;
	line("held by",
	     "a socket that has the program for a filter, and by nothing else");
}

static int bpf_load(void)
{
	int r;

	libbpf_set_print(NULL); /* the reason is told here */
	skel = counter_bpf__open_and_load();
	r = skel ? learn_ids() : -errno;
	if (r == 0)
		r = attach_socket();
	if (r == 0) {
		line("loaded", "program %u, its .bss is map %u of %zu bytes", prog_id,
		     map_id, sizeof(*skel->bss));
		return 0;
	}
	line("not done", "the kernel says: %s", strerror(-r));
	close_sockets();
	counter_bpf__destroy(skel);
	skel = NULL;
	return r;
}

static int bpf_run(void)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet));

	return bpf_prog_test_run_opts(bpf_program__fd(skel->progs.count), &opts);
}

static int bpf_run_again(void)
{
	return send(sockets[0], "datagram", 8, 0) < 0 ? -errno : 0;
}

static NOINLINE struct counter_slot *bpf_map_middle(void)
{
	struct counter_bpf__bss *bss = foster_bpf_map(bpf_map__fd(skel->maps.bss));

	if (!bss) {
		line("not done", "%s", foster_bpf_strerror());
		return NULL;
	}
	return &bss->slots[COUNTER_PICK];
}

/*
 * Does the kernel list it?  1, 0, or a negative errno: asking by number takes more
 * rights.
 */
static int listed(int (*open_by_id)(__u32 id), __u32 id)
{
	int fd = open_by_id(id);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	close(fd);
	return 1;
}

static int tell_listed(int (*open_by_id)(__u32 id), __u32 id, const char *what)
{
	int r = listed(open_by_id, id);

	if (r < 0)
		line("kernel", "cannot be asked for %s %u: %s", what, id, strerror(-r));
	else
		line("kernel", "%s %s %u", r ? "lists" : "no longer lists", what, id);
	return r;
}

/*
 * The same for what goes: the kernel lets go a moment after the last reference is given
 * up.
 */
static int tell_gone(int (*open_by_id)(__u32 id), __u32 id, const char *what)
{
	const struct timespec moment = { 0, 10 * 1000 * 1000 };
	int r;

	for (int tries = 0; tries < 200 && listed(open_by_id, id) > 0; tries++)
		nanosleep(&moment, NULL);
	r = tell_listed(open_by_id, id, what);
	return r < 0 ? r : !r;
}

static int bpf_end(void)
{
	int gone;

	close_sockets();
	gone = tell_gone(bpf_prog_get_fd_by_id, prog_id, "program");
	(void)tell_listed(bpf_map_get_fd_by_id, map_id, "map");
	return gone;
}

static bool bpf_memory_gone(void)
{
	return tell_gone(bpf_map_get_fd_by_id, map_id, "map") != 0 &&
	       mappings_named("anon_inode:bpf-map") == 0;
}

static const char *const bpf_names[] = { "anon_inode:bpf", "anon_inode:btf", NULL };

const struct program bpf_program = {
	.what = "a BPF program into the running kernel",
	.how = "the kernel's test run (bpf_prog_test_run_opts)",
	.how_again = "a datagram that the socket's filter sees",
	.names = bpf_names,
	.load = bpf_load,
	.run = bpf_run,
	.map = bpf_map_middle,
	.leave = bpf_leave,
	.run_again = bpf_run_again,
	.end = bpf_end,
	.memory_gone = bpf_memory_gone,
};
