/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions made, remembered and forgotten by tests: see support.h. */
#include "support.h"

/* ------------------------------------------------------------------------- forgetting */

#if defined(__x86_64__)
/*
 * The registers that a function may leave behind.  The vector ones too: a thread that is
 * stopped by a signal has them all on its stack, and memcpy() moves pointers through
 * them.
 */
static NOINLINE void forget_vectors_512(void)
{
	__asm__ volatile(
		"vpxorq %%zmm16, %%zmm16, %%zmm16\n\tvpxorq %%zmm17, %%zmm17, %%zmm17\n\t"
		"vpxorq %%zmm18, %%zmm18, %%zmm18\n\tvpxorq %%zmm19, %%zmm19, %%zmm19\n\t"
		"vpxorq %%zmm20, %%zmm20, %%zmm20\n\tvpxorq %%zmm21, %%zmm21, %%zmm21\n\t"
		"vpxorq %%zmm22, %%zmm22, %%zmm22\n\tvpxorq %%zmm23, %%zmm23, %%zmm23\n\t"
		"vpxorq %%zmm24, %%zmm24, %%zmm24\n\tvpxorq %%zmm25, %%zmm25, %%zmm25\n\t"
		"vpxorq %%zmm26, %%zmm26, %%zmm26\n\tvpxorq %%zmm27, %%zmm27, %%zmm27\n\t"
		"vpxorq %%zmm28, %%zmm28, %%zmm28\n\tvpxorq %%zmm29, %%zmm29, %%zmm29\n\t"
		"vpxorq %%zmm30, %%zmm30, %%zmm30\n\tvpxorq %%zmm31, %%zmm31, %%zmm31" ::
			: "memory");
}

static NOINLINE void forget_registers(void)
{
	if (__builtin_cpu_supports("avx512f"))
		forget_vectors_512();
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: "memory");
	__asm__ volatile(
		"pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
		"pxor %%xmm3, %%xmm3\n\tpxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
		"pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm8, %%xmm8\n\t"
		"pxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\t"
		"pxor %%xmm11, %%xmm11\n\tpxor %%xmm12, %%xmm12\n\t"
		"pxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\t"
		"pxor %%xmm15, %%xmm15\n\t"
		"xorl %%eax, %%eax\n\txorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\t"
		"xorl %%esi, %%esi\n\txorl %%edi, %%edi\n\txorl %%r8d, %%r8d\n\t"
		"xorl %%r9d, %%r9d\n\txorl %%r10d, %%r10d\n\txorl %%r11d, %%r11d" ::
			: "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
			  "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			  "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
			  "xmm14", "xmm15");
}
#else
static NOINLINE void forget_registers(void)
{
	__asm__ volatile("" ::: "memory");
}
#endif

#define FORGET_BYTES (64 * 1024)

static NOINLINE void forget_stack(void)
{
	char dead[FORGET_BYTES];

	memset(dead, 0, sizeof(dead));
	__asm__ volatile("" ::"r"(dead) : "memory");
}

void forget(void)
{
	forget_stack();
	forget_registers();
}

/* ------------------------------------------------------------------------------ marks */

NOINLINE struct mark mark_of(const void *p)
{
	struct foster_info info = FOSTER_INFO_INIT;
	struct maps_line line;
	struct mark mark;

	assert_int_equal(foster_info(p, &info), 0);
	mark = (struct mark){ hidden_of(info.base), info.len, info.id, 0 };
	if (maps_line_of(mark.base, &line))
		mark.inode = line.inode;
	memset(&info, 0, sizeof(info));
	return mark;
}

struct foster_info info_of(const void *p)
{
	struct foster_info info = FOSTER_INFO_INIT;

	assert_int_equal(foster_info(p, &info), 0);
	return info;
}

NOINLINE struct foster_info mark_info(const struct mark *mark)
{
	struct foster_info info = FOSTER_INFO_INIT;

	if (foster_info(hidden_show(mark->base), &info) || info.id != mark->id)
		memset(&info, 0, sizeof(info));
	info.base = NULL; /* not a pointer for the caller's stack */
	return info;
}

bool mark_is_tracked(const struct mark *mark)
{
	return mark_info(mark).id == mark->id;
}

