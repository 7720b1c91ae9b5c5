/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/layout.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/check.h"
#include "os/ledger.h"
#include "os/mapline.h"
#include "os/mapquery.h"
#include "os/procfile.h"
#include "os/smaps.h"

static struct procfile maps_file = PROCFILE("/proc/self/maps");

void layout_open(void)
{
	procfile_open(&maps_file);
	smaps_open();
}

void layout_after_fork(void)
{
	procfile_close(&maps_file);
	smaps_after_fork();
}

/* ------------------------------------------------------------------ what a mapping is */

/*
 * What the name tells.  A path can be anything, so a name is believed only where a
 * wrong belief makes more to be read, or where it has no slash in front as all paths
 * have.
 */
static bool is_device(const struct mapline *m)
{
	return mapline_begins(m, "/dev/") && !mapline_begins(m, "/dev/shm/") &&
	       !mapline_begins(m, "/dev/hugepages/") && !mapline_named(m, "/dev/zero") &&
	       !mapline_named(m, "/dev/zero (deleted)");
}

static bool is_bpf(const struct mapline *m)
{
	return mapline_begins(m, "anon_inode:bpf-map");
}

/*
 * Neither file nor memory: rings of io_uring or a socket, counters, buffers of a
 * driver.
 */
static bool is_object(const struct mapline *m)
{
	if (m->name_len == 0)
		return true;
	if (m->name[0] != '/')
		return !mapline_begins(m, "[anon_shmem:");
	return mapline_begins(m, "/dmabuf:") || mapline_begins(m, "/sys/") ||
	       mapline_begins(m, "/proc/");
}

/*
 * [vdso], [vvar], [vvar_vclock], [vsyscall], [uprobes]; an anonymous mapping's name is
 * no path.
 */
static bool is_kernels_own(const struct mapline *m)
{
	return mapline_begins(m, "[v") || mapline_named(m, "[uprobes]");
}

static bool is_anonymous_huge(const struct mapline *m)
{
	return mapline_begins(m, "/anon_hugepage");
}

static enum layout_kind kind_of_private(const struct mapline *m, unsigned int flags)
{
	if (mapline_is_anonymous(m))
		return is_kernels_own(m) ? LAYOUT_NEVER : LAYOUT_PRIVATE;
	if (is_device(m) || (flags & SMAPS_DEVICE))
		return LAYOUT_NEVER;
	if (mapline_named(m, "/dev/zero") || is_anonymous_huge(m))
		return LAYOUT_PRIVATE;
	return LAYOUT_FILE;
}

/*
 * An arena's pages come when they are touched; those of all other maps are there from
 * the start, which makes the mapping "mixed".  (That fork leaves arenas out is true of
 * newer kernels only, and any mapping can be advised so.)
 */
static enum layout_kind kind_of_bpf(unsigned int flags)
{
	if (!(flags & SMAPS_KNOWN))
		return LAYOUT_UNKNOWN;
	return flags & SMAPS_MIXED ? LAYOUT_SHARED : LAYOUT_NEVER;
}

/* Where the long list cannot be read. */
static enum layout_kind guess(enum layout_kind kind)
{
	return smaps_are_refused() ? kind : LAYOUT_UNKNOWN;
}

static enum layout_kind kind_of_shared(const struct mapline *m, unsigned int flags)
{
	bool known = flags & SMAPS_KNOWN;

	if (is_device(m))
		return LAYOUT_NEVER;
	if (is_bpf(m))
		return kind_of_bpf(flags);
	if (flags & (SMAPS_DEVICE | SMAPS_ANSWERED))
		return LAYOUT_NEVER;
	if (is_object(m))
		return known ? LAYOUT_SHARED : guess(LAYOUT_NEVER);
	if (m->prot & PROT_WRITE)
		return LAYOUT_SHARED;
	if (!known)
		return guess(LAYOUT_SHARED);
	return flags & SMAPS_WRITABLE ? LAYOUT_SHARED : LAYOUT_CONST;
}

static enum layout_kind kind_of(const struct mapline *m, unsigned int flags)
{
	return m->shared ? kind_of_shared(m, flags) : kind_of_private(m, flags);
}

