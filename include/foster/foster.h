/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster: memory that no allocator made, with the lifetime of garbage-collected objects.
 *
 * A region is a range of mapped memory that foster keeps mapped while anything that it can see
 * points into it, interior pointers and the pointer just past the end included, and releases
 * after the last pointer is gone.  The pointer is the handle: every call takes any pointer into
 * the region; there is no second object to keep and nothing to free.
 *
 * Where pointers are seen, and where they are not, is listed in foster(7).  In short: in all
 * memory of the process and in the registers of all its threads, at every multiple of 4 bytes.
 * A pointer that is encoded, or that only the kernel or another process holds, needs
 * foster_pin().
 *
 * Conventions, for every function here unless its comment says otherwise
 *
 *   Errors    int functions return 0 or a count, or a negative errno, and set errno to match.
 *             Pointer functions return NULL (foster_mmap(): MAP_FAILED) and set errno.
 *             On failure nothing has changed and no output has been written.
 *   Threads   every function may be called from any thread, known to the collector or not.
 *   Locks     no lock of foster is held when code of yours runs, nor while foster calls the
 *             collector, but for its own start in foster_init().  Functions that may allocate
 *             from the collector say so: such a call may run the finalizers of the host, as any
 *             GC_malloc() does.
 *   Waiting   code of yours that runs on foster's thread (callbacks, and finalizers of the host
 *             when foster collects) must not wait for a thread that the collector does not know
 *             and that maps: that thread may be waiting for foster's.
 *   Signals   async-signal-safe only where the comment says so.
 *   fork      the child has what the parent had, and may use, close and collect it; foster's
 *             thread is not there until it is needed.
 *   Init      the first call initialises foster with default options.
 *
 *   Synchronisation (X: the pair needs no care of yours; o: see the note)
 *
 *                        map  close  munmap  pin  info  disown  collect  fini
 *     map/map_file        X     X      X      X    X      X        X      o1
 *     close, munmap       X     X      X      X    X      o2       X      X
 *     pin, unpin, info    X     X      X      X    X      X        X      X
 *     disown              X     o2     o2     X    X      X        X      X
 *     collect, for_each   X     X      X      X    X      X        X      X
 *
 *     o1  a map that begins while fini runs initialises foster anew
 *     o2  of two that meet at one region, one wins and the other is told -EALREADY or -ENOENT;
 *         you cannot know which, so do not let them meet
 */
#ifndef FOSTER_FOSTER_H
#define FOSTER_FOSTER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FOSTER_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define FOSTER_MUST_USE __attribute__((warn_unused_result))
#define FOSTER_PUBLIC __attribute__((visibility("default")))
#else
#define FOSTER_NONNULL(...)
#define FOSTER_MUST_USE
#define FOSTER_PUBLIC
#endif

#define FOSTER_VERSION_MAJOR 0
#define FOSTER_VERSION_MINOR 1
#define FOSTER_VERSION_PATCH 0

/* ------------------------------------------------------------------ starting and stopping */

/* An option that takes an amount takes this for "none" or "never"; zero means the default. */
#define FOSTER_NEVER UINT_MAX

/*
 * Ways to read the memory of the process while nothing moves (foster(7), "The sweep").  The
 * default takes what is fastest here; the others force one, and nothing is released where it
 * cannot work.
 */
#define FOSTER_SWEEP_DEFAULT 0u
#define FOSTER_SWEEP_PAUSE 1u	 /* all of it while every thread is stopped */
#define FOSTER_SWEEP_TRACKED 2u	 /* before, with write tracking; then only what was written */
#define FOSTER_SWEEP_SNAPSHOT 3u /* from a copy-on-write copy of the process */
/*
 * Not at all: the host promises that it keeps pointers only where the collector looks (stacks and
 * registers of threads that it knows, static data, its own heap), or pins.
 */
#define FOSTER_SWEEP_OFF 4u

