# SPDX-License-Identifier: BSD-2-Clause

# The main job: ./quickstart runs it.
noinst_PROGRAMS += examples/quickstart
examples_quickstart_SOURCES = \
	examples/quickstart.c \
	examples/quickstart.h \
	examples/quickstart_elf.c \
	examples/quickstart_look.c \
	examples/quickstart_memfd.c \
	examples/quickstart_report.c
EXTRA_examples_quickstart_SOURCES = examples/quickstart_bpf.c examples/quickstart_nobpf.c
examples_quickstart_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS) $(LIBBPF_CFLAGS)
if HAVE_BPF_PROGS
examples_quickstart_SOURCES += examples/quickstart_bpf.c
examples_quickstart_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples/quickstart-quickstart_bpf.$(OBJEXT): bpf/counter.skel.h
else
examples_quickstart_SOURCES += examples/quickstart_nobpf.c
examples_quickstart_LDADD = libfoster.la
endif
# End of the main job.

# One example per verb: what users copy.  examples/run-examples runs them.
example_programs = examples/adopt examples/close examples/disown examples/file examples/map \
	examples/munmap examples/pin examples/stats examples/thread
check_PROGRAMS += $(example_programs)
examples_adopt_LDADD = libfoster.la
examples_close_LDADD = libfoster.la
examples_disown_LDADD = libfoster.la
examples_file_LDADD = libfoster.la
examples_map_LDADD = libfoster.la
examples_munmap_LDADD = libfoster.la
examples_pin_LDADD = libfoster.la
examples_stats_LDADD = libfoster.la
examples_thread_LDADD = libfoster.la
if HAVE_BPF
check_PROGRAMS += examples/bpf_map examples/variables
else
EXTRA_DIST += examples/bpf_map.c examples/variables.c
endif
examples_bpf_map_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_bpf_map_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples_variables_CPPFLAGS = $(AM_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_variables_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
if HAVE_BPF_PROGS
check_PROGRAMS += examples/list examples/packets examples/ring examples/skeleton \
	examples/switches
examples/list-list.$(OBJEXT): bpf/list.skel.h
examples/packets-packets.$(OBJEXT): bpf/packets.skel.h
examples/ring-ring.$(OBJEXT): bpf/events.skel.h
examples/skeleton-skeleton.$(OBJEXT): bpf/counter.skel.h
examples/switches-switches.$(OBJEXT): bpf/switches.skel.h
else
EXTRA_DIST += examples/list.c examples/packets.c examples/ring.c examples/skeleton.c \
	examples/switches.c
endif
examples_list_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_list_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples_packets_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_packets_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples_ring_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_ring_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples_skeleton_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_skeleton_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples_switches_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS) $(LIBBPF_CFLAGS)
examples_switches_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
TESTS += examples/run-examples
EXTRA_DIST += examples/run-examples
# End of the examples.
