// SPDX-License-Identifier: BSD-2-Clause
/* How the quickstart program looks at its own process. */
#include <dirent.h>
#include <errno.h>
#include <foster/foster.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "quickstart.h"

#define MAPS_LINE 4352 /* a path and what stands before it */

struct place place_of(const void *p)
{
	return (struct place){ ~(uintptr_t)p };
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The line of /proc/self/maps, cut into its parts, if the place is in its range. */
static NOINLINE bool parse_maps_line(char *text, struct place place, struct mapping *m)
{
	uintptr_t lo, hi, addr = ~place.complement;
	char *prot, *what;

	text[strcspn(text, "\n")] = '\0';
	prot = strchr(text, ' ');
	if (!prot || sscanf(text, "%" SCNxPTR "-%" SCNxPTR, &lo, &hi) != 2)
		return false;
	if (addr < lo || addr >= hi)
		return false;
	*prot++ = '\0';
	what = strchr(prot, ' ');
	if (!what)
		return false;
	*what++ = '\0';
	snprintf(m->range, sizeof(m->range), "%s", text);
	snprintf(m->prot, sizeof(m->prot), "%s", prot);
	snprintf(m->what, sizeof(m->what), "%s", what);
	return true;
}

NOINLINE struct mapping mapping_at(struct place place)
{
	struct mapping m = { "", "", "" };
	char text[MAPS_LINE];
	FILE *maps = fopen("/proc/self/maps", "re");

	if (!maps)
		return m;
	while (fgets(text, sizeof(text), maps))
		if (parse_maps_line(text, place, &m))
			break;
	fclose(maps);
	return m;
}

void show_mapping(const char *label, const struct mapping *m)
{
	if (m->range[0])
		line(label, "%s %s %s", m->range, m->prot, m->what);
	else
		line(label, "no line: nothing is mapped there");
}

bool still_mapped(struct place place, const struct mapping *then)
{
	struct mapping now = mapping_at(place);

	return now.range[0] && strcmp(now.what, then->what) == 0;
}

unsigned int mappings_named(const char *prefix)
{
	unsigned int count = 0;
	char text[MAPS_LINE];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(text, sizeof(text), maps)) {
		int name = 0;

		sscanf(text, "%*s %*s %*s %*s %*s %n", &name);
		count += name && starts_with(text + name, prefix);
	}
	if (maps)
		fclose(maps);
	return count;
}

static bool named(const char *link, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (starts_with(link, *prefixes))
			return true;
	return false;
}

unsigned int descriptors_named(const char *const *prefixes)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/fd");

	while (dir && (entry = readdir(dir))) {
		char link[256];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n < 0)
			continue;
		link[n] = '\0';
		if (!named(link, prefixes))
			continue;
		line("open", "descriptor %s -> %s", entry->d_name, link);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

/*
 * Calls that have returned leave their locals behind, below the stack pointer, where the
 * frames of later calls may expose them again.  A real program need not care: it calls
 * something else soon.  This one wants to show the release at once.
 */
static NOINLINE void clear_stack(void)
{
	char frames[64 * 1024];

	explicit_bzero(frames, sizeof(frames));
}

NOINLINE void collect(void)
{
	struct foster_stats stats = { .size = sizeof(stats) };
	int released;

	clear_stack();
	released = foster_collect(10000);
	foster_stats(&stats);
	if (released < 0)
		line("collect", "failed: %s", strerror(-released));
	line("figures",
	     "released now %d; live %" PRIu64 " regions of %" PRIu64
	     " bytes; ever mapped %" PRIu64 ", released %" PRIu64,
	     released < 0 ? 0 : released, stats.regions, stats.bytes, stats.mapped,
	     stats.released);
}
