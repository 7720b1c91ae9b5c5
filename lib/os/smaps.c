/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/smaps.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "os/procfile.h"
#include "os/raw.h"
#include "os/vm.h"

#define SMAPS "/proc/self/smaps"

static struct procfile smaps_file = PROCFILE(SMAPS);

/*
 * A mapping.  Addresses are complemented: the start of a mapping is the address of a
 * region, and what is remembered is read as evidence like all memory.
 */
struct record {
	uintptr_t start_hidden;
	uintptr_t end_hidden;
	uint64_t offset;
	uint64_t device;
	uint64_t inode;
	uint32_t name; /* of what has no path, or 0: all kinds of it have one inode */
	uint32_t flags;
};

/*
 * In memory of its own, for the reading may happen beside a thread that holds malloc's
 * lock.  Two of them from the start, that need no mapping later: where mappings or addresses
 * run out, it is the sweep that makes room.
 */
struct table {
	size_t bytes;
	size_t count;
	struct record record[];
};
#define TABLE_BYTES ((size_t)63 << 16) /* of addresses; for as many as Linux allows by default */

static struct table *remembered;
static struct table *other; /* for the next reading */
static bool refused;

static uintptr_t start_of(const struct record *r)
{
	return ~r->start_hidden;
}

static uintptr_t end_of(const struct record *r)
{
	return ~r->end_hidden;
}

/* FNV-1a. */
static uint32_t name_of(const struct mapline *m)
{
	uint32_t hash = 2166136261u;

	if (m->name_len == 0 || m->name[0] == '/' || m->name[0] == '[')
		return 0;
	for (size_t i = 0; i < m->name_len; i++)
		hash = (hash ^ (unsigned char)m->name[i]) * 16777619u;
	return hash;
}

/* ------------------------------------------------------------------ reading the list */

/* Codes of fs/proc/task_mmu.c.  A reader of an older kernel just meets fewer of them. */
static const struct code {
	char letters[3];
	uint32_t flag;
} codes[] = {
	{ "mw", SMAPS_WRITABLE }, { "sh", SMAPS_WRITABLE }, { "wr", SMAPS_WRITABLE },
	{ "mm", SMAPS_MIXED },	  { "io", SMAPS_DEVICE },   { "pf", SMAPS_DEVICE },
	{ "um", SMAPS_ANSWERED }, { "ui", SMAPS_ANSWERED }, { "uw", SMAPS_WATCHED },
	{ "ht", SMAPS_HUGE },	  { "dc", SMAPS_UNCOPIED }, { "wf", SMAPS_UNCOPIED },
	{ "dp", SMAPS_UNCOPIED }, { "ms", SMAPS_SHARED },
};

static uint32_t flag_of(const char *letters)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (memcmp(codes[i].letters, letters, 2) == 0)
			return codes[i].flag;
	return 0;
}

#define FLAGS_FIELD "VmFlags:"
#define FLAGS_FIELD_LEN (sizeof(FLAGS_FIELD) - 1)

/* "VmFlags: rd wr mr mw me ac " */
static bool take_flags(const char *line, size_t len, uint32_t *flags)
{
	if (len < FLAGS_FIELD_LEN || memcmp(line, FLAGS_FIELD, FLAGS_FIELD_LEN) != 0)
		return false;
	*flags = SMAPS_KNOWN;
	for (size_t i = FLAGS_FIELD_LEN; i + 2 < len; i += 3)
		*flags |= flag_of(line + i + 1);
	return true;
}

#define SWAP_FIELD "Swap:"
#define SWAP_FIELD_LEN (sizeof(SWAP_FIELD) - 1)

/* "Swap:                 12 kB": is it more than none? */
static bool is_swapped(const char *line, size_t len)
{
	if (len < SWAP_FIELD_LEN || memcmp(line, SWAP_FIELD, SWAP_FIELD_LEN) != 0)
		return false;
	for (size_t i = SWAP_FIELD_LEN; i < len; i++)
		if (line[i] >= '1' && line[i] <= '9')
			return true;
	return false;
}

/* Fields begin with capitals, mappings with a number. */
static bool is_field(const char *line, size_t len)
{
	return len && *line >= 'A' && *line <= 'Z';
}

typedef int record_fn(const struct record *r, void *arg);

static struct record record_of(const struct mapline *m)
{
	return (struct record){
		.start_hidden = ~m->start,
		.end_hidden = ~m->end,
		.offset = m->offset,
		.device = m->device,
		.inode = m->inode,
		.name = name_of(m),
	};
}

/* -ENOSYS: the kernel tells no flags. */
static int each_record(struct procfile *f, struct scratch *scratch, record_fn *fn,
		       void *arg)
{
	struct procfile_lines lines;
	struct record record = { 0 };
	bool told = false;
	const char *line;
	size_t len;
	int r = procfile_begin(&lines, f, scratch);

	if (r)
		return r;
	while ((r = procfile_next(&lines, &line, &len)) > 0) {
		struct mapline m;
		uint32_t flags;

		if (!is_field(line, len)) {
			if (!mapline_parse(&m, line, len))
				return -EIO;
			record = record_of(&m);
		} else if (take_flags(line, len, &flags)) {
			told = true;
			record.flags |= flags;
			r = fn(&record, arg);
			if (r)
				return r;
		} else if (is_swapped(line, len)) {
			record.flags = SMAPS_SWAPPED; /* the flags are last */
		}
	}
	return r ? r : told ? 0 : -ENOSYS;
}

