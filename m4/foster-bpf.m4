# SPDX-License-Identifier: BSD-2-Clause

# FOSTER_CLANG_KNOWS_ARENAS(CLANG)
# A command: does it make pointers into arenas of those of address space 1?
m4_define([FOSTER_CLANG_KNOWS_ARENAS],
	[echo __BPF_FEATURE_ADDR_SPACE_CAST | $1 -target bpf -E -P -x c - \
		2>&AS_MESSAGE_LOG_FD | grep 1 >&AS_MESSAGE_LOG_FD])

# FOSTER_PROG_BPF([IF-FOUND])
# Looks for a clang that compiles BPF programs and a bpftool
# that makes skeletons of them, and tries both.  Substitutes CLANG, BPFTOOL and BPF_CFLAGS
# (flags for clang besides -c and -o).  One that knows arenas (19 and later) goes before
# others; foster_bpf_arenas says whether it does.
AC_DEFUN([FOSTER_PROG_BPF], [
	AC_ARG_VAR([CLANG], [clang that compiles BPF programs])
	AC_ARG_VAR([BPFTOOL], [bpftool that makes their skeletons])

	foster_sbin_PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
	AS_CASE([$with_clang], [auto|yes|no], [], [CLANG=$with_clang])
	AS_CASE([$with_bpftool], [auto|yes|no], [], [BPFTOOL=$with_bpftool])
	AS_IF([test "x$with_clang" = xno], [CLANG=], [
		AS_IF([test -z "$CLANG"], [
			AC_MSG_CHECKING([for a clang that knows arenas])
			for foster_clang in clang clang-21 clang-20 clang-19; do
				AS_IF([FOSTER_CLANG_KNOWS_ARENAS([$foster_clang])],
					[CLANG=$foster_clang; break])
			done
			AC_MSG_RESULT([${CLANG:-none}])
		])
		AC_CHECK_PROGS([CLANG], [clang clang-21 clang-20 clang-19 clang-18 \
			clang-17 clang-16 clang-15 clang-14])
	])
	AS_IF([test "x$with_bpftool" = xno], [BPFTOOL=],
		[AC_PATH_PROG([BPFTOOL], [bpftool], [], [$foster_sbin_PATH])])

	# asm/types.h is in the folder of the host's architecture, which clang does not
	# search when it compiles for BPF.
	BPF_CFLAGS="-target bpf -g -O2 -Wall -Wextra"
	foster_triplet=`$CC -print-multiarch 2>/dev/null`
	AS_IF([test -n "$foster_triplet" && test -d "/usr/include/$foster_triplet"],
		[BPF_CFLAGS="$BPF_CFLAGS -idirafter /usr/include/$foster_triplet"])
	BPF_CFLAGS="$BPF_CFLAGS${LIBBPF_CFLAGS:+ }$LIBBPF_CFLAGS"
	AC_SUBST([BPF_CFLAGS])

	foster_bpf_works=no
	AS_IF([test -n "$CLANG" && test -n "$BPFTOOL"], [
		AC_MSG_CHECKING([whether $CLANG and $BPFTOOL make BPF skeletons])
		cat >conftest.bpf.c <<_ACEOF
[#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
int counter;
char license_[] SEC("license") = "Dual BSD/GPL";
SEC("socket") int count(struct __sk_buff *skb) { (void)skb; counter++; return 0; }]
_ACEOF
		AS_IF([{ $CLANG $BPF_CFLAGS -c conftest.bpf.c -o conftest.bpf.o &&
			 $BPFTOOL gen skeleton conftest.bpf.o name conftest \
				>conftest.skel.h &&
			 grep conftest__open conftest.skel.h; } >&AS_MESSAGE_LOG_FD 2>&1],
			[foster_bpf_works=yes])
		rm -f conftest.bpf.c conftest.bpf.o conftest.skel.h
		AC_MSG_RESULT([$foster_bpf_works])
	])
	foster_bpf_arenas=no
	AS_IF([test "x$foster_bpf_works" = xyes && FOSTER_CLANG_KNOWS_ARENAS([$CLANG])],
		[foster_bpf_arenas=yes])
	AS_IF([test "x$foster_bpf_works" = xyes], [$1], [
		CLANG= BPFTOOL=
		AS_CASE([$with_clang/$with_bpftool],
			[auto/auto|auto/no|no/auto|no/no], [],
			[AC_MSG_ERROR([the given clang and bpftool do not make BPF
skeletons; config.log says why])])
	])
])
