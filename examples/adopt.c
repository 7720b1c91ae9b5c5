// SPDX-License-Identifier: BSD-2-Clause
/*
 * adopt.c: a buffer of another library, given back when nobody points into it any more.
 *
 *	cc -O2 -o adopt adopt.c $(pkg-config --cflags --libs foster)
 *
 * The buffer stays where it is.  The only pointer into it lies in malloc memory.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <foster/foster.h>

#define PATIENCE_MS 10000

/* ---- the other library; it knows nothing of foster */

struct message {
	size_t len;
	char text[256];
};

static struct message *message_receive(void)
{
	struct message *m = calloc(1, sizeof(*m));

	if (m)
		m->len = (size_t)snprintf(m->text, sizeof(m->text), "key=value");
	return m;
}

static void message_free(struct message *m)
{
	printf("the library gets its message of %zu bytes back\n", m->len);
	free(m);
}

/* ---- the program */

static const char **value; /* in malloc memory; into a message */

/* On foster's thread.  text is a value: it keeps nothing. */
static void release(void *text, size_t len, void *arg)
{
	(void)len;
	(void)arg;
	message_free((struct message *)((char *)text - offsetof(struct message, text)));
}

/* Only what is pointed into: some bytes of a page that others use too. */
static __attribute__((noinline)) const char *adopt(struct message *m)
{
	if (!foster_adopt(m->text, m->len + 1, release, NULL))
		err(1, "foster_adopt");
	return m->text;
}

static __attribute__((noinline)) void parse(void)
{
	struct message *m = message_receive();

	if (!m)
		err(1, "message_receive");
	*value = strchr(adopt(m), '=') + 1;
}

int main(void)
{
	value = calloc(1, sizeof(*value));
	if (!value || foster_init(NULL) < 0)
		err(1, "cannot start");
	parse();
	printf("kept: %d released\n", foster_collect(PATIENCE_MS));
	printf("the value is \"%s\"\n", *value);
	*value = NULL; /* the last pointer */
	printf("dropped: %d released\n", foster_collect(PATIENCE_MS));
	return 0;
}
