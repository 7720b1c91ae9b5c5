// SPDX-License-Identifier: BSD-2-Clause
/*
 * pin.c: a pointer that only the kernel holds is not seen; a pin stands for it.
 *
 *	cc -O2 -o pin pin.c $(pkg-config --cflags --libs foster)
 *
 * The only pointer to a session is the user data of an epoll entry.
 */
#include <err.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <foster/foster.h>

#define PATIENCE_MS 10000

struct session {
	int fd;
	char name[32];
};

static __attribute__((noinline)) void session_add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct session *session =
		foster_mmap(NULL, sizeof(*session), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (session == MAP_FAILED)
		err(1, "foster_mmap");
	*session = (struct session){ fd, "the first" };
	if (foster_pin(session) < 0) /* before the kernel has it */
		err(1, "foster_pin");
	event.data.ptr = session;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static __attribute__((noinline)) void session_end(int epoll)
{
	struct epoll_event event;
	struct session *session;

	if (epoll_wait(epoll, &event, 1, -1) != 1)
		err(1, "epoll_wait");
	session = event.data.ptr;
	printf("epoll gave back the session \"%s\"\n", session->name);
	epoll_ctl(epoll, EPOLL_CTL_DEL, session->fd, NULL);
	if (foster_unpin(session) < 0) /* after the kernel had it */
		err(1, "foster_unpin");
}

int main(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int fd = eventfd(1, EFD_CLOEXEC);

	if (epoll < 0 || fd < 0 || foster_init(NULL) < 0)
		err(1, "cannot start");
	session_add(epoll, fd);
	printf("pinned: %d released\n", foster_collect(PATIENCE_MS));
	session_end(epoll);
	printf("unpinned: %d released\n", foster_collect(PATIENCE_MS));
	return 0;
}
