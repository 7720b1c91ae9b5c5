# SPDX-License-Identifier: BSD-2-Clause
#
# What a user of the installed library sees.  `make installcheck` looks at what is
# installed, `make check-install` installs into a folder of its own and looks at that.

TESTS += tests/install/check-headers
EXTRA_DIST += \
	tests/install/check-headers \
	tests/install/check-install \
	tests/install/headers.h \
	tests/install/headers-bpf.h \
	tests/install/program.c \
	tests/install/program-bpf.c

# Reads DESTDIR, as set on the command line of make.
run_check_install = $(AM_TESTS_ENVIRONMENT) \
	srcdir='$(abs_srcdir)' DESTDIR='$(DESTDIR)' libdir='$(libdir)' \
	includedir='$(includedir)' pkgconfigdir='$(pkgconfigdir)' CFLAGS='$(CFLAGS)' \
	CXXFLAGS='$(CXXFLAGS)' LDFLAGS='$(LDFLAGS)' \
	$(SHELL) $(srcdir)/tests/install/check-install

installcheck-local:
	@$(run_check_install)

install_root = $(abs_builddir)/tests/install/root
check-install: all
	@rm -rf '$(install_root)'
	@$(MAKE) $(AM_MAKEFLAGS) install DESTDIR='$(install_root)' \
		>check-install.log 2>&1 || \
		{ cat check-install.log; exit 1; }
	@$(MAKE) $(AM_MAKEFLAGS) installcheck DESTDIR='$(install_root)'
.PHONY: check-install
CLEANFILES += check-install.log

clean-local:
	@rm -rf '$(install_root)'