/**
 * struct foster_options - knobs of foster_init()
 * @size: sizeof(struct foster_options), set by the caller.
 * @idle_collect_ms: milliseconds that regions may live with no collection before foster asks
 *	for one.  Default 2000; rounds that release nothing double the wait, up to 64 times.
 *	FOSTER_NEVER: foster asks only when much was mapped, memory is short, or you ask.
 * @collect_regions: regions mapped since the last collection that make foster ask for one.
 *	Default 1024, and more when many regions live, or (2048) when small ones come fast.
 * @collect_mib: MiB mapped since the last collection that make foster ask for one.
 *	Default 256, and more when much is mapped.
 * @pool_mib: MiB of released address space that foster keeps for reuse (inaccessible, without
 *	memory behind it).  Default 256; idle moments make it smaller.  FOSTER_NEVER: none.
 * @idle_budget_permille: the share of one processor, in thousandths, that idle collections may
 *	take.  Default 10.
 * @sweep: FOSTER_SWEEP_*: how foster looks for pointers before it releases anything.
 */
struct foster_options {
	size_t size;
	unsigned int idle_collect_ms;
	unsigned int collect_regions;
	unsigned int collect_mib;
	unsigned int pool_mib;
	unsigned int idle_budget_permille;
	unsigned int sweep;
};
#define FOSTER_OPTIONS_INIT { sizeof(struct foster_options), 0, 0, 0, 0, 0, 0 }

/**
 * foster_init - initialise foster
 * @opts: options, or NULL for the defaults.
 *
 * Optional: the first use of foster does it with default options.  A host that uses libgc
 * itself calls GC_INIT() first, and foster_init() from a thread that the collector knows;
 * where libgc is not yet initialised, foster does it.  In a program that does not use libgc,
 * call this in main(), so that the collector knows the main thread: when the first use comes
 * from another thread, the main thread stays unknown until it calls foster_thread_attach().
 *
 * Returns: 0; also when foster is initialised already and @opts is NULL.
 * Errors:
 *   -EALREADY  initialised already, and @opts is not NULL
 *   -EINVAL    opts->size is smaller than any version of the struct, or sweep is not known
 *   -E2BIG     opts->size is larger than this library knows and the rest is not zero
 *   -EPERM     libgc is initialised, but this thread is unknown to it, so that foster cannot
 *              tell whether it is safe to make the collector multi-threaded now
 *   -ENOTSUP   libgc is in leak-finding mode, or was built without disclaim procedures or
 *              interior pointers
 *   -EDEADLK   called from inside the initialisation, by a hook of the host
 *   -ENOMEM, -EAGAIN  no memory or no thread
 * Context: any thread; may allocate from the collector; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_init(const struct foster_options *opts);

/**
 * foster_fini - release what is unreachable and stop foster's thread
 * @timeout_ms: milliseconds to wait in all; negative: without limit.
 *
 * Collects as foster_collect() does, then stops foster's thread and waits for its end.  Regions that are
 * still reachable stay mapped and known; every call on them works; the next call that needs the
 * thread starts it anew.  At exit of the process foster stops its thread by itself.
 *
 * Returns: the number of regions that are still there.
 * Errors:
 *   -EDEADLK    called on foster's own thread, or inside a callback of foster
 *   -ETIMEDOUT  the thread did not stop in time; it goes on, and foster stays initialised
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_fini(int timeout_ms);

/* ---------------------------------------------------------------------------- mapping */

