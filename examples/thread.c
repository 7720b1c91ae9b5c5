// SPDX-License-Identifier: BSD-2-Clause
/*
 * thread.c: threads that the collector does not know, where it alone looks for pointers.
 *
 *	cc -O2 -pthread -o thread thread.c $(pkg-config --cflags --libs foster)
 *
 * Any thread may call foster, and the sweep looks for pointers in all of them.  A program
 * that keeps pointers only where the collector looks may turn the sweep off.  Then the
 * stack of a thread that pthread_create() made is not searched until it is attached, so
 * what such a thread maps is kept until it is closed.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <foster/foster.h>

#define PATIENCE_MS 10000

static __attribute__((noinline)) int *map_number(const char *who)
{
	struct foster_info info = FOSTER_INFO_INIT;
	int *p = foster_mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || foster_info(p, &info) < 0)
		err(1, "foster_mmap");
	printf("%s: the region is %s\n", who,
	       info.flags & FOSTER_INFO_UNSEEN ? "kept until it is closed"
					       : "released when unused");
	return p;
}

static void *without_attaching(void *arg)
{
	int *p = map_number("unknown thread");

	*p = 1;
	if (foster_close(p) < 0)
		err(1, "foster_close");
	return arg;
}

static void *with_attaching(void *arg)
{
	if (foster_thread_attach() < 0 && errno != EALREADY)
		err(1, "foster_thread_attach");
	*map_number("attached thread") = 2; /* and that was the last use of it */
	if (foster_thread_detach() < 0)
		err(1, "foster_thread_detach");
	return arg;
}

static void run(void *(*body)(void *))
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, body, NULL);
	if (errno)
		err(1, "pthread_create");
	pthread_join(thread, NULL);
}

int main(void)
{
	struct foster_options opts = FOSTER_OPTIONS_INIT;

	opts.sweep = FOSTER_SWEEP_OFF;
	if (foster_init(&opts) < 0) /* in main(): so the collector knows the main thread */
		err(1, "foster_init");
	run(without_attaching);
	run(with_attaching);
	printf("both threads gone: %d released\n", foster_collect(PATIENCE_MS));
	return 0;
}
