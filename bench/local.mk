# SPDX-License-Identifier: BSD-2-Clause
# The benchmarks, in the order of `make bench`; what they print is one table.

bench_programs = bench/bench_load bench/bench_churn bench/bench_file bench/bench_pause \
	bench/bench_memory bench/bench_sweep bench/bench_adopt
bench_common = bench/bench.c bench/bench.h
bench_libs = libfoster.la $(GC_LIBS) -lm

BENCHES += $(bench_programs)
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

bench_bench_churn_SOURCES = bench/bench_churn.c $(bench_common)
bench_bench_churn_LDADD = $(bench_libs)
bench_bench_load_SOURCES = bench/bench_load.c $(bench_common)
bench_bench_load_LDADD = $(bench_libs)
bench_bench_pause_SOURCES = bench/bench_pause.c $(bench_common)
bench_bench_pause_LDADD = $(bench_libs)
bench_bench_memory_SOURCES = bench/bench_memory.c $(bench_common)
bench_bench_memory_LDADD = $(bench_libs)
bench_bench_file_SOURCES = bench/bench_file.c $(bench_common)
bench_bench_file_LDADD = $(bench_libs)
bench_bench_sweep_SOURCES = bench/bench_sweep.c $(bench_common)
bench_bench_sweep_LDADD = $(bench_libs) -lpthread
bench_bench_adopt_SOURCES = bench/bench_adopt.c $(bench_common)
bench_bench_adopt_LDADD = $(bench_libs)

if HAVE_BPF
bench_programs += bench/bench_typed
if HAVE_BPF_PROGS
bench_programs += bench/bench_ring
endif
endif
bench_bench_typed_SOURCES = bench/bench_typed.c $(bench_common)
bench_bench_typed_LDADD = libfoster-bpf.la $(LIBBPF_LIBS) $(bench_libs)
bench_bench_ring_SOURCES = bench/bench_ring.c $(bench_common)
bench_bench_ring_LDADD = libfoster-bpf.la $(LIBBPF_LIBS) $(bench_libs)
bench/bench_ring.$(OBJEXT): bpf/events.skel.h