/**
 * foster_mmap - mmap(2), tracked
 * @addr: a hint, ignored: foster chooses the address.
 * @len: bytes, rounded up to pages as mmap(2) does; the region has the rounded length.
 * @prot: as for mmap(2).
 * @flags: as for mmap(2), but for those below.
 * @fd: as for mmap(2); may be closed afterwards.  Not kept.
 * @off: as for mmap(2), a multiple of the page size.
 *
 * The region belongs to nobody: it lives while a pointer into it can be seen, and goes after
 * the last one is gone.  Do not munmap(2) it; foster_munmap() and foster_close() revoke it at
 * once.  With the sweep off, a region mapped by a thread that the collector does not know is
 * pinned until it is closed.
 *
 * Returns: the address, page aligned; MAP_FAILED on error.
 * Errors (errno):
 *   ENOTSUP  MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB or MAP_32BIT;
 *            leak-finding mode
 *   EINVAL   @len is 0, or @off is not a multiple of the page size, or as mmap(2)
 *   EOVERFLOW  @len or @off plus @len does not fit
 *   ENOMEM   no memory, address space or mappings, also after a collection
 *   any other of mmap(2): EACCES, EBADF, ENODEV, EPERM, ...; those of foster_init()
 * Context: any thread; may allocate from the collector and may wait for foster's thread when
 *   regions are made faster than it releases them; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_mmap(void *addr, size_t len, int prot, int flags,
						int fd, off_t off);

/**
 * foster_munmap - revoke pages
 * @addr: the first page; a multiple of the page size.
 * @len: bytes, rounded up to pages.
 *
 * The memory and the file behind the pages are given back at once; the addresses stay reserved
 * and inaccessible (SIGSEGV) until no pointer into their region is left.  The rest of the
 * region stays tracked.  When no accessible page is left this is foster_close().  The range lies
 * in one region.
 *
 * Returns: 0.
 * Errors:
 *   -EINVAL    @len is 0 or @addr is not page aligned
 *   -EOVERFLOW @addr plus @len does not fit
 *   -ENOENT    a page of the range is not of the region at @addr, or there is none
 *   -EALREADY  every page of the range is revoked already
 *   -ENOTSUP, -ESTALE  as foster_close()
 *   -ENOMEM    no mapping left to split a region with
 * Context: any thread; takes foster's lock; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_munmap(void *addr, size_t len);

/* Flags of struct foster_map_opts. */
#define FOSTER_MAP_WRITE 0x1u    /* readable and writable; stores go to the file */
#define FOSTER_MAP_PRIVATE 0x2u  /* stores stay in this process (copy on write) */
#define FOSTER_MAP_POPULATE 0x4u /* read it in now (MAP_POPULATE) */
#define FOSTER_MAP_SURVIVE 0x8u  /* reads zeros, and no SIGBUS, where the file was truncated */

/**
 * typedef foster_damage_fn - told that a surviving region lost bytes
 * @base, @len: the region, as its maker got it.
 * @arg: damage_arg of struct foster_map_opts.
 *
 * Context: once a region, on foster's thread, some time after the access that met the damage,
 *   with no lock held; the region is kept meanwhile.  May call any function of foster but
 *   foster_collect() and foster_fini() (-EDEADLK).
 */
typedef void foster_damage_fn(void *base, size_t len, void *arg);

/**
 * struct foster_map_opts - options of foster_map_file()
 * @size: sizeof(struct foster_map_opts), set by the caller.
 * @offset: where the window begins, in bytes from the start of the file; any value.
 * @length: bytes of the window; 0: up to the end of the file.
 * @flags: FOSTER_MAP_*.  None: a read-only view.  WRITE: opened for reading and writing, shared.
 *	WRITE and PRIVATE: opened for reading only, stores are private.
 * @advice: an advice of madvise(2) for the window: MADV_SEQUENTIAL, MADV_WILLNEED, ...;
 *	0 is MADV_NORMAL.  Only advice that leaves contents and lifetime alone is taken:
 *	MADV_NORMAL, RANDOM, SEQUENTIAL, WILLNEED, COLD, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP,
 *	MERGEABLE, UNMERGEABLE.
 * @on_damage: with FOSTER_MAP_SURVIVE: called when bytes of the region were lost; may be NULL.
 * @damage_arg: for @on_damage.  Foster's copy of it keeps no collector object alive.
 */
struct foster_map_opts {
	size_t size;
	uint64_t offset;
	size_t length;
	unsigned int flags;
	int advice;
	foster_damage_fn *on_damage;
	void *damage_arg;
};
#define FOSTER_MAP_OPTS_INIT { sizeof(struct foster_map_opts), 0, 0, 0, 0, NULL, NULL }

