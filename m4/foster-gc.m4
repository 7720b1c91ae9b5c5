# SPDX-License-Identifier: BSD-2-Clause

# FOSTER_CHECK_GC
# Tries what foster needs of libgc by linking it: the version alone does not tell how the
# library was built.
AC_DEFUN([FOSTER_CHECK_GC], [
	foster_save_CPPFLAGS=$CPPFLAGS
	foster_save_LIBS=$LIBS
	CPPFLAGS="$CPPFLAGS $GC_CFLAGS"
	LIBS="$GC_LIBS $LIBS"

	AC_CACHE_CHECK([whether libgc has disclaim procedures], [foster_cv_gc_disclaim], [
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <gc/gc.h>
#include <gc/gc_disclaim.h>
#include <gc/gc_mark.h>
static int GC_CALLBACK disclaim(void *object) { return !object; }
			]], [[
	unsigned kind = GC_new_kind(GC_new_free_list(), 0, 0, 0);
	GC_register_disclaim_proc((int)kind, disclaim, 0);
	return !GC_generic_malloc_ignore_off_page(8192, (int)kind);
			]])],
			[foster_cv_gc_disclaim=yes], [foster_cv_gc_disclaim=no])
	])
	AS_IF([test "x$foster_cv_gc_disclaim" != xyes],
		[AC_MSG_ERROR([this libgc has no disclaim procedures, by which foster
learns that nothing points into a region any more.  Build libgc with -DENABLE_DISCLAIM (CMake:
-Denable_disclaim=ON; its configure does it unless --disable-disclaim), or
install the one of your distribution: libgc-dev of Debian and Ubuntu,
gc-devel of Fedora.])])

	AC_CACHE_CHECK([whether libgc has threads], [foster_cv_gc_threads], [
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#define GC_THREADS 1
#define GC_NO_THREAD_REDIRECTS 1
#include <gc/gc.h>
			]], [[
	struct GC_stack_base base;
	GC_allow_register_threads();
	return GC_get_stack_base(&base) == GC_SUCCESS && GC_register_my_thread(&base);
			]])],
			[foster_cv_gc_threads=yes], [foster_cv_gc_threads=no])
	])
	AS_IF([test "x$foster_cv_gc_threads" != xyes],
		[AC_MSG_ERROR([this libgc was built without threads])])

	AC_CHECK_FUNCS([GC_set_markers_count GC_incr_bytes_allocd GC_incr_bytes_freed])

	CPPFLAGS=$foster_save_CPPFLAGS
	LIBS=$foster_save_LIBS
])
