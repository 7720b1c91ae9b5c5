# SPDX-License-Identifier: BSD-2-Clause
#
# Probes of compiler and linker flags.  Each flag is tried alone, with -Werror, since
# clang only warns about warning flags that it does not know.  -Wno-x is tried as -Wx for
# gcc accepts any -Wno-x.  Those that work are appended to VARIABLE, which is substituted.

# FOSTER_PROBE_CFLAGS(VARIABLE, FLAGS)
AC_DEFUN([FOSTER_PROBE_CFLAGS], [
	$1=
	for foster_flag in m4_normalize([$2]); do
		AS_VAR_PUSHDEF([foster_cache], [foster_cv_cflag_$foster_flag])
		AC_CACHE_CHECK([whether $CC takes $foster_flag], [foster_cache], [
			foster_save_CFLAGS=$CFLAGS
			foster_try=`AS_ECHO(["$foster_flag"]) | sed 's/^-Wno-/-W/'`
			CFLAGS="$CFLAGS -Werror $foster_try"
			AC_COMPILE_IFELSE([AC_LANG_SOURCE([[extern int probe;]])],
				[AS_VAR_SET([foster_cache], [yes])],
				[AS_VAR_SET([foster_cache], [no])])
			CFLAGS=$foster_save_CFLAGS
		])
		AS_VAR_IF([foster_cache], [yes], [$1="${$1:+$$1 }$foster_flag"])
		AS_VAR_POPDEF([foster_cache])
	done
	AC_SUBST([$1])
])

# FOSTER_PROBE_LDFLAGS(VARIABLE, FLAGS)
AC_DEFUN([FOSTER_PROBE_LDFLAGS], [
	$1=
	for foster_flag in m4_normalize([$2]); do
		AS_VAR_PUSHDEF([foster_cache], [foster_cv_ldflag_$foster_flag])
		AC_CACHE_CHECK([whether the linker takes $foster_flag], [foster_cache], [
			foster_save_LDFLAGS=$LDFLAGS
			LDFLAGS="$LDFLAGS -Werror -Wl,--fatal-warnings $foster_flag"
			AC_LINK_IFELSE([AC_LANG_PROGRAM()],
				[AS_VAR_SET([foster_cache], [yes])],
				[AS_VAR_SET([foster_cache], [no])])
			LDFLAGS=$foster_save_LDFLAGS
		])
		AS_VAR_IF([foster_cache], [yes], [$1="${$1:+$$1 }$foster_flag"])
		AS_VAR_POPDEF([foster_cache])
	done
	AC_SUBST([$1])
])

# FOSTER_PROBE_SANITIZER(NAME, FLAGS)
# Sets and substitutes NAME_CFLAGS, empty where a program with a thread, built with FLAGS,
# does not build or does not run here: some kernels lay out memory in ways that old
# runtimes refuse.  Defines the conditional HAVE_NAME.
AC_DEFUN([FOSTER_PROBE_SANITIZER], [
	AC_CACHE_CHECK([whether programs with m4_normalize([$2]) run],
		       [foster_cv_sanitizer_$1], [
		foster_save_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS m4_normalize([$2]) -pthread"
		AC_RUN_IFELSE([AC_LANG_SOURCE([[
#include <pthread.h>
static void *run(void *arg) { return arg; }
int main(void)
{
	pthread_t thread;
	return pthread_create(&thread, 0, run, 0) || pthread_join(thread, 0);
}
			]])],
			[foster_cv_sanitizer_$1=yes],
			[foster_cv_sanitizer_$1=no],
			[foster_cv_sanitizer_$1=no])
		CFLAGS=$foster_save_CFLAGS
	])
	AS_IF([test "x$foster_cv_sanitizer_$1" = xyes],
		[$1_CFLAGS="m4_normalize([$2])"], [$1_CFLAGS=])
	AC_SUBST([$1_CFLAGS])
	AM_CONDITIONAL([HAVE_$1], [test -n "$[]$1_CFLAGS"])
])
