# SPDX-License-Identifier: BSD-2-Clause
#
# `make fuzz` feeds what reads BTF with bytes that a fuzzer thinks of, for FUZZ_SECONDS.  The corpus
# is where it begins; what it finds stays in the build folder.  tests/bpf/test_btf goes through
# the corpus in `make check`.

FUZZ_SECONDS = 60
FUZZ_CFLAGS = -g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer

fuzz_sources = \
	lib/base/check.c \
	lib/bpf/match.c \
	lib/bpf/names.c \
	lib/bpf/nearest.c \
	lib/bpf/path.c \
	lib/bpf/reason.c \
	lib/bpf/section.c \
	lib/bpf/shape.c \
	lib/bpf/spelling.c \
	lib/bpf/types.c \
	lib/bpf/variable.c \
	tests/fuzz/fuzz_btf.c \
	tests/fuzz/walk.c

tests/fuzz/fuzz_btf: $(fuzz_sources) tests/fuzz/walk.h
	@$(MKDIR_P) tests/fuzz
	$(AM_V_GEN)cd $(srcdir) && $(CLANG) $(FUZZ_CFLAGS) -D_GNU_SOURCE -DHAVE_CONFIG_H \
		$(CHECK_CPPFLAGS) -iquote $(abs_builddir) -iquote lib -Iinclude \
		$(fuzz_sources) -o $(abs_builddir)/$@

fuzz: tests/fuzz/fuzz_btf
	@$(MKDIR_P) tests/fuzz/found
	tests/fuzz/fuzz_btf -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 \
		-artifact_prefix=tests/fuzz/ tests/fuzz/found $(srcdir)/tests/fuzz/corpus
.PHONY: fuzz

clean-local: clean-fuzz
clean-fuzz:
	@rm -rf tests/fuzz/fuzz_btf tests/fuzz/found
.PHONY: clean-fuzz

EXTRA_DIST += tests/fuzz/fuzz_btf.c tests/fuzz/walk.c tests/fuzz/walk.h tests/fuzz/corpus