/**
 * foster_map_file - map a file or a window of it
 * @path: the file.
 * @opts: options, or NULL for the whole file, read-only.
 *
 * No descriptor stays open.  The length is in foster_info().  A file that is truncated later
 * kills whoever reads behind its new end (SIGBUS), as with mmap(2) - unless FOSTER_MAP_SURVIVE
 * is set: then each page that is touched there becomes a page of zeros, which is no longer the
 * file's, the region is marked damaged (FOSTER_INFO_DAMAGED), and on_damage is called.  Foster
 * installs a handler for SIGSEGV and SIGBUS then, which hands on what is not its own; a host
 * that installs its own afterwards hands on to it in turn.
 *
 * Returns: the address of the window's first byte (of any alignment, as @offset); NULL on error.
 * Errors (errno):
 *   EINVAL   unknown flags or advice, or a bad opts->size
 *   E2BIG    opts->size is larger than this library knows and the rest is not zero
 *   EISDIR   a directory
 *   ENODEV   a FIFO, a socket, or a device that cannot be mapped
 *   ENODATA  an empty file, or a window of no bytes
 *   ERANGE   the window reaches behind the end of the file
 *   EOVERFLOW  offset plus length does not fit
 *   ENOTSUP  leak-finding mode
 *   any of open(2), mmap(2), madvise(2); those of foster_init()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE FOSTER_NONNULL(1) void *foster_map_file(
	const char *path, const struct foster_map_opts *opts);

/**
 * typedef foster_release_fn - releases adopted memory
 * @addr, @len: what was adopted.  They are values: the memory is no region any more, and the
 *	address keeps nothing.
 * @arg: what foster_adopt() was given.
 *
 * Context: runs exactly once, on foster's thread, with no lock held; may call any function of
 *   foster but foster_collect() and foster_fini() (-EDEADLK).  It may adopt the memory again.
 */
typedef void foster_release_fn(void *addr, size_t len, void *arg);

/**
 * foster_adopt - track memory where it is
 * @addr, @len: any range that is mapped now, of any alignment, down to one byte.
 * @release: called when no pointer into the range is left; NULL: munmap(2), of whole pages.
 * @arg: for @release.  Keeps the region that it points into while this one lives, but no object
 *	of the collector.
 *
 * Nothing is moved or mapped anew.  Several regions may share a page.  Until it is released the
 * memory is foster's to give back: do not free or unmap it.
 *
 * With @release, foster_close() and foster_munmap() are refused; foster_disown() takes the memory
 * back without calling it.
 *
 * Returns: @addr; NULL on error.  The memory stays with the caller on error.
 * Errors (errno):
 *   EINVAL     @addr is NULL; @len is 0; @release is NULL and the range is not whole pages
 *   EOVERFLOW  @addr plus @len does not fit
 *   EFAULT     a part of the range is not mapped
 *   EEXIST     a part of it is of a region, or of a range that foster keeps
 *   EPERM      a part of it is the collector's heap, or the stack of a thread that has called
 *              foster
 *   ENOMEM     no memory
 *   those of foster_init()
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_adopt(void *addr, size_t len,
						 foster_release_fn *release, void *arg);

/* ------------------------------------------------------------------- life of a region */

/**
 * foster_disown - stop tracking; the memory stays mapped and becomes yours
 * @p: any pointer into the region.
 *
 * The inverse of adoption.  Nothing is released now or later, no callback is called; munmap(2),
 * or whatever gives adopted memory back, is yours to call.  Pins are forgotten.  The address
 * range of a region that is an overlay (foster_info()) lies inside the collector's heap; the
 * collector's object under it is kept for the life of the process, so that its addresses are
 * never used for anything else by the collector.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT    @p is in no region
 *   -EALREADY  the region, or a page of it, has been revoked
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_disown(const void *p);

/**
 * foster_close - revoke the region now
 * @p: any pointer into the region.
 *
 * Memory and file are given back before this returns.  The addresses stay reserved and
 * inaccessible until no pointer to them is left: a stale pointer faults (SIGSEGV); it never
 * reads somebody else's data.  Pins keep the addresses reserved.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT    @p is in no region
 *   -EALREADY  the region is revoked already
 *   -ENOTSUP   adopted with a callback: how to revoke it only its maker knows
 *   -ESTALE    what is mapped there is not the region's any more: the host unmapped it; foster
 *              lets go of it and touches nothing
 *   -ENOMEM    the kernel could not change the mapping
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_close(const void *p);

/* State of a region. */
enum foster_state {
	FOSTER_LIVE = 1,      /* mapped and tracked */
	FOSTER_DOUBTED = 2,   /* in doubt; about to be decided */
	FOSTER_REVOKED = 3,   /* closed; addresses reserved, inaccessible */
	FOSTER_RELEASING = 4, /* being released; no call shows it */
	FOSTER_STATE_PAD = 1 << 30,
};

