// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/nearest.h"

#include <string.h>

/* Some milliseconds. */
#define WORK (4u << 20)

void nearest_begin(struct nearest *nearest, const char *asked, size_t len)
{
	*nearest = (struct nearest){
		.asked = asked,
		.len = len,
		.work = WORK,
	};
	/* A third of the letters may differ, and one of a short name. */
	nearest->limit = (uint32_t)(len / 3 + 2);
}

static uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Rows of the table of distances between the beginnings of a and of b, each made of the
 * two above it: now[j] is the distance of i letters of a and j of b.
 */
static uint32_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	uint32_t rows[3][NEAREST_LETTERS + 1];

	for (uint32_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= a_len; i++) {
		uint32_t *now = rows[i % 3];
		const uint32_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = min(min(above[j], now[j - 1]) + 1,
				     above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = min(now[j], two_above[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
	const size_t len = strnlen(name, NEAREST_LETTERS + 1);
	const size_t longer = len > nearest->len ? len - nearest->len
						 : nearest->len - len;
	const uint32_t work = (uint32_t)((len + 1) * (nearest->len + 1));
	uint32_t apart;

	if (!len || !nearest->len || len > NEAREST_LETTERS ||
	    nearest->len > NEAREST_LETTERS || longer >= nearest->limit ||
	    work > nearest->work)
		return;
	nearest->work -= work;
	apart = distance(nearest->asked, nearest->len, name, len);
	if (apart < nearest->limit) {
		nearest->limit = apart;
		nearest->best = name;
	}
}
