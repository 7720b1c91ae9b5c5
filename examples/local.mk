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
if HAVE_BPF_PROGS
examples_quickstart_SOURCES += examples/quickstart_bpf.c
examples_quickstart_LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
examples/quickstart_bpf.$(OBJEXT): bpf/counter.skel.h
else
examples_quickstart_SOURCES += examples/quickstart_nobpf.c
examples_quickstart_LDADD = libfoster.la
endif
# End of the main job.

# One example per verb: what users copy.  examples/run-examples runs them.
example_programs = examples/adopt examples/close examples/disown examples/file examples/map \
	examples/munmap examples/pin examples/stats examples/thread
check_PROGRAMS += $(example_programs)
$(example_programs): LDADD = libfoster.la
$(example_programs): libfoster.la
bpf_example_programs =
if HAVE_BPF
bpf_example_programs += examples/bpf_map examples/variables
else
EXTRA_DIST += examples/bpf_map.c examples/variables.c
endif
if HAVE_BPF_PROGS
bpf_example_programs += examples/list examples/packets examples/ring examples/skeleton \
	examples/switches
examples/list.$(OBJEXT): bpf/list.skel.h
examples/packets.$(OBJEXT): bpf/packets.skel.h
examples/ring.$(OBJEXT): bpf/events.skel.h
examples/skeleton.$(OBJEXT): bpf/counter.skel.h
examples/switches.$(OBJEXT): bpf/switches.skel.h
else
EXTRA_DIST += examples/list.c examples/packets.c examples/ring.c examples/skeleton.c \
	examples/switches.c
endif
check_PROGRAMS += $(bpf_example_programs)
$(bpf_example_programs): LDADD = libfoster-bpf.la libfoster.la $(LIBBPF_LIBS)
$(bpf_example_programs): libfoster-bpf.la libfoster.la
TESTS += examples/run-examples
EXTRA_DIST += examples/run-examples
# End of the examples.