/* ------------------------------------------------------------------ remembering */

/*
 * Not dumped: so it never merges with a neighbour, whose place would then look
 * different from what was read.
 */
static struct table *table_new(void)
{
	long at = raw(SYS_mmap, 0, TABLE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, (uintptr_t)-1, 0);
	struct table *t = (struct table *)at;

	if (at < 0)
		return NULL;
	(void)raw(SYS_madvise, (uintptr_t)at, TABLE_BYTES, MADV_DONTDUMP);
	t->bytes = TABLE_BYTES;
	return t;
}

/* Empties it, and gives back its memory but for the beginning. */
static void table_empty(struct table *t)
{
	t->count = 0;
	(void)raw(SYS_madvise, (uintptr_t)t + vm_page_size(), t->bytes - vm_page_size(),
		  MADV_DONTNEED);
}

static bool table_grow(struct table **t)
{
	size_t bytes = (*t)->bytes;
	long at = raw(SYS_mremap, (uintptr_t)*t, bytes, 2 * bytes, MREMAP_MAYMOVE, 0);

	if (at < 0)
		return false;
	*t = (struct table *)at;
	(*t)->bytes = 2 * bytes;
	return true;
}

static int remember(const struct record *r, void *arg)
{
	struct table **t = arg;

	if (sizeof(**t) + ((*t)->count + 1) * sizeof(*r) > (*t)->bytes && !table_grow(t))
		return -ENOMEM;
	(*t)->record[(*t)->count] = *r;
	(*t)->record[(*t)->count++].flags &= ~(uint32_t)SMAPS_SWAPPED;
	return 0;
}

static bool passes(int r)
{
	return r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -ESRCH ||
	       r == -EAGAIN;
}

int smaps_learn(struct scratch *scratch)
{
	struct table *t = other ? other : table_new();
	int r;

	if (!t)
		return -ENOMEM;
	r = each_record(&smaps_file, scratch, remember, &t);
	fo_assert(r <= 0);
	refused = !passes(r);
	other = t;
	if (r == 0) {
		other = remembered;
		remembered = t;
	}
	if (other)
		table_empty(other);
	return r;
}

bool smaps_are_refused(void)
{
	return refused;
}

void smaps_open(void)
{
	procfile_open(&smaps_file);
	if (!other)
		other = table_new();
	if (!remembered && other) {
		remembered = other;
		other = table_new();
	}
}

void smaps_after_fork(void)
{
	procfile_close(&smaps_file);
	refused = false;
	if (remembered)
		table_empty(remembered);
}

/* ------------------------------------------------------------------ recalling */

/* Past what ends before start. */
static size_t advance(struct smaps_cursor *c, uintptr_t start)
{
	const struct table *t = remembered;

	while (c->at < t->count && end_of(&t->record[c->at]) <= start)
		c->at++;
	return c->at;
}

/* A part of the same mapping, or of one made like it. */
static bool is_alike(const struct record *r, const struct mapline *m)
{
	if (r->device != m->device || r->inode != m->inode || (r->flags & SMAPS_SHARED))
		return false;
	return mapline_is_anonymous(m) || r->offset - start_of(r) == m->offset - m->start;
}

static unsigned int recall_private(size_t i, const struct mapline *m)
{
	const struct table *t = remembered;
	uint32_t flags = 0, known = 0;

	for (; i < t->count && start_of(&t->record[i]) < m->end; i++) {
		const struct record *r = &t->record[i];

		if (!is_alike(r, m))
			continue;
		flags |= r->flags;
		if (start_of(r) >= m->start && end_of(r) <= m->end)
			known = SMAPS_KNOWN;
	}
	return (flags & ~(uint32_t)SMAPS_KNOWN) | known;
}

static bool is_same(const struct record *r, const struct mapline *m)
{
	return start_of(r) == m->start && end_of(r) == m->end && r->offset == m->offset &&
	       r->device == m->device && r->inode == m->inode &&
	       (r->flags & SMAPS_SHARED) && r->name == name_of(m);
}

static unsigned int recall_shared(size_t i, const struct mapline *m)
{
	struct table *t = remembered;

	for (; i < t->count && start_of(&t->record[i]) <= m->start; i++) {
		struct record *r = &t->record[i];

		if (!is_same(r, m))
			continue;
		/* Not the one that was read, then, but it will be found in its place. */
		if (m->prot & PROT_WRITE)
			r->flags |= SMAPS_WRITABLE;
		return r->flags;
	}
	return 0;
}

unsigned int smaps_recall(struct smaps_cursor *c, const struct mapline *m)
{
	size_t first;

	if (!remembered)
		return 0;
	first = advance(c, m->start);
	return m->shared ? recall_shared(first, m) : recall_private(first, m);
}

/* ------------------------------------------------------------------ in a copy */

struct each {
	smaps_fn *fn;
	void *arg;
};

static int show(const struct record *r, void *arg)
{
	const struct each *each = arg;
	const struct mapline m = {
		.start = start_of(r),
		.end = end_of(r),
		.offset = r->offset,
		.device = r->device,
		.inode = r->inode,
		.shared = (r->flags & SMAPS_SHARED) != 0,
	};

	return each->fn(&m, r->flags, each->arg);
}

int smaps_each(struct scratch *scratch, smaps_fn *fn, void *arg)
{
	struct procfile own = PROCFILE(SMAPS);
	struct each each = { fn, arg };
	int r = each_record(&own, scratch, show, &each);

	procfile_close(&own);
	return r;
}
