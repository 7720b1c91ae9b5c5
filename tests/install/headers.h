/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses every initialiser and macro of the public headers, in C11 and in C++17. */
#include <foster/foster.h>

int headers(uint32_t *word);

int headers(uint32_t *word)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;
	struct foster_map_opts map = FOSTER_MAP_OPTS_INIT;
	struct foster_info info = FOSTER_INFO_INIT;
	unsigned int counters = 0;

#define COUNT(name, what) counters += sizeof(what) > 1;
	FOSTER_STATS_FIELDS(COUNT)
#undef COUNT
	FOSTER_WRITE(*word, FOSTER_READ(*word) + 1);
	return options.size == sizeof(options) && map.size == sizeof(map) &&
	       info.size == sizeof(info) && sizeof(struct foster_stats) > counters;
}
