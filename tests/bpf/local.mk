# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of libfoster-bpf and of the main job.  Where BPF is not permitted, those that
# need it are skipped one by one.

bpf_test_cppflags = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS) $(LIBBPF_CFLAGS) $(CMOCKA_CFLAGS)
bpf_skel_cppflags = $(bpf_test_cppflags) $(BPF_SKEL_CPPFLAGS)
bpf_test_libs = libtest-bpf.la libfoster-check.la $(LIBBPF_LIBS) $(CMOCKA_LIBS)
bpf_test_programs =

if HAVE_BPF
if HAVE_CMOCKA
check_LTLIBRARIES += libtest-bpf.la
libtest_bpf_la_SOURCES = \
	tests/support.h \
	tests/support_process.c \
	tests/support_region.c \
	tests/support_run.c \
	tests/bpf/support_bpf.c \
	tests/bpf/support_bpf.h \
	tests/bpf/support_btf.c \
	tests/bpf/support_btf.h \
	tests/bpf/support_ring.c \
	tests/bpf/support_ring.h
libtest_bpf_la_CPPFLAGS = $(bpf_test_cppflags)

bpf_test_programs += tests/bpf/test_arena
tests_bpf_test_arena_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_arena_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_bpf_map
tests_bpf_test_bpf_map_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_bpf_map_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_bpf_refusals
tests_bpf_test_bpf_refusals_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_bpf_refusals_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_bpf_failures
tests_bpf_test_bpf_failures_SOURCES = \
	tests/bpf/test_bpf_failures.c \
	tests/failing.c tests/failing.h \
	tests/sweep.c tests/sweep.h
tests_bpf_test_bpf_failures_CPPFLAGS = $(bpf_test_cppflags) $(GC_CFLAGS)
tests_bpf_test_bpf_failures_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags) \
	-Wl,--wrap=bpf_obj_get_info_by_fd -Wl,--wrap=bpf_btf_get_fd_by_id
tests_bpf_test_bpf_failures_LDADD = $(bpf_test_libs) $(GC_LIBS)

bpf_test_programs += tests/bpf/test_btf
tests_bpf_test_btf_SOURCES = tests/bpf/test_btf.c tests/fuzz/walk.c tests/fuzz/walk.h
tests_bpf_test_btf_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_btf_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_datasec
tests_bpf_test_datasec_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_datasec_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_element
tests_bpf_test_element_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_element_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_globals
tests_bpf_test_globals_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_globals_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_ring
tests_bpf_test_ring_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_ring_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_solo
tests_bpf_test_solo_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_solo_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_variable_bounds
tests_bpf_test_variable_bounds_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_variable_bounds_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_variable_layout
tests_bpf_test_variable_layout_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_variable_layout_LDADD = $(bpf_test_libs)

bpf_test_programs += tests/bpf/test_variable_types
tests_bpf_test_variable_types_CPPFLAGS = $(bpf_test_cppflags)
tests_bpf_test_variable_types_LDADD = $(bpf_test_libs)

if HAVE_BPF_PROGS
bpf_test_programs += tests/bpf/test_bpf_program
tests_bpf_test_bpf_program_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_bpf_program_LDADD = $(bpf_test_libs)
tests/bpf/test_bpf_program-test_bpf_program.$(OBJEXT): bpf/counter.skel.h

bpf_test_programs += tests/bpf/test_object
tests_bpf_test_object_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_object_LDADD = $(bpf_test_libs)
tests/bpf/test_object-test_object.$(OBJEXT): bpf/counter.skel.h bpf/list.skel.h

bpf_test_programs += tests/bpf/test_ringbuf
tests_bpf_test_ringbuf_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_ringbuf_LDADD = $(bpf_test_libs)
tests/bpf/test_ringbuf-test_ringbuf.$(OBJEXT): bpf/events.skel.h

bpf_test_programs += tests/bpf/test_skeleton
tests_bpf_test_skeleton_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_skeleton_LDADD = $(bpf_test_libs)
tests/bpf/test_skeleton-test_skeleton.$(OBJEXT): bpf/counter.skel.h bpf/kconfig.skel.h

bpf_test_programs += tests/bpf/test_variable_program
tests_bpf_test_variable_program_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_variable_program_LDADD = $(bpf_test_libs)
tests/bpf/test_variable_program-test_variable_program.$(OBJEXT): bpf/kinds.skel.h

if HAVE_CXX
bpf_test_programs += tests/bpf/test_variable_cxx
tests_bpf_test_variable_cxx_SOURCES = \
	tests/bpf/test_variable_cxx.c \
	tests/bpf/variable_cxx.cc \
	tests/bpf/variable_cxx.h
tests_bpf_test_variable_cxx_CPPFLAGS = $(bpf_skel_cppflags)
tests_bpf_test_variable_cxx_CXXFLAGS = -std=c++17 -Wall -Wextra $(WERROR_CFLAGS)
tests_bpf_test_variable_cxx_LDADD = $(bpf_test_libs)
tests/bpf/test_variable_cxx-test_variable_cxx.$(OBJEXT): bpf/kinds.skel.h
endif
endif
endif
endif

check_PROGRAMS += $(bpf_test_programs)
TESTS += $(bpf_test_programs) tests/bpf/quickstart-runs
EXTRA_DIST += tests/bpf/quickstart-runs
