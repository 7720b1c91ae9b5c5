# SPDX-License-Identifier: BSD-2-Clause
#
# BPF programs: bpf/x.bpf.c becomes the object bpf/x.bpf.o and the skeleton bpf/x.skel.h
# in the build folder.  Programs that include a skeleton or a header of bpf/ have
# x_CPPFLAGS = $(AM_CPPFLAGS) $(BPF_SKEL_CPPFLAGS).

EXTRA_DIST += \
	bpf/counter.bpf.c bpf/counter.h \
	bpf/kinds.bpf.c bpf/kinds.h \
	bpf/packets.bpf.c bpf/packets.h \
	bpf/events.bpf.c bpf/events.h \
	bpf/kconfig.bpf.c \
	bpf/list.bpf.c bpf/list.h \
	bpf/switches.bpf.c bpf/switches.h

BPF_SKEL_CPPFLAGS = -I$(builddir)/bpf -I$(srcdir)/bpf

if HAVE_BPF_PROGS
bpf_skeletons = bpf/counter.skel.h bpf/kinds.skel.h bpf/packets.skel.h \
	bpf/events.skel.h \
	bpf/kconfig.skel.h \
	bpf/list.skel.h bpf/switches.skel.h
bpf_objects = bpf/counter.bpf.o bpf/kinds.bpf.o bpf/packets.bpf.o \
	bpf/events.bpf.o \
	bpf/kconfig.bpf.o \
	bpf/list.bpf.o bpf/switches.bpf.o
BUILT_SOURCES += $(bpf_skeletons)
CLEANFILES += $(bpf_skeletons) $(bpf_objects)

# The paths of the build stay out of what is embedded in programs.
bpf_compile = $(CLANG) $(BPF_CFLAGS) -fdebug-compilation-dir=. \
	-fdebug-prefix-map=$(srcdir)/= -c

bpf/counter.bpf.o: bpf/counter.bpf.c bpf/counter.h
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/counter.bpf.c -o $@
bpf/kinds.bpf.o: bpf/kinds.bpf.c bpf/kinds.h
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/kinds.bpf.c -o $@
bpf/packets.bpf.o: bpf/packets.bpf.c bpf/packets.h
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/packets.bpf.c -o $@
bpf/events.bpf.o: bpf/events.bpf.c bpf/events.h
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/events.bpf.c -o $@
bpf/kconfig.bpf.o: bpf/kconfig.bpf.c
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/kconfig.bpf.c -o $@
bpf/list.bpf.o: bpf/list.bpf.c bpf/list.h
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/list.bpf.c -o $@
bpf/switches.bpf.o: bpf/switches.bpf.c bpf/switches.h
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $(srcdir)/bpf/switches.bpf.c -o $@

bpf/counter.skel.h: bpf/counter.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/counter.bpf.o name counter_bpf >$@.tmp && \
		mv $@.tmp $@
bpf/kinds.skel.h: bpf/kinds.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/kinds.bpf.o name kinds_bpf >$@.tmp && \
		mv $@.tmp $@
bpf/packets.skel.h: bpf/packets.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/packets.bpf.o name packets_bpf >$@.tmp && \
		mv $@.tmp $@
bpf/events.skel.h: bpf/events.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/events.bpf.o name events_bpf >$@.tmp && \
		mv $@.tmp $@
bpf/kconfig.skel.h: bpf/kconfig.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/kconfig.bpf.o name kconfig_bpf >$@.tmp && \
		mv $@.tmp $@
bpf/list.skel.h: bpf/list.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/list.bpf.o name list_bpf >$@.tmp && \
		mv $@.tmp $@
bpf/switches.skel.h: bpf/switches.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/switches.bpf.o name switches_bpf >$@.tmp && \
		mv $@.tmp $@
endif
