# Sources of libfoster and libfoster-bpf.  A file belongs to one folder, and a folder may include
# the ones above it in this list only (build-aux/check-layers).

foster_core_sources = \
	lib/base/attributes.h \
	lib/base/check.c lib/base/check.h \
	lib/base/hidden.h \
	lib/base/mutant.c lib/base/mutant.h \
	lib/base/result.h \
	lib/base/stable.c lib/base/stable.h \
	lib/base/sync.c lib/base/sync.h \
	lib/os/companion.c lib/os/companion.h \
	lib/os/copy.h \
	lib/os/descriptor.c lib/os/descriptor.h \
	lib/os/fault.c lib/os/fault.h \
	lib/os/handlers.h \
	lib/os/layout.c lib/os/layout.h \
	lib/os/mapline.c lib/os/mapline.h \
	lib/os/mapquery.c lib/os/mapquery.h \
	lib/os/maps.c lib/os/maps.h \
	lib/os/pagemap.c lib/os/pagemap.h \
	lib/os/pages.c lib/os/pages.h \
	lib/os/peek.c lib/os/peek.h \
	lib/os/procfile.c lib/os/procfile.h \
	lib/os/raw.h \
	lib/os/registers.h \
	lib/os/resident.c lib/os/resident.h \
	lib/os/scratch.c lib/os/scratch.h \
	lib/os/smaps.c lib/os/smaps.h \
	lib/os/snapshot.c lib/os/snapshot.h \
	lib/os/stacks.c lib/os/stacks.h \
	lib/os/stop.c lib/os/stop.h \
	lib/os/tasks.c lib/os/tasks.h \
	lib/os/thread.c lib/os/thread.h \
	lib/os/tracking.c lib/os/tracking.h \
	lib/os/vm.c lib/os/vm.h \
	lib/gc/gc.h \
	lib/track/evidence.c lib/track/evidence.h \
	lib/track/filter.c lib/track/filter.h \
	lib/track/gaps.c lib/track/gaps.h \
	lib/track/look.c lib/track/look.h \
	lib/track/overlay.c lib/track/overlay.h \
	lib/track/pause.c lib/track/pause.h \
	lib/track/reader.c lib/track/reader.h \
	lib/track/scan.c lib/track/scan.h \
	lib/track/suspects.c lib/track/suspects.h \
	lib/track/sweep.c lib/track/sweep.h \
	lib/track/watched.c lib/track/watched.h \
	lib/region/attach.c \
	lib/region/callback.c lib/region/callback.h \
	lib/region/collect.c lib/region/collect.h \
	lib/region/core.c lib/region/core.h \
	lib/region/damage.c lib/region/damage.h \
	lib/region/disown.c \
	lib/region/doubt.c lib/region/doubt.h \
	lib/region/hold.c \
	lib/region/identity.c lib/region/identity.h \
	lib/region/info.c \
	lib/region/inherit.c lib/region/inherit.h \
	lib/region/life.c lib/region/life.h \
	lib/region/lock.c lib/region/lock.h \
	lib/region/objects.c \
	lib/region/pace.c lib/region/pace.h \
	lib/region/pin.c \
	lib/region/place.c lib/region/place.h \
	lib/region/pool.c lib/region/pool.h \
	lib/region/reaper.c lib/region/reaper.h \
	lib/region/region.c lib/region/region.h \
	lib/region/registry.c lib/region/registry.h \
	lib/region/round.c lib/region/round.h \
	lib/region/stats.c lib/region/stats.h \
	lib/region/verdict.c \
	lib/source/adopt.c \
	lib/source/file.c \
	lib/source/mapping.c lib/source/mapping.h \
	lib/source/mmap.c \
	lib/source/private.h \
	lib/guard/copy.c \
	lib/guard/fault.c lib/guard/fault.h \
	lib/guard/revoke.c \
	lib/guard/survive.c lib/guard/survive.h

# One way of copying for a processor whose faulting instruction is known, one for the rest.
if ARCH_X86_64
foster_core_sources += \
	lib/os/copy_x86_64.c lib/os/handlers_x86_64.c lib/os/registers_x86_64.c
else
foster_core_sources += \
	lib/os/copy_generic.c lib/os/handlers_generic.c lib/os/registers_generic.c
endif

foster_boehm_sources = \
	lib/gc/boehm.c \
	lib/gc/event.c lib/gc/event.h \
	lib/gc/headers.c \
	lib/gc/holder.c \
	lib/gc/known.c lib/gc/known.h \
	lib/gc/leak.c lib/gc/leak.h \
	lib/gc/moment.c lib/gc/moment.h \
	lib/gc/rhythm.c lib/gc/rhythm.h \
	lib/gc/sections.c lib/gc/sections.h
foster_null_sources = lib/gc/null.c lib/gc/null.h
foster_bpf_sources = \
	lib/os/barrier.c lib/os/barrier.h \
	lib/bpf/arena.c lib/bpf/arena.h \
	lib/bpf/datasec.c \
	lib/bpf/element.c \
	lib/bpf/globals.c lib/bpf/globals.h \
	lib/bpf/kernel_btf.c lib/bpf/kernel_btf.h \
	lib/bpf/known.c lib/bpf/known.h \
	lib/bpf/map.c lib/bpf/map.h \
	lib/bpf/match.c lib/bpf/match.h \
	lib/bpf/names.c lib/bpf/names.h \
	lib/bpf/nearest.c lib/bpf/nearest.h \
	lib/bpf/object.c lib/bpf/object.h \
	lib/bpf/path.c lib/bpf/path.h \
	lib/bpf/reason.c lib/bpf/reason.h \
	lib/bpf/record.h \
	lib/bpf/ring.c lib/bpf/ring.h lib/bpf/ring_alone.h \
	lib/bpf/ringbuf.c lib/bpf/ringbuf.h \
	lib/bpf/section.c lib/bpf/section.h \
	lib/bpf/shape.c lib/bpf/shape.h \
	lib/bpf/single.c lib/bpf/single.h \
	lib/bpf/skeleton.c \
	lib/bpf/solo.c lib/bpf/solo.h \
	lib/bpf/spelling.c lib/bpf/spelling.h \
	lib/bpf/types.c lib/bpf/types.h \
	lib/bpf/variable.c lib/bpf/variable.h
