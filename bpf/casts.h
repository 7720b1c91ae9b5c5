/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0) */
/*
 * Pointers into an arena. A clang that knows them (19 and later) turns each into the form
 * that the program or the process needs; for others the instruction that does it is
 * written as bytes.
 */
#ifndef FOSTER_BPF_PROG_CASTS_H
#define FOSTER_BPF_PROG_CASTS_H

/* Newer than the headers that may be installed. */
#define MAP_TYPE_ARENA 33

#ifdef __BPF_FEATURE_ADDR_SPACE_CAST

#define __arena __attribute__((address_space(1)))
#define TO_PROGRAM(pointer) ((void)0)
#define TO_PROCESS(pointer) ((void)0)

#else

#define __arena
/* Of a register among r0 to r9. */
#define ARENA_CAST(pointer, to, from)               \
	asm volatile(".byte 0xBF\n"                 \
		     ".irp n,0,1,2,3,4,5,6,7,8,9\n" \
		     ".ifc %[reg],r\\n\n"           \
		     ".byte 0x\\n\\n\n"             \
		     ".endif\n"                     \
		     ".endr\n"                      \
		     ".short 1\n"                   \
		     ".long %[as]\n"                \
		     : [reg] "+r"(pointer)          \
		     : [as] "i"(((to) << 16) | (from)))
#define TO_PROGRAM(pointer) ARENA_CAST(pointer, 0, 1)
#define TO_PROCESS(pointer) ARENA_CAST(pointer, 1, 0)

#endif

#endif
