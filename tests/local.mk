# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of libfoster, a program for each noun.  Programs of the first list use libgc; those of
# the second use the null collector, and are built under sanitizers too.

test_support_sources = \
	tests/region_states.h \
	tests/support.h \
	tests/support_process.c \
	tests/support_region.c \
	tests/support_run.c

test_cppflags = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS) $(CMOCKA_CFLAGS)
test_libs = libtest-support.la libfoster-check.la $(GC_LIBS) $(CMOCKA_LIBS)
null_libs = libtest-support.la libfoster-null.la $(CMOCKA_LIBS)

if HAVE_CMOCKA
check_LTLIBRARIES += libtest-support.la
libtest_support_la_SOURCES = $(test_support_sources)
libtest_support_la_CPPFLAGS = $(test_cppflags)

core_test_programs = \
	tests/test_adopt \
	tests/test_adopt_many \
	tests/test_adopt_release \
	tests/test_close \
	tests/test_collect \
	tests/test_copy \
	tests/test_crowds \
	tests/test_disown \
	tests/test_file \
	tests/test_finalizers \
	tests/test_flat \
	tests/test_fork \
	tests/test_host \
	tests/test_info \
	tests/test_init \
	tests/test_leak \
	tests/test_lifetime \
	tests/test_limits \
	tests/test_map \
	tests/test_marking \
	tests/test_munmap \
	tests/test_null_api \
	tests/test_pin \
	tests/test_reentry \
	tests/test_region_invariants \
	tests/test_region_states \
	tests/test_registry \
	tests/test_stats \
	tests/test_threads

adopting_sources = tests/adopting.c tests/adopting.h
tests_test_adopt_SOURCES = $(adopting_sources) tests/test_adopt.c
tests_test_adopt_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_adopt_LDADD = $(test_libs)
tests_test_adopt_many_SOURCES = $(adopting_sources) tests/test_adopt_many.c
tests_test_adopt_many_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_adopt_many_LDADD = $(test_libs)
tests_test_adopt_release_SOURCES = $(adopting_sources) tests/test_adopt_release.c
tests_test_adopt_release_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_adopt_release_LDADD = $(test_libs)
tests_test_close_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_close_LDADD = $(test_libs)
tests_test_collect_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_collect_LDADD = $(test_libs)
tests_test_copy_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_copy_LDADD = $(test_libs)
tests_test_crowds_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_crowds_LDADD = $(test_libs)
tests_test_disown_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_disown_LDADD = $(test_libs)
tests_test_file_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_file_LDADD = $(test_libs)
tests_test_finalizers_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_finalizers_LDADD = $(test_libs)
tests_test_flat_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_flat_LDADD = $(test_libs)
tests_test_fork_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_fork_LDADD = $(test_libs)
tests_test_host_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_host_LDADD = $(test_libs)
tests_test_info_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_info_LDADD = $(test_libs)
tests_test_init_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_init_LDADD = $(test_libs)
tests_test_leak_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_leak_LDADD = $(test_libs)
tests_test_lifetime_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_lifetime_LDADD = $(test_libs)
tests_test_limits_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_limits_LDADD = $(test_libs)
tests_test_map_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_map_LDADD = $(test_libs)
tests_test_marking_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_marking_LDADD = $(test_libs)
tests_test_munmap_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_munmap_LDADD = $(test_libs)
tests_test_pin_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_pin_LDADD = $(test_libs)
tests_test_reentry_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_reentry_LDADD = $(test_libs)
tests_test_stats_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_stats_LDADD = $(test_libs)
tests_test_threads_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_threads_LDADD = $(test_libs)

tests_test_null_api_CPPFLAGS = $(test_cppflags)
tests_test_null_api_LDADD = $(null_libs)
tests_test_region_invariants_CPPFLAGS = $(test_cppflags)
tests_test_region_invariants_LDADD = $(null_libs)
tests_test_region_states_CPPFLAGS = $(test_cppflags)
tests_test_region_states_LDADD = $(null_libs)
tests_test_registry_CPPFLAGS = $(test_cppflags)
tests_test_registry_LDADD = $(null_libs)

if HAVE_ASAN
check_LTLIBRARIES += libtest-support-asan.la
libtest_support_asan_la_SOURCES = $(test_support_sources)
libtest_support_asan_la_CPPFLAGS = $(test_cppflags)
libtest_support_asan_la_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
asan_libs = libtest-support-asan.la libfoster-asan.la $(CMOCKA_LIBS)
core_test_programs += \
	tests/test_null_api_asan \
	tests/test_region_invariants_asan \
	tests/test_region_states_asan \
	tests/test_registry_asan
