# SPDX-License-Identifier: BSD-2-Clause
#
# The man pages, and the tests that hold headers, symbol maps, pages and README together.

dist_man_MANS += \
	man/foster.7 \
	man/FOSTER_READ.3 \
	man/FOSTER_WRITE.3 \
	man/foster_adopt.3 \
	man/foster_close.3 \
	man/foster_collect.3 \
	man/foster_copy.3 \
	man/foster_copy_partial.3 \
	man/foster_disown.3 \
	man/foster_fini.3 \
	man/foster_for_each.3 \
	man/foster_holders.3 \
	man/foster_info.3 \
	man/foster_init.3 \
	man/foster_map_file.3 \
	man/foster_mmap.3 \
	man/foster_munmap.3 \
	man/foster_pin.3 \
	man/foster_stats.3 \
	man/foster_thread_attach.3 \
	man/foster_thread_detach.3 \
	man/foster_unpin.3

if HAVE_BPF
dist_man_MANS += \
	man/foster_arena.3 \
	man/foster_arena_at.3 \
	man/foster_array.3 \
	man/FOSTER_ARRAY.3 \
	man/FOSTER_AT.3 \
	man/foster_at.3 \
	man/FOSTER_BITS.3 \
	man/foster_bpf.7 \
	man/foster_bpf_map.3 \
	man/foster_bpf_map_info.3 \
	man/foster_bpf_object_close.3 \
	man/foster_bpf_skeleton.3 \
	man/foster_bpf_strerror.3 \
	man/foster_bpf_subskeleton.3 \
	man/foster_datasec.3 \
	man/foster_datasec_find.3 \
	man/foster_datasec_info.3 \
	man/foster_datasec_of.3 \
	man/foster_datasec_variable.3 \
	man/FOSTER_ELEM.3 \
	man/foster_elem.3 \
	man/foster_ringbuf_next.3 \
	man/foster_ringbuf_read.3 \
	man/foster_ringbuf_release.3 \
	man/foster_ringbuf_release_all.3 \
	man/FOSTER_STRUCT.3 \
	man/FOSTER_TYPE.3 \
	man/foster_var.3 \
	man/FOSTER_VAR.3
endif

TESTS += \
	build-aux/check-docs \
	build-aux/check-docs-test

EXTRA_DIST += \
	build-aux/check-docs \
	build-aux/check-docs.awk \
	build-aux/check-docs-test \
	doc/ARCHITECTURE.md \
	doc/DECISIONS.md
