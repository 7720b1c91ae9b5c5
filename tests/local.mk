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
	tests/test_close \
	tests/test_collect \
	tests/test_copy \
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

tests_test_close_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_close_LDADD = $(test_libs)
tests_test_collect_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_collect_LDADD = $(test_libs)
tests_test_copy_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_copy_LDADD = $(test_libs)
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
	-Wl,--wrap=GC_get_stack_base

if HAVE_CMOCKA
check_PROGRAMS += tests/test_failures tests/test_stress
TESTS += tests/test_failures tests/test_stress

tests_test_failures_SOURCES = \
	tests/failing.c tests/failing.h \
	tests/sweep.c tests/sweep.h \
	tests/test_failures.c
tests_test_failures_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_failures_LDFLAGS = $(AM_LDFLAGS) $(failing_ldflags)
tests_test_failures_LDADD = $(test_libs)
tests_test_stress_CPPFLAGS = $(test_cppflags) $(GC_CFLAGS)
tests_test_stress_LDADD = $(test_libs)
endif

# The long form of the stress.
soak: tests/test_stress$(EXEEXT)
	FOSTER_STRESS_SECONDS=600 ./tests/test_stress$(EXEEXT)
.PHONY: soak