tests_test_null_api_asan_SOURCES = tests/test_null_api.c
tests_test_null_api_asan_CPPFLAGS = $(test_cppflags)
tests_test_null_api_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_null_api_asan_LDADD = $(asan_libs)
tests_test_region_invariants_asan_SOURCES = tests/test_region_invariants.c
tests_test_region_invariants_asan_CPPFLAGS = $(test_cppflags)
tests_test_region_invariants_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_region_invariants_asan_LDADD = $(asan_libs)
tests_test_region_states_asan_SOURCES = tests/test_region_states.c
tests_test_region_states_asan_CPPFLAGS = $(test_cppflags)
tests_test_region_states_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_region_states_asan_LDADD = $(asan_libs)
tests_test_registry_asan_SOURCES = tests/test_registry.c
tests_test_registry_asan_CPPFLAGS = $(test_cppflags)
tests_test_registry_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_registry_asan_LDADD = $(asan_libs)
endif

if HAVE_TSAN
check_LTLIBRARIES += libtest-support-tsan.la
libtest_support_tsan_la_SOURCES = $(test_support_sources)
libtest_support_tsan_la_CPPFLAGS = $(test_cppflags)
libtest_support_tsan_la_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)
tsan_libs = libtest-support-tsan.la libfoster-tsan.la $(CMOCKA_LIBS)
core_test_programs += \
	tests/test_null_api_tsan \
	tests/test_region_invariants_tsan \
	tests/test_region_states_tsan \
	tests/test_registry_tsan
tests_test_null_api_tsan_SOURCES = tests/test_null_api.c
tests_test_null_api_tsan_CPPFLAGS = $(test_cppflags)
tests_test_null_api_tsan_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)
tests_test_null_api_tsan_LDADD = $(tsan_libs)
tests_test_region_invariants_tsan_SOURCES = tests/test_region_invariants.c
tests_test_region_invariants_tsan_CPPFLAGS = $(test_cppflags)
tests_test_region_invariants_tsan_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)
tests_test_region_invariants_tsan_LDADD = $(tsan_libs)
tests_test_region_states_tsan_SOURCES = tests/test_region_states.c
tests_test_region_states_tsan_CPPFLAGS = $(test_cppflags)
tests_test_region_states_tsan_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)
tests_test_region_states_tsan_LDADD = $(tsan_libs)
tests_test_registry_tsan_SOURCES = tests/test_registry.c
tests_test_registry_tsan_CPPFLAGS = $(test_cppflags)
tests_test_registry_tsan_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)
tests_test_registry_tsan_LDADD = $(tsan_libs)
endif

check_PROGRAMS += $(core_test_programs)
TESTS += $(core_test_programs)
endif

# ------------------------------------------------------------------------------- the sweep
#
# Its parts, each alone; then the pointers that are hidden from the whole of it, which also
# takes a library that is loaded while the program runs.

if HAVE_CMOCKA
sweep_test_programs = \
	tests/test_companion \
	tests/test_evidence \
	tests/test_layout \
	tests/test_layout_learn \
	tests/test_layout_list \
	tests/test_pages \
	tests/test_reader \
	tests/test_scan \
	tests/test_snapshot \
	tests/test_stop \
	tests/test_stop_calls \
	tests/test_stop_limits \
	tests/test_stop_signals \
	tests/test_suspects \
	tests/test_sweep \
	tests/test_sweep_end \
	tests/test_tracking \
	tests/test_tracking_end \
	tests/test_tracking_sound \
	tests/test_verdict