static struct layout_entry entry_of(const struct mapline *m, unsigned int flags)
{
	enum layout_kind kind = kind_of(m, flags);
	bool bpf = m->shared && is_bpf(m);

	return (struct layout_entry){
		.start = m->start,
		.end = m->end,
		.offset = m->offset,
		.device = m->device,
		.inode = m->inode,
		.kind = (uint8_t)kind,
		.prot = m->prot,
		.readable = kind == LAYOUT_UNKNOWN && !is_object(m),
		.bpf = bpf,
		.arena = bpf && kind != LAYOUT_SHARED,
		.huge = (flags & SMAPS_HUGE) || is_anonymous_huge(m),
		.uffd = flags & (SMAPS_ANSWERED | SMAPS_WATCHED),
		.odd_in_snapshot = !(flags & SMAPS_KNOWN) || (flags & SMAPS_UNCOPIED),
	};
}

/* ------------------------------------------------------------------ the short list */

typedef int line_fn(const struct mapline *m, void *arg);

static int each_line(struct scratch *scratch, line_fn *fn, void *arg)
{
	struct procfile_lines lines;
	struct mapline m;
	const char *line;
	size_t len;
	int r = procfile_begin(&lines, &maps_file, scratch);

	if (r)
		return r;
	while ((r = procfile_next(&lines, &line, &len)) > 0) {
		if (!mapline_parse(&m, line, len))
			return -EIO;
		r = fn(&m, arg);
		if (r)
			return r;
	}
	return r;
}

/* ------------------------------------------------------------------ learning */

#define HOLES 2 /* scratches that are ours */

struct question {
	const struct scratch *ours[HOLES];
	struct smaps_cursor cursor;
};

static bool is_ours(const struct scratch *const ours[HOLES], const struct mapline *m)
{
	for (size_t i = 0; i < HOLES; i++)
		if (ours[i] && m->start >= ours[i]->base &&
		    m->end <= ours[i]->base + ours[i]->size)
			return true;
	return false;
}

/*
 * Must the long list be read for this one?  What has an inode to itself is known by
 * that; all BPF maps and most other objects have the same one.
 */
static bool is_open(const struct mapline *m, const struct scratch *const ours[HOLES],
		    unsigned int recalled)
{
	if (!m->shared || is_device(m) || is_ours(ours, m))
		return false;
	return is_object(m) || !(recalled & SMAPS_KNOWN);
}

static int ask_line(const struct mapline *m, void *arg)
{
	struct question *q = arg;

	return is_open(m, q->ours, smaps_recall(&q->cursor, m));
}

int layout_learn_rest(struct scratch *scratch)
{
	int r = smaps_learn(scratch);

	return smaps_are_refused() ? 0 : r;
}

int layout_learn(struct scratch *scratch, const struct scratch *also)
{
	struct question q = { .ours = { scratch, also } };
	int r = each_line(scratch, ask_line, &q);

	return r <= 0 ? r : layout_learn_rest(scratch);
}

int layout_learn_all(struct scratch *scratch)
{
	return smaps_learn(scratch);
}

/* ------------------------------------------------------------------ the list */

#define ROOM_STEP 64u /* entries that are taken from scratch at once */

struct listing {
	struct layout *layout;
	struct scratch *scratch;
	size_t room;
	const struct scratch *hole[HOLES];
	size_t cut[HOLES]; /* bytes left out */
	struct ledger_part account[LEDGER_PARTS];
	size_t accounts;
	size_t before; /* of them, those before the mapping that is being added */
	struct smaps_cursor cursor;
	const struct layout_gap *gap; /* the next */
	size_t gaps;
	layout_vouch_fn *vouch;
};

/* Nothing else is taken meanwhile, so pieces of scratch follow each other. */
static bool has_room(struct listing *ls)
{
	struct layout *l = ls->layout;
	struct layout_entry *more;

	_Static_assert(ROOM_STEP * sizeof(*more) % 64 == 0,
		       "pieces of scratch leave no gap");
	if (l->count < ls->room)
		return true;
	more = scratch_take(ls->scratch, ROOM_STEP * sizeof(*more));
	if (!more)
		return false;
	if (!l->entry)
		l->entry = more;
	fo_assert(more == l->entry + ls->room);
	ls->room += ROOM_STEP;
	return true;
}