/* What the memory is. */
enum foster_source {
	FOSTER_SOURCE_ANON = 1,
	FOSTER_SOURCE_FILE = 2, /* through foster_mmap() of a descriptor */
	FOSTER_SOURCE_PATH = 3, /* through foster_map_file() */
	FOSTER_SOURCE_BPF_MAP = 4,
	FOSTER_SOURCE_ADOPTED = 5, /* by foster_adopt() */
	FOSTER_SOURCE_PAD = 1 << 30,
};

/* How it is tracked. */
enum foster_tracking {
	FOSTER_TRACK_OVERLAY = 1,  /* laid over an object of the collector */
	FOSTER_TRACK_IN_PLACE = 2, /* where it was mapped or allocated */
	FOSTER_TRACK_PAD = 1 << 30,
};

/* Flags of struct foster_info. */
#define FOSTER_INFO_DAMAGED 0x2u /* survived the truncation of its file: some pages are zeros */
/* Mapped by a thread unknown to the collector, with the sweep off: kept until closed. */
#define FOSTER_INFO_UNSEEN 0x1u

/**
 * struct foster_info - what is known of a region
 * @size: sizeof(struct foster_info), set by the caller.
 * @id: unique in this process, never used again.
 * @base: first byte, as the maker returned it.
 * @len: bytes from @base; for foster_map_file() those of the window, for foster_adopt() what was
 *	adopted, else whole pages.
 * @revoked: bytes of the pages that have been revoked.
 * @state: enum foster_state, of the address asked for: a page revoked by foster_munmap() is
 *	FOSTER_REVOKED while the rest of the region lives.
 * @source: enum foster_source.
 * @tracking: enum foster_tracking.
 * @prot: PROT_* that it was mapped with.
 * @pins: of foster_pin().
 * @flags: FOSTER_INFO_*.
 */
struct foster_info {
	size_t size;
	uint64_t id;
	void *base;
	size_t len;
	size_t revoked;
	unsigned int state;
	unsigned int source;
	unsigned int tracking;
	int prot;
	unsigned int pins;
	unsigned int flags;
};
#define FOSTER_INFO_INIT { sizeof(struct foster_info), 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * foster_info - what is known of the region that a pointer is in
 * @p: any pointer into the region.
 * @info: out; info->size is set by the caller.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT  @p is in no region; the byte just past the end is not in it
 *   -EINVAL  info->size is smaller than any version of the struct
 * Context: any thread; lock-free and async-signal-safe.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(2) int foster_info(const void *p, struct foster_info *info);

/**
 * foster_pin - keep a region whatever is seen
 * @p: any pointer into the region.
 *
 * For pointers that nobody can see: encoded ones, those held only by the kernel or by another
 * process, and those in memory that foster(7) lists as unseen.  Counted.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT     @p is in no region
 *   -ESTALE     the region is revoked
 *   -EOVERFLOW  pinned 16,777,214 times
 * Context: any thread; lock-free and async-signal-safe.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_pin(const void *p);

/**
 * foster_unpin - take back one foster_pin()
 * @p: any pointer into the region.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT  @p is in no region
 *   -EINVAL  the region is not pinned
 * Context: any thread; lock-free and async-signal-safe.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_unpin(const void *p);

/* ------------------------------------------------------------------ collecting, looking */

/**
 * foster_collect - collect, decide, release what is unreachable
 * @timeout_ms: milliseconds to wait; negative: without limit; 0: ask for it, do not wait.
 *
 * Runs as many collections on foster's thread as the decision needs, without regard to budget
 * and back-off, and waits until what was found unreachable is released.
 *
 * Returns: the number of regions released (closed ones whose addresses went count too).
 * Errors:
 *   -EBUSY      the host has disabled collection (GC_disable()), or a thread that the
 *               collector would have to stop blocks the signal for it
 *   -EAGAIN     nothing could be decided, though it was tried several times: a thread could not
 *               be stopped (a debugger has it), memory could not be read, or the chosen way to
 *               sweep does not work here; try again
 *   -EDEADLK    called on foster's own thread or inside a callback of foster
 *   -ENOMEM     no memory for the sweep
 *   -ETIMEDOUT  not done in time; it goes on without you
 *   those of foster_init()
 * Context: any thread; not in a signal handler.  Finalizers of the host may run on foster's
 *   thread.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_collect(int timeout_ms);

/*
 * The counters of struct foster_stats: name, then what is counted.  "now" ones are gauges.
 * X is called with each; print them all with it.
 */