tests_test_companion_CPPFLAGS = $(test_cppflags)
tests_test_companion_LDADD = $(null_libs)
tests_test_evidence_CPPFLAGS = $(test_cppflags)
tests_test_evidence_LDADD = $(null_libs)
tests_test_layout_SOURCES = tests/layout_look.h tests/test_layout.c
tests_test_layout_CPPFLAGS = $(test_cppflags)
tests_test_layout_LDADD = $(null_libs)
tests_test_layout_learn_SOURCES = tests/layout_look.h tests/test_layout_learn.c
tests_test_layout_learn_CPPFLAGS = $(test_cppflags)
tests_test_layout_learn_LDADD = $(null_libs)
tests_test_layout_list_SOURCES = tests/layout_look.h tests/test_layout_list.c
tests_test_layout_list_CPPFLAGS = $(test_cppflags)
tests_test_layout_list_LDADD = $(null_libs)
tests_test_pages_SOURCES = tests/refuse.h tests/test_pages.c
tests_test_pages_CPPFLAGS = $(test_cppflags)
tests_test_pages_LDADD = $(null_libs)
tests_test_reader_SOURCES = tests/layout_look.h tests/test_reader.c
tests_test_reader_CPPFLAGS = $(test_cppflags)
tests_test_reader_LDADD = $(null_libs)
tests_test_scan_CPPFLAGS = $(test_cppflags)
tests_test_scan_LDADD = $(null_libs)
tests_test_snapshot_CPPFLAGS = $(test_cppflags)
tests_test_snapshot_LDADD = $(null_libs)
tests_test_stop_SOURCES =  \
	tests/stopping.c \
	tests/stopping.h \
	tests/test_stop.c
tests_test_stop_CPPFLAGS = $(test_cppflags)
tests_test_stop_LDADD = $(null_libs)
tests_test_stop_calls_SOURCES =  \
	tests/stopping.c \
	tests/stopping.h \
	tests/test_stop_calls.c
tests_test_stop_calls_CPPFLAGS = $(test_cppflags)
tests_test_stop_calls_LDADD = $(null_libs)
tests_test_stop_limits_SOURCES =  \
	tests/stopping.c \
	tests/stopping.h \
	tests/test_stop_limits.c
tests_test_stop_limits_CPPFLAGS = $(test_cppflags)
tests_test_stop_limits_LDADD = $(null_libs)
tests_test_stop_signals_SOURCES =  \
	tests/stopping.c \
	tests/stopping.h \
	tests/test_stop_signals.c
tests_test_stop_signals_CPPFLAGS = $(test_cppflags)
tests_test_stop_signals_LDADD = $(null_libs)
tests_test_suspects_CPPFLAGS = $(test_cppflags)
tests_test_suspects_LDADD = $(null_libs)
tests_test_sweep_end_SOURCES = $(adopting_sources) tests/test_sweep_end.c
tests_test_sweep_end_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_sweep_end_LDADD = $(test_libs)
tests_test_sweep_SOURCES = $(adopting_sources) tests/refuse.h tests/test_sweep.c
tests_test_sweep_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_sweep_LDADD = $(test_libs)
tests_test_verdict_SOURCES = $(adopting_sources) tests/test_verdict.c
tests_test_verdict_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_verdict_LDADD = $(test_libs)
tests_test_tracking_SOURCES =  \
	tests/watched.c \
	tests/watched.h \
	tests/test_tracking.c
tests_test_tracking_CPPFLAGS = $(test_cppflags)
tests_test_tracking_LDADD = $(null_libs)
tests_test_tracking_end_SOURCES =  \
	tests/watched.c \
	tests/watched.h \
	tests/refuse.h \
	tests/test_tracking_end.c
tests_test_tracking_end_CPPFLAGS = $(test_cppflags)
tests_test_tracking_end_LDADD = $(null_libs)
tests_test_tracking_sound_SOURCES =  \
	tests/watched.c \
	tests/watched.h \
	tests/test_tracking_sound.c
tests_test_tracking_sound_CPPFLAGS = $(test_cppflags)
tests_test_tracking_sound_LDADD = $(null_libs)

if HAVE_ASAN
sweep_test_programs += \
	tests/test_evidence_asan \
	tests/test_layout_list_asan \
	tests/test_scan_asan \
	tests/test_suspects_asan
tests_test_evidence_asan_SOURCES = tests/test_evidence.c
tests_test_evidence_asan_CPPFLAGS = $(test_cppflags)
tests_test_evidence_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_evidence_asan_LDADD = $(asan_libs)
tests_test_layout_list_asan_SOURCES = tests/layout_look.h tests/test_layout_list.c
tests_test_layout_list_asan_CPPFLAGS = $(test_cppflags)
tests_test_layout_list_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_layout_list_asan_LDADD = $(asan_libs)
tests_test_scan_asan_SOURCES = tests/test_scan.c
tests_test_scan_asan_CPPFLAGS = $(test_cppflags)
tests_test_scan_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_scan_asan_LDADD = $(asan_libs)
tests_test_suspects_asan_SOURCES = tests/test_suspects.c
tests_test_suspects_asan_CPPFLAGS = $(test_cppflags)
tests_test_suspects_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_suspects_asan_LDADD = $(asan_libs)
endif

