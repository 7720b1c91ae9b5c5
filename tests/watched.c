/* SPDX-License-Identifier: BSD-2-Clause */
#include "watched.h"

struct tracking tracking;
unsigned char times_told[PAGES_MOST];
char *told_base;
bool told_huge, told_swapped, told_untracked;

void forget_told(char *p)
{
	told_base = p;
	told_huge = told_swapped = told_untracked = false;
	memset(times_told, 0, sizeof(times_told));
}

int note(const struct pages_run *run, void *arg UNUSED)
{
	size_t first = (run->start - (uintptr_t)told_base) / page_size();

	assert_true(run->start < run->end);
	assert_true(first + (run->end - run->start) / page_size() <= PAGES_MOST);
	for (uintptr_t at = run->start; at < run->end; at += page_size())
		times_told[first++]++;
	told_huge |= run->huge;
	told_swapped |= run->swapped;
	return 0;
}

int ask_whether(char *p, size_t pages, bool anew)
{
	forget_told(p);
	return tracking_written(&tracking, (uintptr_t)p,
				(uintptr_t)p + pages * page_size(), anew, note, NULL);
}

void ask(char *p, size_t pages)
{
	assert_int_equal(ask_whether(p, pages, false), 0);
}

void assert_told(size_t first, size_t end, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (!times_told[i] != !(i >= first && i < end))
			fail_msg("page %zu was told %d times", i, times_told[i]);
}

void assert_none_told(size_t pages)
{
	assert_told(0, 0, pages);
}

char *map(size_t pages, int flags, int fd)
{
	char *p = mmap(NULL, pages * page_size(), RW, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

void write_pages(char *p, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		++*(volatile char *)(p + i * page_size());
}

char read_page(const char *p, size_t i)
{
	return *(const volatile char *)(p + i * page_size());
}

char *page_of(char *p, size_t i)
{
	return p + i * page_size();
}

bool is_registered(const char *p)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool here = false, found = false;
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)p >= start && (uintptr_t)p < end;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " uw") != NULL;
	}
	fclose(smaps);
	return found;
}

void begin_tracking(void)
{
	int err;

	if (!tracking_works())
		test_skip("no write tracking here (Linux 6.7)");
	err = tracking_begin(&tracking);
	assert_int_equal(err, 0);
}

/* Of as many as are noted. */
static int note_watched(const struct pages_run *run, void *arg)
{
	struct pages_run part = *run;
	uintptr_t end = (uintptr_t)told_base + PAGES_MOST * page_size();

	if (part.end > end)
		part.end = end;
	return part.start < part.end ? note(&part, arg) : 0;
}

int watch(char *p, size_t pages)
{
	forget_told(p);
	return tracking_watch(&tracking, (uintptr_t)p,
			      (uintptr_t)p + pages * page_size(), note_watched, NULL);
}

char *watched(size_t pages)
{
	char *p = map(pages + 2, ANON, -1);

	if (tracking.faults.fd <= 0)
		begin_tracking();
	/* Nothing lies next to it: whole mappings are watched. */
	munmap(p, page_size());
	munmap(page_of(p, pages + 1), page_size());
	p += page_size();
	madvise(p, pages * page_size(), MADV_NOHUGEPAGE);
	write_pages(p, 0, pages);
	assert_int_equal(watch(p, pages), 0);
	return p;
}
