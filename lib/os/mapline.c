/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/mapline.h"

#include <string.h>
#include <sys/mman.h>

/* What is left of the line. */
struct rest {
	const char *at;
	const char *end;
};

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	return UINT32_MAX;
}

/* At least one digit. */
static bool take_number(struct rest *r, unsigned int base, uint64_t *value)
{
	const char *first = r->at;
	unsigned int digit;

	*value = 0;
	for (; r->at < r->end && (digit = digit_of(*r->at)) < base; r->at++)
		*value = *value * base + digit;
	return r->at != first;
}

static bool take_char(struct rest *r, char c)
{
	return r->at < r->end && *r->at++ == c;
}

/* "rwxs": each a letter or a dash; the last says shared or private. */
static bool take_permissions(struct rest *r, struct mapline *m)
{
	if (r->end - r->at < 4)
		return false;
	m->prot = (uint8_t)((r->at[0] == 'r' ? PROT_READ : 0) |
			    (r->at[1] == 'w' ? PROT_WRITE : 0) |
			    (r->at[2] == 'x' ? PROT_EXEC : 0));
	m->shared = r->at[3] == 's';
	if (!m->shared && r->at[3] != 'p')
		return false;
	r->at += 4;
	return true;
}

static bool take_device(struct rest *r, uint64_t *device)
{
	uint64_t major, minor;

	if (!take_number(r, 16, &major) || !take_char(r, ':') ||
	    !take_number(r, 16, &minor))
		return false;
	*device = major << 32 | minor;
	return true;
}

static void take_name(struct rest *r, struct mapline *m)
{
	while (r->at < r->end && *r->at == ' ')
		r->at++;
	m->name = r->at;
	m->name_len = (size_t)(r->end - r->at);
}

bool mapline_parse(struct mapline *m, const char *line, size_t len)
{
	struct rest r = { line, line + len };
	uint64_t start, end;

	if (!take_number(&r, 16, &start) || !take_char(&r, '-') ||
	    !take_number(&r, 16, &end) || !take_char(&r, ' ') ||
	    !take_permissions(&r, m) || !take_char(&r, ' ') ||
	    !take_number(&r, 16, &m->offset) || !take_char(&r, ' ') ||
	    !take_device(&r, &m->device) || !take_char(&r, ' ') ||
	    !take_number(&r, 10, &m->inode))
		return false;
	m->start = (uintptr_t)start;
	m->end = (uintptr_t)end;
	take_name(&r, m);
	return start < end;
}

bool mapline_named(const struct mapline *m, const char *name)
{
	return mapline_begins(m, name) && m->name_len == strlen(name);
}

bool mapline_begins(const struct mapline *m, const char *prefix)
{
	size_t len = strlen(prefix);

	return m->name_len >= len && memcmp(m->name, prefix, len) == 0;
}
