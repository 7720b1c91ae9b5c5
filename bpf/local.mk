# SPDX-License-Identifier: BSD-2-Clause
#
# BPF programs: bpf/x.bpf.c becomes the object bpf/x.bpf.o and the skeleton bpf/x.skel.h
# in the build folder.  A program that includes a skeleton says that its object depends on it.

# Those that have a header, those that have none, and the headers that several have.
bpf_with_header = bpf/counter bpf/events bpf/kinds bpf/list bpf/packets bpf/switches
bpf_without_header = bpf/kconfig
bpf_casts_header = bpf/casts.h

# A program with variables in an arena: for a clang that knows arenas, and opened by the
# tests themselves, since the bpftool that makes a skeleton of it may not be there.
bpf_of_arena = bpf/shelf

EXTRA_DIST += $(bpf_casts_header) \
	$(bpf_with_header:=.bpf.c) $(bpf_with_header:=.h) \
	$(bpf_without_header:=.bpf.c) \
	$(bpf_of_arena:=.bpf.c) $(bpf_of_arena:=.h)

BPF_SKEL_CPPFLAGS = -I$(builddir)/bpf -I$(srcdir)/bpf

if HAVE_BPF_PROGS
bpf_programs = $(bpf_with_header) $(bpf_without_header)
bpf_skeletons = $(bpf_programs:=.skel.h)
bpf_arena_objects = $(bpf_of_arena:=.bpf.o)
bpf_header_objects = $(bpf_with_header:=.bpf.o) $(bpf_arena_objects)
bpf_objects = $(bpf_programs:=.bpf.o) $(bpf_arena_objects)
BUILT_SOURCES += $(bpf_skeletons)
CLEANFILES += $(bpf_skeletons) $(bpf_objects)

# The paths of the build stay out of what is embedded in programs.
bpf_compile = $(CLANG) $(BPF_CFLAGS) -fdebug-compilation-dir=. \
	-fdebug-prefix-map=$(srcdir)/= -c

$(bpf_objects): %.bpf.o: %.bpf.c
	@$(MKDIR_P) bpf
	$(AM_V_GEN)$(bpf_compile) $< -o $@
$(bpf_header_objects): %.bpf.o: %.h
bpf/list.bpf.o $(bpf_arena_objects): $(bpf_casts_header)

$(bpf_skeletons): bpf/%.skel.h: bpf/%.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton $< name $*_bpf >$@.tmp && mv $@.tmp $@

if HAVE_BPF_ARENAS
noinst_DATA = $(bpf_arena_objects)
endif
endif