bool mark_is_mapped(const struct mark *mark)
{
	struct maps_line line;

	if (!maps_line_of(mark->base, &line))
		return false;
	return line.inode == mark->inode && (mark->inode || line.perms[0] == 'r');
}

bool mark_is_readable(const struct mark *mark)
{
	struct maps_line line;

	return maps_line_of(mark->base, &line) && line.perms[0] == 'r';
}

NOINLINE bool mark_pattern_holds(const struct mark *mark)
{
	return pattern_holds(hidden_show(mark->base), mark->len, 0);
}

/* ----------------------------------------------------------------------------- makers */

void *place_in(void *base, size_t len, enum place place)
{
	const size_t offset[] = { 0, len / 2 + 3, len - 1, len };

	return (char *)base + offset[place];
}

NOINLINE struct mark make_memfd_region(void *volatile *slot, size_t pages,
				       enum place place)
{
	const size_t len = pages * page_size();
	const int fd = pattern_memfd(len, 0);
	void *base = foster_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct mark mark;

	assert_ptr_not_equal(base, MAP_FAILED);
	assert_int_equal(close(fd), 0);
	mark = mark_of(base);
	*slot = place_in(base, len, place);
	return mark;
}

NOINLINE struct mark make_anon_region(void *volatile *slot, size_t pages,
				      enum place place)
{
	const size_t len = pages * page_size();
	void *base = foster_mmap(NULL, len, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mark mark;

	assert_ptr_not_equal(base, MAP_FAILED);
	pattern_fill(base, len);
	mark = mark_of(base);
	*slot = place_in(base, len, place);
	return mark;
}

char *map_pages(size_t pages)
{
	char *p = foster_mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

char *map_patterned_pages(size_t pages)
{
	char *p = map_pages(pages);

	pattern_fill(p, pages * page_size());
	return p;
}

NOINLINE struct mark make_dropped(size_t pages)
{
	void *volatile slot;
	struct mark mark = make_memfd_region(&slot, pages, AT_BASE);

	slot = NULL;
	return mark;
}

/* ------------------------------------------------------------------------- collecting */

/*
 * libgc keeps the address just past the newest piece of its heap in a static variable,
 * where it then finds it: the region that begins there stays until the heap grows twice.
 * (Its own fault, and one region only.)  Weak: the null collector has no such thing.
 */
extern int GC_expand_hp(size_t bytes) __attribute__((weak));

static void nudge_heap(void)
{
	for (int i = 0; i < 2 && GC_expand_hp; i++)
		assert_true(GC_expand_hp(1 << 16));
}

bool collecting_until(bool (*fn)(void *), void *arg, int rounds)
{
	for (int i = 0; i < 2 * rounds; i++) {
		if (i >= rounds) /* the hole that it fills may end where a region's object begins, too */
			nudge_heap();
		collect_times(1);
		if (fn(arg))
			return true;
	}
	return false;
}

static bool is_unknown(void *mark)
{
	return !mark_is_tracked(mark);
}

bool goes_within(struct mark *mark, int rounds)
{
	if (!collecting_until(is_unknown, mark, rounds))
		return false;
	return !mark->inode || !maps_count_inode(mark->inode);
}

void collect_times(int times)
{
	while (times-- > 0) {
		forget();
		assert_true(foster_collect(20000) >= 0);
	}
}

void check_stay(void *(*fn)(void *))
{
	struct stay stay = { 0 };
	pthread_t thread;

	assert_int_equal(foster_init(NULL), 0);
	thread = thread_begin(fn, &stay);
	moment_await(&stay.made);
	assert_int_equal(mark_info(&stay.mark).flags, 0);
	assert_stays(&stay.mark);
	assert_true(mark_pattern_holds(&stay.mark));
	moment_announce(&stay.drop);
	moment_await(&stay.dropped);
	assert_goes(&stay.mark);
	moment_announce(&stay.end);
	thread_end(thread);
}

struct foster_stats stats_now(void)
{
	struct foster_stats stats = { .size = sizeof(stats) };

	assert_int_equal(foster_stats(&stats), 0);
	return stats;
}

void init_without_sweep(void)
{
	struct foster_options options = FOSTER_OPTIONS_INIT;

	options.sweep = FOSTER_SWEEP_OFF;
	assert_int_equal(foster_init(&options), 0);
}