/*
 * While threads run the list may be of several moments, always of later ones as
 * addresses go up: where two mappings overlap, the later is true.
 */
static void forget_older(struct layout *l, uintptr_t start)
{
	struct layout_entry *last;

	while (l->count && (last = &l->entry[l->count - 1])->end > start) {
		if (last->start < start) {
			last->end = start;
			return;
		}
		l->count--;
	}
}

static int add(struct listing *ls, const struct layout_entry *e)
{
	struct layout *l = ls->layout;

	forget_older(l, e->start);
	if (!has_room(ls))
		return -ENOMEM;
	l->entry[l->count++] = *e;
	return 0;
}

static struct layout_entry part_of(const struct layout_entry *e, uintptr_t start,
				   uintptr_t end)
{
	struct layout_entry part = *e;

	part.start = start;
	part.end = end;
	if (e->inode || e->device)
		part.offset += start - e->start;
	return part;
}

/* The part of the mapping that is a hole. */
static bool find_hole(const struct scratch *hole, const struct layout_entry *e,
		      uintptr_t *low, uintptr_t *high)
{
	if (!hole || e->end <= hole->base || hole->base + hole->size <= e->start)
		return false;
	*low = e->start > hole->base ? e->start : hole->base;
	*high = e->end < hole->base + hole->size ? e->end : hole->base + hole->size;
	return true;
}

/* Adds what of the mapping is not foster's accounts.  They go up as mappings do. */
static int add_but_accounts(struct listing *ls, const struct layout_entry *e)
{
	uintptr_t start = e->start;
	int r = 0;

	while (r == 0 && start < e->end) {
		uintptr_t end = e->end, next = e->end;
		struct layout_entry part;

		while (ls->before < ls->accounts && ls->account[ls->before].end <= start)
			ls->before++;
		if (ls->before < ls->accounts && ls->account[ls->before].start < end) {
			end = ls->account[ls->before].start;
			next = ls->account[ls->before].end;
		}
		part = part_of(e, start, end);
		if (start < end)
			r = add(ls, &part);
		start = next;
	}
	return r;
}

/* Adds what of the mapping is in none of the holes from the n-th on. */
static int add_around(struct listing *ls, const struct layout_entry *e, size_t n)
{
	struct layout_entry part;
	uintptr_t low, high;
	int r = 0;

	if (n == HOLES)
		return add_but_accounts(ls, e);
	if (!find_hole(ls->hole[n], e, &low, &high))
		return add_around(ls, e, n + 1);
	ls->cut[n] += high - low;
	if (e->start < low) {
		part = part_of(e, e->start, low);
		r = add_around(ls, &part, n + 1);
	}
	if (r == 0 && high < e->end) {
		part = part_of(e, high, e->end);
		r = add_around(ls, &part, n + 1);
	}
	return r;
}

/* What the long list said of it, or the caller says. */
static unsigned int recall(struct listing *ls, const struct mapline *m)
{
	unsigned int recalled = smaps_recall(&ls->cursor, m);
	enum layout_vouched vouched;

	if ((recalled & SMAPS_KNOWN) || !m->shared || !ls->vouch || is_device(m) || is_object(m))
		return recalled;
	vouched = ls->vouch(m->start);
	if (vouched == LAYOUT_NOT_VOUCHED)
		return recalled;
	return SMAPS_KNOWN | SMAPS_SHARED | (vouched == LAYOUT_VOUCHED ? SMAPS_WRITABLE : 0);
}

static int add_line(const struct mapline *m, void *arg)
{
	struct listing *ls = arg;
	unsigned int recalled = recall(ls, m);
	const struct layout_entry e = entry_of(m, recalled);

	ls->layout->open |= is_open(m, ls->hole, recalled);

	return add_around(ls, &e, 0);
}

static bool layout_is_valid(const struct layout *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->entry[i].start >= l->entry[i].end ||
		    (i && l->entry[i].start < l->entry[i - 1].end))
			return false;
	return true;
}