#define FOSTER_STATS_FIELDS(X)                                                     \
	X(regions, "regions live or in doubt now")                                 \
	X(bytes, "bytes of their pages now")                                       \
	X(revoked, "closed regions whose addresses are still reserved now")        \
	X(unseen, "regions now kept because nobody can see what their maker does")  \
	X(pool_ranges, "released ranges kept for reuse now")                       \
	X(pool_bytes, "bytes of address space in them now")                        \
	X(mapped, "regions made")                                                  \
	X(reused, "of these, made in a range of the pool")                         \
	X(released, "regions released after the last pointer was gone")            \
	X(closed, "regions closed")                                                \
	X(disowned, "regions disowned")                                            \
	X(doubted, "times that a region came in doubt")                            \
	X(revived, "of these, a call showed that there was one")                   \
	X(asked, "times that foster collected, once or twice in a row")            \
	X(idle, "of these, because nothing else had happened for long")            \
	X(refused, "collections not begun: disabled, or a thread blocks the collector's signal") \
	X(throttled, "times that a maker of regions waited for foster's thread")   \
	X(retried, "times that a mapping failed for lack of room and was tried again") \
	X(in_place, "regions tracked in place now")                                        \
	X(rounds, "rounds that asked about any region")                                    \
	X(undecided, "of these, that could decide nothing: a thread not stopped, memory not read") \
	X(swept_bytes, "bytes that they read")                                             \
	X(paused_us, "microseconds for which they stopped all threads")                    \
	X(kept, "times that a round found a pointer to a region that it asked about")       \
	X(kept_register, "of these, in a register")                                        \
	X(kept_memory, "in private memory: malloc's, a stack, thread-local, static")       \
	X(kept_shared, "in shared memory")                                                 \
	X(kept_collector, "in an object of the collector")                                 \
	X(kept_region, "in another region, or in the argument of its callback")            \
	X(kept_full, "in more places than there was room to note")                         \
	X(damaged, "regions that survived the truncation of their file, damaged")       \
	X(abandoned, "ranges given up because they could not be released safely")

/**
 * struct foster_stats - counters since the start of the process
 * @size: sizeof(struct foster_stats), set by the caller.
 * The rest: see FOSTER_STATS_FIELDS.
 */
struct foster_stats {
	size_t size;
#define FOSTER_STATS_MEMBER(name, what) uint64_t name;
	FOSTER_STATS_FIELDS(FOSTER_STATS_MEMBER)
#undef FOSTER_STATS_MEMBER
};
#define FOSTER_STATS_ZERO(name, what) , 0
#define FOSTER_STATS_INIT { sizeof(struct foster_stats) FOSTER_STATS_FIELDS(FOSTER_STATS_ZERO) }

/**
 * foster_stats - read the counters
 * @stats: out; stats->size is set by the caller.
 *
 * Each is read at one moment, but not all at the same.
 *
 * Returns: 0.
 * Errors: -EINVAL stats->size is smaller than any version of the struct
 * Context: any thread; lock-free and async-signal-safe.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(1) int foster_stats(struct foster_stats *stats);

/**
 * foster_for_each - visit the regions
 * @fn: called for each; a return value other than 0 ends the visit.
 * @arg: for @fn.
 *
 * A region that is made or goes meanwhile may or may not be visited; none is visited twice.
 * Each is kept while @fn looks at it.  No lock is held: @fn may call any function of foster
 * but foster_collect() and foster_fini() (-EDEADLK).
 *
 * Returns: what @fn returned last; 0 where there was no region.
 * Errors: never fails; a negative value is one of @fn.
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(1) int foster_for_each(
	int (*fn)(const struct foster_info *info, void *arg), void *arg);

/**
 * struct foster_holder - a place that points into a region
 * @size: set by foster to what it filled.
 * @where: the address of the word; NULL in a register.
 * @value: what it holds.
 * @tid: the thread that it belongs to, or 0.
 * @kind: what kind of memory it is.
 */
