// SPDX-License-Identifier: BSD-2-Clause
/*
 * The second half of the quickstart: a real ELF file is mapped and parsed in place, and
 * only a few pointers to names in its string table are kept.
 */
#include <elf.h>
#include <errno.h>
#include <foster/foster.h>
#include <link.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "quickstart.h"

/* Of this machine's own word size. */
typedef ElfW(Ehdr) elf_header;
typedef ElfW(Shdr) elf_section;
typedef ElfW(Sym) elf_symbol;

#define NAMES	   5
#define NAME_BYTES 64

/* All that is kept: pointers into the middle of the file, in static data. */
static const char *kept[NAMES];

/* What they read when the file had just been mapped. */
static char copies[NAMES][NAME_BYTES];

/*
 * A file in memory.  Nothing in it is believed: offsets, sizes and counts come from
 * outside.
 */
struct image {
	const char *base;
	size_t len;
};

/* A symbol table and the strings that its symbols name. */
struct symbols {
	const elf_symbol *table;
	size_t count;
	const char *strings;
	size_t strings_len;
};

/* The size bytes at an offset, or NULL where they are not in the file or not aligned. */
static const void *bytes_at(const struct image *image, uint64_t off, uint64_t size,
			    size_t align)
{
	if (off > image->len || size > image->len - off || off % align)
		return NULL;
	return image->base + off;
}

static const elf_header *header_of(const struct image *image)
{
	const elf_header *eh = bytes_at(image, 0, sizeof(*eh), alignof(elf_header));
	const unsigned char native = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != native || eh->e_shentsize != sizeof(elf_section))
		return NULL;
	return eh;
}

/*
 * The symbols of a section, if it is a symbol table and all of it and its strings are
 * there.
 */
static bool symbols_of(const struct image *image, const elf_section *sections,
		       size_t count, const elf_section *section, struct symbols *ret)
{
	const elf_section *strings;

	if (section->sh_type != SHT_DYNSYM || section->sh_entsize != sizeof(elf_symbol) ||
	    section->sh_link >= count)
		return false;
	strings = &sections[section->sh_link];
	if (strings->sh_type != SHT_STRTAB)
		return false;
	ret->table = bytes_at(image, section->sh_offset, section->sh_size,
			      alignof(elf_symbol));
	ret->count = section->sh_size / sizeof(elf_symbol);
	ret->strings = bytes_at(image, strings->sh_offset, strings->sh_size, 1);
	ret->strings_len = strings->sh_size;
	return ret->table && ret->strings;
}

static bool find_symbols(const struct image *image, struct symbols *ret)
{
	const elf_header *eh = header_of(image);
	const elf_section *sections;

	if (!eh)
		return false;
	sections = bytes_at(image, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sections),
			    alignof(elf_section));
	for (size_t i = 0; sections && i < eh->e_shnum; i++)
		if (symbols_of(image, sections, eh->e_shnum, &sections[i], ret))
			return true;
	return false;
}

/* The name of a function that the file defines; NULL for any other symbol. */
static const char *function_name(const struct symbols *symbols, const elf_symbol *sym)
{
	const char *name;
	size_t room;

	if ((sym->st_info & 0xf) != STT_FUNC || sym->st_shndx == SHN_UNDEF ||
	    sym->st_name >= symbols->strings_len)
		return NULL;
	name = symbols->strings + sym->st_name;
	room = symbols->strings_len - sym->st_name;
	if (!memchr(name, '\0', room) || strlen(name) < 3 || strlen(name) >= NAME_BYTES)
		return NULL;
	return name;
}

/* Keeps names from all over the table.  Returns how many. */
static size_t keep_names(const struct symbols *symbols)
{
	size_t stride = symbols->count / (NAMES + 1) + 1, found = 0;

	for (size_t i = stride / 2; i < symbols->count && found < NAMES; i++) {
		const char *name = function_name(symbols, &symbols->table[i]);

		if (!name)
			continue;
		kept[found] = name;
		strcpy(copies[found++], name);
		i += stride;
	}
	return found;
}

/* Maps and parses; all that knows the beginning of the file is gone when this returns. */
static NOINLINE size_t parse_file(const char *path)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct symbols symbols;
	struct image image;
	size_t found = 0;

	image.base = foster_map_file(path, NULL);
	if (!image.base) {
		line("not done", "%s: %s", path, strerror(errno));
		return 0;
	}
	if (foster_info(image.base, &info) < 0)
		return 0;
	image.len = info.len;
	line("address", "%p, %zu bytes", (const void *)image.base, image.len);
	if (find_symbols(&image, &symbols)) {
		found = keep_names(&symbols);
		line("parsed", "%zu symbols, %zu bytes of strings; %zu names kept",
		     symbols.count, symbols.strings_len, found);
	}
	return found;
}

static NOINLINE bool names_read(void)
{
	bool same = true;

	for (int i = 0; i < NAMES && kept[i]; i++) {
		line("name", "%p \"%s\"", (const void *)kept[i], kept[i]);
		same = same && strcmp(kept[i], copies[i]) == 0;
	}
	return same;
}

/* The C library that this process runs on, else the program itself. */
static void choose_file(char *path, size_t size)
{
	char text[4352], *name;
	FILE *maps = fopen("/proc/self/maps", "re");

	snprintf(path, size, "/proc/self/exe");
	while (maps && fgets(text, sizeof(text), maps)) {
		text[strcspn(text, "\n")] = '\0';
		name = strchr(text, '/');
		if (name && (strstr(name, "/libc.so") || strstr(name, "/ld-musl"))) {
			snprintf(path, size, "%s", name);
			break;
		}
	}
	if (maps)
		fclose(maps);
}

void show_elf(void)
{
	struct mapping then, now;
	struct place place;
	char path[4096];

	choose_file(path, sizeof(path));
	step("Maps %s and parses it in place.", path);
	if (parse_file(path) == 0) {
		promise(false, "the file can be mapped and parsed");
		return;
	}
	place = place_of(kept[0]);
	then = mapping_at(place);
	show_mapping("maps", &then);

	step("Runs a collection while only the names are pointed to.");
	collect();
	now = mapping_at(place);
	show_mapping("maps", &now);
	promise(still_mapped(place, &then),
		"pointers to names keep the whole file mapped");
	promise(names_read(), "the names read as before");

	step("Drops the names and runs a collection.");
	memset(kept, 0, sizeof(kept));
	collect();
	now = mapping_at(place);
	show_mapping("after", &now);
	promise(!still_mapped(place, &then), "the line of /proc/self/maps is gone");
}