/* The mapping, or what of it begins at *at and is in no gap; *at: the end of what was seen to. */
static int add_outside(struct listing *ls, struct mapline *m, uintptr_t *at)
{
	int r = 0;

	if (m->start < *at) {
		if (m->inode || m->device)
			m->offset += *at - m->start;
		m->start = *at;
	}
	while (ls->gaps && ls->gap->end <= m->start) {
		ls->gap++;
		ls->gaps--;
	}
	*at = m->end;
	if (ls->gaps && ls->gap->start < m->end) {
		m->end = ls->gap->start;
		*at = ls->gap->end;
	}
	if (m->start < m->end)
		r = add_line(m, ls);
	return r;
}

static int ask_each(struct listing *ls)
{
	char *name = scratch_take(ls->scratch, MAPQUERY_NAME);
	int fd = procfile_fd(&maps_file);
	uintptr_t at = 0;
	struct mapline m;
	int r;

	if (!name)
		return -ENOMEM;
	while (!(r = mapquery_next(fd, at, &m, name)))
		if ((r = add_outside(ls, &m, &at)))
			return r;
	return r == -ENOENT ? 0 : r;
}

static int list_all(struct listing *ls)
{
	static bool unanswered;
	int r;

	if (ls->gaps && !unanswered) {
		r = ask_each(ls);
		unanswered = r == -ENOTTY;
		ls->layout->around = !unanswered;
		if (!unanswered)
			return r;
	}
	return each_line(ls->scratch, add_line, ls);
}

int layout_read(struct layout *l, struct scratch *scratch, const struct scratch *also)
{
	return layout_read_around(l, scratch, also, NULL, 0, NULL);
}

int layout_read_around(struct layout *l, struct scratch *scratch, const struct scratch *also,
		       const struct layout_gap *gap, size_t gaps, layout_vouch_fn *vouch)
{
	struct listing ls = {
		.layout = l,
		.scratch = scratch,
		.hole = { scratch, also },
		.gap = gap,
		.gaps = gaps,
		.vouch = vouch,
	};
	int r;

	*l = (struct layout){ 0 };
	ls.accounts = ledger_parts(ls.account);
	r = list_all(&ls);
	if (r)
		return r;
	for (size_t i = 0; i < HOLES; i++)
		if (ls.hole[i] && ls.cut[i] < ls.hole[i]->size)
			return -ESTALE;
	fo_assert_full(layout_is_valid(l));
	for (size_t i = 0; i < l->count; i++)
		l->unknown += l->entry[i].kind == LAYOUT_UNKNOWN;
	return 0;
}

const struct layout_entry *layout_at(const struct layout *l, uintptr_t addr)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->entry[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->count && l->entry[low].start <= addr ? &l->entry[low] : NULL;
}

/* ------------------------------------------------------------------ in a copy */

struct coverage {
	const struct layout *layout;
	size_t at;	 /* the entry that is looked for */
	uintptr_t since; /* from here on; 0: from its start */
};

static bool counts(const struct layout_entry *e)
{
	return (e->kind == LAYOUT_PRIVATE || e->kind == LAYOUT_FILE) &&
	       !e->odd_in_snapshot;
}

/* The next that must be there, or NULL. */
static const struct layout_entry *wanted(struct coverage *c)
{
	const struct layout *l = c->layout;

	while (c->at < l->count && !counts(&l->entry[c->at])) {
		c->at++;
		c->since = 0;
	}
	if (c->at == l->count)
		return NULL;
	if (!c->since)
		c->since = l->entry[c->at].start;
	return &l->entry[c->at];
}

static int cover(const struct mapline *m, unsigned int flags, void *arg)
{
	struct coverage *c = arg;
	const struct layout_entry *e;

	while ((e = wanted(c)) && c->since < m->end) {
		if (m->start > c->since || (flags & SMAPS_UNCOPIED))
			return -ESTALE;
		if (m->end < e->end) {
			c->since = m->end;
			return 0;
		}
		c->at++;
		c->since = 0;
	}
	return 0;
}

int layout_is_copied(const struct layout *l, struct scratch *scratch)
{
	struct coverage c = { .layout = l };
	int r = smaps_each(scratch, cover, &c);

	if (r)
		return r;
	return wanted(&c) ? -ESTALE : 0;
}