struct foster_holder {
	size_t size;
	const void *where;
	const void *value;
	pid_t tid;
	unsigned int kind;
};

typedef int foster_holder_fn(const struct foster_holder *holder, void *arg);

/**
 * foster_holders - who points into a region, and from where
 * @p: any pointer into the region.
 * @fn: called for each holder found; a return value other than 0 ends the visit.
 * @arg: for @fn.
 *
 * Not built yet: always fails with -ENOSYS.
 *
 * Returns: what @fn returned last; 0 where there is no holder.
 * Errors: -ENOSYS
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(2) int foster_holders(const void *p, foster_holder_fn *fn,
						   void *arg);

/**
 * foster_copy - copy out of memory that may be gone
 * @dst: where to.
 * @src: where from; any address.
 * @n: bytes.
 *
 * memcpy(3) that does not die: of a page of a truncated file, of a revoked range, of no mapping
 * at all.  A region that survives truncation is not repaired by it.  The first call installs
 * foster's handler for SIGSEGV and SIGBUS (see foster_map_file()).
 *
 * Returns: 0.
 * Errors:
 *   -EFAULT  a byte could not be read, or not be written; @dst may have been written up to there
 *   -EINVAL  @n is more than PTRDIFF_MAX
 *   -ENOMEM  no memory for the handler; the first call only
 * Context: any thread; async-signal-safe after the first call, but not while the collector is in
 *   incremental mode.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_copy(void *dst, const void *src, size_t n);

/**
 * foster_copy_partial - the same, and how far it came
 * @dst, @src, @n: as for foster_copy().
 *
 * Returns: the number of bytes that were copied, from the start; @n when all could be read.
 * Errors:
 *   -EINVAL  @n is more than PTRDIFF_MAX
 *   -ENOMEM  as foster_copy()
 * Context: as foster_copy().
 * Since: 0.1
 */
FOSTER_PUBLIC ssize_t foster_copy_partial(void *dst, const void *src, size_t n);

/* ------------------------------------------------------------------------- threads */

/**
 * foster_thread_attach - make the calling thread known to the collector
 *
 * From then on the collector searches its stack and registers too, and it makes its regions
 * itself, where foster's thread made them before.  With the sweep off this is what lets its
 * regions be released.  Opens the two signals with which libgc stops threads.  A thread that exits while
 * attached is detached by foster.
 *
 * Returns: 0.
 * Errors:
 *   -EALREADY  the collector knows this thread: nothing to do, and do not detach it
 *   -ENOTSUP   the stack of this thread cannot be found
 *   those of foster_init()
 * Context: the calling thread, on its own stack; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_thread_attach(void);

/**
 * foster_thread_detach - take back foster_thread_attach()
 *
 * Returns: 0.
 * Errors: -EINVAL this thread was not attached by foster_thread_attach()
 * Context: the calling thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_thread_detach(void);

/* ---------------------------------------------------- memory that others change meanwhile */

/* A compile-time error unless x is of a size that one load or store moves. */
#define FOSTER_ONE_ACCESS(x) \
	((void)sizeof(char[sizeof(x) == 1 || sizeof(x) == 2 || sizeof(x) == 4 || \
			   sizeof(x) == 8 ? 1 : -1]))

/**
 * FOSTER_READ, FOSTER_WRITE - one access, not hoisted, merged or torn
 * @x: an lvalue of 1, 2, 4 or 8 bytes, naturally aligned, in memory that the kernel, a BPF program
 *	or another process changes: FOSTER_READ(*p), FOSTER_READ(s->count).
 * @v: what to store.
 *
 * They order nothing but themselves (as READ_ONCE() of the Linux kernel).
 *
 * Returns: the value read; the value stored.
 * Errors: never fails.
 * Context: any thread, any signal handler.
 * Since: 0.1
 */
#define FOSTER_READ(x) (FOSTER_ONE_ACCESS(x), *(const volatile __typeof__(x) *)&(x))
#define FOSTER_WRITE(x, v) (FOSTER_ONE_ACCESS(x), *(volatile __typeof__(x) *)&(x) = (v))

#ifdef __cplusplus
}
#endif

#endif /* FOSTER_FOSTER_H */
