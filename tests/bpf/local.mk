# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of libfoster-bpf and of the main job: tests/bpf/test_x has one source and is a line in the
# list.  Where BPF is not permitted, those that need it are skipped one by one.

bpf_test_programs =

if HAVE_BPF
if HAVE_CMOCKA
check_LTLIBRARIES += libtest-bpf.la
libtest_bpf_la_SOURCES = \
	tests/bpf/support_bpf.c tests/bpf/support_bpf.h \
	tests/bpf/support_btf.c tests/bpf/support_btf.h \
	tests/bpf/support_ring.c tests/bpf/support_ring.h

bpf_test_programs += \
	tests/bpf/test_arena \
	tests/bpf/test_bpf_failures \
	tests/bpf/test_bpf_map \
	tests/bpf/test_bpf_refusals \
	tests/bpf/test_btf \
	tests/bpf/test_datasec \
	tests/bpf/test_element \
	tests/bpf/test_globals \
	tests/bpf/test_ring \
	tests/bpf/test_solo \
	tests/bpf/test_variable_bounds \
	tests/bpf/test_variable_layout \
	tests/bpf/test_variable_types
tests_bpf_test_bpf_failures_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags) \
	-Wl,--wrap=bpf_obj_get_info_by_fd -Wl,--wrap=bpf_btf_get_fd_by_id
tests_bpf_test_btf_SOURCES = tests/bpf/test_btf.c tests/fuzz/walk.c tests/fuzz/walk.h

if HAVE_BPF_PROGS
bpf_test_programs += \
	tests/bpf/test_bpf_program \
	tests/bpf/test_object \
	tests/bpf/test_ringbuf \
	tests/bpf/test_skeleton \
	tests/bpf/test_variable_program
tests/bpf/test_bpf_program.$(OBJEXT): bpf/counter.skel.h
tests/bpf/test_object.$(OBJEXT): bpf/counter.skel.h bpf/list.skel.h
tests/bpf/test_ringbuf.$(OBJEXT): bpf/events.skel.h
tests/bpf/test_skeleton.$(OBJEXT): bpf/counter.skel.h bpf/kconfig.skel.h
tests/bpf/test_variable_program.$(OBJEXT): bpf/kinds.skel.h

if HAVE_CXX
bpf_test_programs += tests/bpf/test_variable_cxx
tests_bpf_test_variable_cxx_SOURCES = \
	tests/bpf/test_variable_cxx.c \
	tests/bpf/variable_cxx.cc \
	tests/bpf/variable_cxx.h
tests_bpf_test_variable_cxx_CXXFLAGS = -std=c++17 -Wall -Wextra $(WERROR_CFLAGS)
tests/bpf/test_variable_cxx.$(OBJEXT): bpf/kinds.skel.h
endif
endif
endif
endif

$(bpf_test_programs): LDADD = libtest-bpf.la libtest-support.la libfoster-check.la \
	$(GC_LIBS) $(LIBBPF_LIBS) $(CMOCKA_LIBS)
$(bpf_test_programs): libtest-bpf.la

check_PROGRAMS += $(bpf_test_programs)
TESTS += $(bpf_test_programs) tests/bpf/quickstart-runs
EXTRA_DIST += tests/bpf/quickstart-runs
