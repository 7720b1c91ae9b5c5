# Sources of libfoster and libfoster-bpf.  A file belongs to one folder, and a folder may include
# the ones above it in this list only (build-aux/check-layers).  Of a pair, a noun, the .c file is
# listed, and the header beside it comes along.

core_pairs = \
	lib/base/check.c lib/base/mutant.c lib/base/stable.c lib/base/sync.c \
	lib/os/companion.c lib/os/descriptor.c lib/os/fault.c lib/os/inode.c \
	lib/os/layout.c lib/os/ledger.c \
	lib/os/mapline.c lib/os/mapquery.c lib/os/maps.c lib/os/pagemap.c \
	lib/os/pages.c lib/os/peek.c lib/os/procfile.c lib/os/resident.c \
	lib/os/scratch.c lib/os/smaps.c lib/os/snapshot.c lib/os/stacks.c \
	lib/os/stop.c lib/os/swap.c lib/os/tasks.c lib/os/thread.c lib/os/tracking.c \
	lib/os/vm.c \
	lib/track/evidence.c lib/track/filter.c lib/track/gaps.c lib/track/look.c \
	lib/track/overlay.c lib/track/pause.c lib/track/reader.c lib/track/scan.c \
	lib/track/sleepers.c lib/track/suspects.c lib/track/swapped.c lib/track/sweep.c \
	lib/track/watched.c lib/track/witness.c \
	lib/region/account.c lib/region/callback.c lib/region/collect.c lib/region/core.c \
	lib/region/damage.c lib/region/doubt.c lib/region/identity.c \
	lib/region/inherit.c lib/region/life.c lib/region/lock.c lib/region/pace.c \
	lib/region/place.c lib/region/pool.c lib/region/reaper.c lib/region/region.c \
	lib/region/registry.c lib/region/round.c lib/region/stats.c lib/region/witnessed.c \
	lib/source/mapping.c \
	lib/guard/fault.c lib/guard/survive.c
foster_core_sources = $(core_pairs) $(core_pairs:.c=.h) \
	lib/base/attributes.h lib/base/hidden.h lib/base/result.h \
	lib/os/copy.h lib/os/handlers.h lib/os/raw.h lib/os/registers.h \
	lib/gc/gc.h \
	lib/region/attach.c lib/region/disown.c lib/region/hold.c lib/region/info.c \
	lib/region/objects.c lib/region/pin.c lib/region/release.c lib/region/verdict.c \
	lib/source/adopt.c lib/source/file.c lib/source/mmap.c lib/source/private.h \
	lib/guard/copy.c lib/guard/revoke.c

# One way of copying for a processor whose faulting instruction is known, one for the rest.
if ARCH_X86_64
foster_core_sources += \
	lib/os/copy_x86_64.c lib/os/handlers_x86_64.c lib/os/registers_x86_64.c
else
foster_core_sources += \
	lib/os/copy_generic.c lib/os/handlers_generic.c lib/os/registers_generic.c
endif

boehm_pairs = \
	lib/gc/event.c lib/gc/known.c lib/gc/leak.c lib/gc/moment.c lib/gc/rhythm.c \
	lib/gc/sections.c
foster_boehm_sources = $(boehm_pairs) $(boehm_pairs:.c=.h) \
	lib/gc/boehm.c lib/gc/headers.c lib/gc/holder.c
foster_null_sources = lib/gc/null.c lib/gc/null.h
bpf_pairs = \
	lib/os/barrier.c \
	lib/bpf/arena.c lib/bpf/globals.c lib/bpf/kernel_btf.c lib/bpf/known.c \
	lib/bpf/map.c lib/bpf/match.c lib/bpf/names.c lib/bpf/nearest.c \
	lib/bpf/object.c lib/bpf/path.c lib/bpf/reason.c lib/bpf/ring.c \
	lib/bpf/ringbuf.c lib/bpf/section.c lib/bpf/shape.c lib/bpf/single.c \
	lib/bpf/solo.c lib/bpf/spelling.c lib/bpf/types.c lib/bpf/variable.c
foster_bpf_sources = $(bpf_pairs) $(bpf_pairs:.c=.h) \
	lib/bpf/record.h lib/bpf/ring_alone.h \
	lib/bpf/datasec.c lib/bpf/element.c lib/bpf/skeleton.c
