/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/resident.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#include "os/vm.h"

#define PAGES_AT_ONCE 2048u

struct walk {
	resident_fn *fn;
	void *arg;
	uintptr_t start; /* of the run that goes on; 0: none */
	uintptr_t end;
};

static int end_run(struct walk *w)
{
	uintptr_t start = w->start;

	w->start = 0;
	return start ? w->fn(start, w->end, w->arg) : 0;
}

static int add_pages(struct walk *w, uintptr_t start, const unsigned char *in, size_t pages)
{
	size_t page = vm_page_size();
	int r = 0;

	for (size_t i = 0; i < pages && r == 0; i++, start += page) {
		if (!(in[i] & 1)) {
			r = end_run(w);
			continue;
		}
		if (!w->start)
			w->start = start;
		w->end = start + page;
	}
	return r;
}

int resident_each(uintptr_t start, uintptr_t end, resident_fn *fn, void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };
	unsigned char in[PAGES_AT_ONCE];
	size_t page = vm_page_size();
	int r = 0;

	while (start < end && r == 0) {
		size_t pages = (end - start) / page;

		if (pages > PAGES_AT_ONCE)
			pages = PAGES_AT_ONCE;
		if (mincore((void *)start, pages * page, in))
			for (size_t i = 0; i < pages; i++)
				in[i] = 1;
		r = add_pages(&w, start, in, pages);
		start += pages * page;
	}
	return r ? r : end_run(&w);
}