check_LTLIBRARIES += libtest-hide.la tests/hide_library.la
libtest_hide_la_SOURCES = \
	tests/hide.c tests/hide.h \
	tests/hide_find.c \
	tests/hide_keeper.c \
	tests/hide_spin.c
libtest_hide_la_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
# libtool makes a shared library of it only if it is told where it would be installed.
tests_hide_library_la_SOURCES = tests/hide_library.c
tests_hide_library_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-rpath $(abs_builddir)/tests
hide_cppflags = $(test_cppflags) $(GC_CFLAGS) \
	-DHIDE_LIBRARY='"$(abs_builddir)/tests/.libs/hide_library.so"'
hide_libs = libtest-hide.la $(test_libs)

sweep_test_programs += \
	tests/test_gaps \
	tests/test_hide_collector \
	tests/test_hide_memory \
	tests/test_hide_regions \
	tests/test_hide_threads \
	tests/test_moving
tests_test_gaps_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_gaps_LDADD = $(test_libs)
tests_test_hide_collector_CPPFLAGS = $(hide_cppflags)
tests_test_hide_collector_LDADD = $(hide_libs)
tests_test_hide_memory_CPPFLAGS = $(hide_cppflags)
tests_test_hide_memory_LDADD = $(hide_libs)
tests_test_hide_regions_CPPFLAGS = $(hide_cppflags)
tests_test_hide_regions_LDADD = $(hide_libs)
tests_test_hide_threads_CPPFLAGS = $(hide_cppflags)
tests_test_hide_threads_LDADD = $(hide_libs)
tests_test_moving_SOURCES =  \
	tests/hide_mover.c \
	tests/hide_mover.h \
	tests/test_moving.c
tests_test_moving_CPPFLAGS = $(hide_cppflags)
tests_test_moving_LDADD = $(hide_libs)

check_PROGRAMS += $(sweep_test_programs)
TESTS += $(sweep_test_programs)

# Without one of its steps the sweep does wrong, and a test says so.
TESTS += tests/run-mutants
endif
EXTRA_DIST += tests/run-mutants

# The models say why it is sound.
TESTS += tests/run-models
EXTRA_DIST += \
	tests/run-models \
	doc/model/README.md \
	doc/model/snapshot.pml \
	doc/model/sweep.pml \
	doc/model/verdict.pml \
	doc/model/world.pml

# ------------------------------------------------------------------- failures and stress
#
# test_failures counts and fails the calls that foster makes of these functions: the list and
# tests/failing.c agree.

failing_ldflags = \
	-Wl,--wrap=mmap -Wl,--wrap=mprotect -Wl,--wrap=madvise -Wl,--wrap=mremap \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=open \
	-Wl,--wrap=ioctl -Wl,--wrap=fcntl -Wl,--wrap=fstat -Wl,--wrap=ftruncate \
	-Wl,--wrap=fopen -Wl,--wrap=memfd_create -Wl,--wrap=pthread_create \
	-Wl,--wrap=pthread_key_create -Wl,--wrap=pthread_setspecific \
	-Wl,--wrap=pthread_atfork -Wl,--wrap=sigaction -Wl,--wrap=GC_generic_malloc \
	-Wl,--wrap=GC_get_stack_base -Wl,--wrap=clone

if HAVE_CMOCKA
check_PROGRAMS += tests/test_failures tests/test_failures_adopt tests/test_stress
TESTS += tests/test_failures tests/test_failures_adopt tests/test_stress

tests_test_failures_SOURCES = \
	tests/failing.c tests/failing.h \
	tests/sweep.c tests/sweep.h \
	tests/test_failures.c
tests_test_failures_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_failures_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags)
tests_test_failures_LDADD = $(test_libs)
tests_test_failures_adopt_SOURCES = \
	tests/failing.c tests/failing.h \
	tests/sweep.c tests/sweep.h \
	tests/test_failures_adopt.c
tests_test_failures_adopt_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_failures_adopt_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags)
tests_test_failures_adopt_LDADD = $(test_libs)
tests_test_stress_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_stress_LDADD = $(test_libs)
endif

# The long forms of the stress, and of pointers that move all the time.
soak: tests/test_stress$(EXEEXT) tests/test_moving$(EXEEXT)
	FOSTER_STRESS_SECONDS=600 ./tests/test_stress$(EXEEXT)
	FOSTER_SOAK=1 ./tests/test_moving$(EXEEXT) all_the_time
.PHONY: soak
