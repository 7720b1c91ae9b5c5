# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of libfoster, a program for each noun: tests/test_x has one source, tests/test_x.c, and is
# a line in one of the lists below.  What several of them share is in libtest-support.

LDADD = libtest-support.la libfoster-check.la $(GC_LIBS) $(CMOCKA_LIBS)

test_runner_sources = \
	tests/support.h \
	tests/support_process.c \
	tests/support_region.c \
	tests/support_run.c

if HAVE_CMOCKA
check_LTLIBRARIES += libtest-support.la
libtest_support_la_SOURCES = \
	$(test_runner_sources) \
	tests/adopting.c tests/adopting.h \
	tests/beside.h \
	tests/crowd.h \
	tests/failing.c tests/failing.h \
	tests/hide.c tests/hide.h \
	tests/hide_find.c \
	tests/hide_keeper.c \
	tests/hide_mover.c tests/hide_mover.h \
	tests/hide_spin.c \
	tests/layout_look.h \
	tests/refuse.h \
	tests/region_states.h \
	tests/stopping.c tests/stopping.h \
	tests/suspecting.h \
	tests/sweep.c tests/sweep.h \
	tests/watched.c tests/watched.h

# With libgc, in the process as it is.
test_programs = \
	tests/test_adopt \
	tests/test_adopt_many \
	tests/test_adopt_release \
	tests/test_close \
	tests/test_collect \
	tests/test_copy \
	tests/test_crowds \
	tests/test_disown \
	tests/test_failures \
	tests/test_failures_adopt \
	tests/test_file \
	tests/test_finalizers \
	tests/test_flat \
	tests/test_fork \
	tests/test_gone \
	tests/test_gaps \
	tests/test_hide_changed \
	tests/test_hide_collector \
	tests/test_hide_memory \
	tests/test_hide_regions \
	tests/test_hide_threads \
	tests/test_host \
	tests/test_info \
	tests/test_init \
	tests/test_leak \
	tests/test_lifetime \
	tests/test_limits \
	tests/test_map \
	tests/test_marking \
	tests/test_moving \
	tests/test_munmap \
	tests/test_pace \
	tests/test_pin \
	tests/test_pool \
	tests/test_reentry \
	tests/test_slot \
	tests/test_stats \
	tests/test_stress \
	tests/test_sweep \
	tests/test_sweep_end \
	tests/test_threads \
	tests/test_unread \
	tests/test_verdict \
	tests/test_witness \
	tests/test_witness_guess \
	tests/test_witness_look \
	tests/test_witness_mappings
# With the null collector.
null_test_programs = \
	tests/test_companion \
	tests/test_evidence \
	tests/test_layout \
	tests/test_layout_learn \
	tests/test_layout_list \
	tests/test_null_api \
	tests/test_pages \
	tests/test_reader \
	tests/test_region_invariants \
	tests/test_region_states \
	tests/test_registry \
	tests/test_registry_pages \
	tests/test_scan \
	tests/test_snapshot \
	tests/test_stable \
	tests/test_stop \
	tests/test_stop_calls \
	tests/test_stop_limits \
	tests/test_stop_signals \
	tests/test_suspects \
	tests/test_tracking \
	tests/test_tracking_end \
	tests/test_tracking_sound
$(null_test_programs): LDADD = libtest-support.la libfoster-null.la $(CMOCKA_LIBS)
$(null_test_programs): libfoster-null.la

# With the null collector and under sanitizers, all in one program for each.
if HAVE_ASAN
test_programs += tests/test_asan
tests_test_asan_SOURCES = \
	$(test_runner_sources) \
	tests/test_evidence.c \
	tests/test_layout_list.c \
	tests/test_null_api.c \
	tests/test_region_invariants.c \
	tests/test_region_states.c \
	tests/test_registry.c \
	tests/test_registry_pages.c \
	tests/test_scan.c \
	tests/test_stable.c \
	tests/test_suspects.c
tests_test_asan_CFLAGS = $(AM_CFLAGS) $(ASAN_CFLAGS)
tests_test_asan_LDADD = libfoster-asan.la $(CMOCKA_LIBS)
endif
if HAVE_TSAN
test_programs += tests/test_tsan
tests_test_tsan_SOURCES = \
	$(test_runner_sources) \
	tests/test_null_api.c \
	tests/test_region_invariants.c \
	tests/test_region_states.c \
	tests/test_registry.c
tests_test_tsan_CFLAGS = $(AM_CFLAGS) $(TSAN_CFLAGS)
tests_test_tsan_LDADD = libfoster-tsan.la $(CMOCKA_LIBS)
endif

# A library that is loaded while the program runs.  libtool makes a shared one only if it is told
# where it would be installed.
check_LTLIBRARIES += tests/hide_library.la
tests_hide_library_la_SOURCES = tests/hide_library.c
tests_hide_library_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-rpath $(abs_builddir)/tests
tests_test_hide_memory_CPPFLAGS = $(AM_CPPFLAGS) \
	-DHIDE_LIBRARY='"$(abs_builddir)/tests/.libs/hide_library.so"'

# These fail the calls of foster: the list and tests/failing.c agree.
failing_ldflags = \
	-Wl,--wrap=mmap -Wl,--wrap=mprotect -Wl,--wrap=madvise -Wl,--wrap=mremap \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=open \
	-Wl,--wrap=ioctl -Wl,--wrap=fcntl -Wl,--wrap=fstat -Wl,--wrap=statx \
	-Wl,--wrap=ftruncate -Wl,--wrap=fopen -Wl,--wrap=memfd_create -Wl,--wrap=pthread_create \
	-Wl,--wrap=pthread_key_create -Wl,--wrap=pthread_setspecific \
	-Wl,--wrap=pthread_atfork -Wl,--wrap=sigaction -Wl,--wrap=GC_generic_malloc \
	-Wl,--wrap=GC_get_stack_base -Wl,--wrap=clone
tests_test_failures_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags)
tests_test_failures_adopt_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags)

check_PROGRAMS += $(test_programs) $(null_test_programs)
TESTS += $(test_programs) $(null_test_programs)

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

# The long forms: of the stress, of pointers that move all the time, and of regions that go.
soak: tests/test_stress$(EXEEXT) tests/test_moving$(EXEEXT) tests/test_gone$(EXEEXT)
	TEST_TELL=1 FOSTER_STRESS_SECONDS=600 ./tests/test_stress$(EXEEXT)
	TEST_TELL=1 FOSTER_SOAK=1 ./tests/test_moving$(EXEEXT) all_the_time
	TEST_TELL=1 FOSTER_SOAK=1 ./tests/test_gone$(EXEEXT)
.PHONY: soak
