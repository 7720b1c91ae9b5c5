/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/resident.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "os/vm.h"

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

static int add_pages(struct walk *w, uintptr_t start, const unsigned char *in, size_t pages,
		     bool *missing)
{
	size_t page = vm_page_size();
	int r = 0;

	for (size_t i = 0; i < pages && r == 0; i++, start += page) {
		if (!(in[i] & 1)) {
			*missing = true;
			r = end_run(w);
			continue;
		}
		if (!w->start)
			w->start = start;
		w->end = start + page;
	}
	return r;
}

void resident_init(struct resident *r)
{
	r->start = r->end = hide(0);
	r->missing = false;
}

/* From start on, for as much as there is room, up to end. */
static void ask(struct resident *r, uintptr_t start, uintptr_t end)
{
	size_t pages = (end - start) / vm_page_size();

	if (pages > RESIDENT_PAGES)
		pages = RESIDENT_PAGES;
	if (mincore((void *)start, pages * vm_page_size(), r->in))
		memset(r->in, 1, pages);
	r->start = hide(start);
	r->end = hide(start + pages * vm_page_size());
}

int resident_each(struct resident *r, uintptr_t start, uintptr_t end, uintptr_t ahead,
		  resident_fn *fn, void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };
	int err = 0;

	while (start < end && err == 0) {
		uintptr_t known;

		if (start < reveal(r->start) || start >= reveal(r->end))
			ask(r, start, ahead > end ? ahead : end);
		known = reveal(r->end) < end ? reveal(r->end) : end;
		err = add_pages(&w, start,
				r->in + (start - reveal(r->start)) / vm_page_size(),
				(known - start) / vm_page_size(), &r->missing);
		start = known;
	}
	return err ? err : end_run(&w);
}
