/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foster for BPF: the memory of BPF maps as regions of foster, and the variables in it by
 * name and type.
 *
 *	struct foster_datasec *ds = foster_datasec(map_fd);
 *	__u64 *hits = FOSTER_VAR(ds, __u64, hits);
 *
 * The conventions of foster/foster.h hold here too; foster_bpf_strerror() has the reason
 * of each failure. Each call maps anew what it maps.
 */
#ifndef FOSTER_BPF_H
#define FOSTER_BPF_H

#include <foster/foster.h>
#include <foster/type.h>

struct bpf_map;
struct bpf_object;
struct bpf_object_skeleton;
struct bpf_object_subskeleton;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * foster_bpf_map - the memory of a BPF map, tracked
 * @map_fd: descriptor of an array map made with BPF_F_MMAPABLE, as those behind .bss,
 *	.data and .rodata of a BPF program are; of a ring buffer, or of an arena.  Not
 *	kept; may be closed afterwards.
 *
 * Of an array maps all values: entry i begins i times the value size, rounded up to 8 bytes, after
 * the address. Readable and writable; read-only where the map is frozen or
 * BPF_F_RDONLY_PROG (the prot of foster_info() tells). A writable mapping blocks
 * BPF_MAP_FREEZE (EBUSY) until it is released or closed. The region keeps the kernel's
 * map alive, not the descriptor. Each call makes a region of its own.
 *
 * Of a ring buffer maps all that the kernel shows, for foster_ringbuf_next(). The process
 * has one such region of a map: a second call returns the same while that is there. Of an
 * arena: foster_arena_at(), with NULL.
 *
 * Returns: the address of entry 0, of the ring or of the arena, page aligned; NULL on
 * error.
 * Errors (errno):
 *   EBADF    @map_fd is not an open descriptor
 *   EINVAL   @map_fd is not a BPF map
 *   ENOTSUP  a map of another type, or an array without BPF_F_MMAPABLE (the reason is in
 *            foster_bpf_strerror())
 *   EPERM    no permission to look at the map, or for the mapping
 *   EACCES   the descriptor was opened for reading only or for writing only; the kernel
 *            maps neither
 *   ENOMEM   no memory
 *   those of foster_mmap(); of an arena those of foster_arena_at()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_bpf_map(int map_fd);

/**
 * struct foster_bpf_map_info - what is known of the map whose memory a pointer is in
 * @size: sizeof(struct foster_bpf_map_info), set by the caller.
 * @base: entry 0.
 * @count: entries of an array.
 * @value_size: bytes of a value.
 * @stride: bytes from the beginning of an entry to that of the next.
 * @map_id, @btf_id: the kernel's numbers; @btf_id is 0 where the map has no BTF.
 * @map_type: enum bpf_map_type.
 * @value_type_id: of the type of the values, in its BTF.
 * @prot: PROT_* that it was mapped with.
 * @name: the kernel's name of the map.
 */
struct foster_bpf_map_info {
	size_t size;
	void *base;
	uint64_t count;
	uint32_t value_size;
	uint32_t stride;
	uint32_t map_id;
	uint32_t map_type;
	uint32_t btf_id;
	uint32_t value_type_id;
	int prot;
	char name[16];
};
#define FOSTER_BPF_MAP_INFO_INIT \
	{ sizeof(struct foster_bpf_map_info), NULL, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } }

/**
 * foster_bpf_map_info - what is known of the map whose memory a pointer is in
 * @p: any pointer into the memory of a map, mapped by any function of this library.
 * @info: out; info->size is set by the caller.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT  @p is not in the memory of a map
 *   -ESTALE  it was closed
 *   -EINVAL  info->size is smaller than any version of the struct
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(2) int foster_bpf_map_info(const void *p,
							struct foster_bpf_map_info *info);

/*
 * ------------------------------------------------------------------------ data sections
 */

/**
 * foster_datasec - the variables of a loaded program
 * @map_fd: descriptor of the map behind .bss, .data, .rodata or a section of another name
 *	that begins like these, or of an arena with variables (__arena) in it; of any
 *	program, also of another process (opened by its number or from where it is
 *	pinned).  May be closed afterwards.  Not kept.
 *
 * Maps the memory as foster_bpf_map() does, and reads names, places and types of the
 * variables from the kernel's BTF of the map. The datasec is a region like any other:
 * there is nothing to free, and it lives while something points to it. It keeps the
 * memory; a pointer to a variable keeps the memory without it.
 *
 * An arena is mapped as foster_arena_at() does with NULL. The kernel has no BTF of it: the
 * programs that are loaded and use it tell what its variables are, and where.
 *
 * Returns: the datasec; NULL on error.
 * Errors (errno):
 *   ENODATA  the map has no BTF: use foster_bpf_map() and FOSTER_AT(); or no program that
 *            is loaded uses a variable of the arena, or has BTF of it, or one cannot tell
 *            at which end of it they are
 *   ENOTUNIQ  programs of different objects have variables in the arena
 *   ENOTSUP  also where its values are no data section, or its BTF is newer than this
 *            library
 *   EPERM    also without permission to read BTF (CAP_SYS_ADMIN)
 *   EBADMSG  the BTF is malformed
 *   those of foster_bpf_map()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE struct foster_datasec *foster_datasec(int map_fd);

/**
 * foster_datasec_of - the same, of a map of libbpf
 * @map: skel->maps.bss, or what bpf_object__find_map_by_name() returned; after load.
 *
 * An arena becomes tracked as foster_arena() does it.
 *
 * Returns: the datasec; NULL on error.
 * Errors (errno):
 *   EINVAL  @map is NULL
 *   EBADF   the map is not in the kernel yet
 *   those of foster_datasec(), of an arena those of foster_arena()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE struct foster_datasec *
foster_datasec_of(const struct bpf_map *map);

/**
 * struct foster_datasec_info - what is known of a datasec
 * @size: sizeof(struct foster_datasec_info), set by the caller.
 * @name: of the section: ".bss"; part of the datasec, and keeps it.
 * @map_name: the kernel's name of the map; part of the datasec, too.
 * @base: the first byte of the memory.
 * @bytes: of the section.
 * @variables: how many.
 * @map_id, @btf_id: the kernel's numbers.
 * @prot: PROT_* that the memory was mapped with.
 */
struct foster_datasec_info {
	size_t size;
	const char *name;
	const char *map_name;
	void *base;
	uint32_t bytes;
	uint32_t variables;
	uint32_t map_id;
	uint32_t btf_id;
	int prot;
	uint32_t reserved;
};
#define FOSTER_DATASEC_INFO_INIT \
	{ sizeof(struct foster_datasec_info), NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }

/**
 * foster_datasec_info - what is known of a datasec
 * @ds: the datasec.
 * @info: out; info->size is set by the caller.
 *
 * Returns: 0.
 * Errors: -EINVAL @ds is no datasec, or info->size is smaller than any version of the
 * struct
 * Context: any thread, any signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(2) int foster_datasec_info(const struct foster_datasec *ds,
							struct foster_datasec_info *info);

/* Flags of struct foster_variable. */
#define FOSTER_VARIABLE_READ_ONLY 0x1u /* to be had as a const type only */
#define FOSTER_VARIABLE_STATIC 0x2u    /* not global; others may have its name */

#define FOSTER_SPELLING 96

/**
 * struct foster_variable - what BTF says of a variable
 * @size: sizeof(struct foster_variable), set by the caller.
 * @name: part of the datasec, and keeps it; "" where it has none.
 * @addr: the variable; keeps the memory.  NULL where it reaches behind the end.
 * @offset: in the section.
 * @bytes: of the variable.
 * @count: elements of an array, in all dimensions together; 1 of what is none.
 * @element_bytes: of one of them.
 * @kind: enum foster_kind, of one of them.
 * @dimensions: of an array; 0 of what is none.
 * @flags: FOSTER_VARIABLE_*.
 * @type_id: of its type, in the BTF of foster_datasec_info(): for libbpf's btf_dump.
 * @type: as C spells it: "struct slot[16]"; cut where it is longer.
 */
struct foster_variable {
	size_t size;
	const char *name;
	const void *addr;
	uint64_t offset;
	uint64_t bytes;
	uint64_t count;
	uint32_t element_bytes;
	uint32_t kind;
	uint32_t dimensions;
	uint32_t flags;
	uint32_t type_id;
	char type[FOSTER_SPELLING];
};
#define FOSTER_VARIABLE_INIT \
	{ sizeof(struct foster_variable), NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } }

/**
 * foster_datasec_variable - the variables one after the other
 * @ds: the datasec.
 * @index: 0, 1, ... up to the error; in the order of their offsets.
 * @variable: out; variable->size is set by the caller.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT   there are not so many
 *   -EINVAL   @ds is no datasec, or variable->size is smaller than any version of the
 *             struct
 *   -EBADMSG  the type of this one makes no sense; go on with the next
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(3) int
foster_datasec_variable(const struct foster_datasec *ds, size_t index,
			struct foster_variable *variable);

/**
 * foster_datasec_find - a variable by its name
 * @ds: the datasec.
 * @name: its name.  That of a static variable inside a function is "function.name".
 * @variable: out; variable->size is set by the caller.
 *
 * Returns: 0.
 * Errors:
 *   -ENOENT    there is none; the reason has the nearest name
 *   -ENOTUNIQ  several static ones have the name, and no global one
 *   -EINVAL    @ds is no datasec, or variable->size is smaller than any version of the
 *              struct
 *   -EBADMSG   its type makes no sense
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(2, 3) int
foster_datasec_find(const struct foster_datasec *ds, const char *name,
		    struct foster_variable *variable);

/*
 * ---------------------------------------------------------------------- typed pointers
 */

/**
 * foster_var - a variable whose name is known at run time only
 * @ds: the datasec.
 * @name: its name, as for foster_datasec_find().
 * @type: FOSTER_TYPE(type).
 *
 * What FOSTER_VAR() is made of. The types are compared once, here; an access afterwards
 * is a load or a store.
 *
 * The type has the kind (integer, bool, float, pointer, struct, union), the size, the
 * sign of the variable, and of an array all its dimensions. An enum is an integer of its
 * size; char fits either sign. volatile and _Atomic make no difference. A struct is
 * compared by its size, with FOSTER_STRUCT() also member by member.
 *
 * The memory is not looked at: after foster_close() the pointer faults, as others into it
 * do.
 *
 * Returns: a pointer to the variable; NULL on error.
 * Errors (errno):
 *   ENOENT      there is none; the reason has the nearest name
 *   ENOTUNIQ    several static ones have the name, and no global one
 *   EPROTOTYPE  it is of another kind
 *   EMSGSIZE    it is wider or narrower, or has another number of elements
 *   EDOM        it is signed, and the type is not, or the other way about
 *   EPROTO      a member of FOSTER_STRUCT() is not there, elsewhere, or of another type
 *   EACCES      it is for reading only (const, or in memory that is), and the type is not
 *               const
 *   EADDRNOTAVAIL  it is not aligned as the type is
 *   ERANGE      it reaches behind the end of the section
 *   ENODATA     BTF does not say its type
 *   EBADMSG     its type makes no sense
 *   EINVAL      @ds is no datasec, @name is NULL, or @type is no description
 *   E2BIG       @type is of a newer header
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_var(const struct foster_datasec *ds,
					       const char *name,
					       const struct foster_type *type);

/**
 * FOSTER_VAR - a typed pointer to a variable
 * @ds: the datasec.
 * @type: its type, or FOSTER_STRUCT().
 * @name: its name, as it is: hits.
 *
 * Returns: type *, into tracked memory; NULL on error.
 * Errors (errno): those of foster_var().
 * Context: as foster_var().
 * Since: 0.1
 */
#define FOSTER_VAR(ds, type, name) FOSTER_VAR_(ds, #name, type)
#define FOSTER_VAR_(ds, name, ...)                       \
	FOSTER_POINTER_TO_(FOSTER_FIRST_(__VA_ARGS__),   \
			   foster_var(ds, name, FOSTER_TYPE_(__VA_ARGS__)))

/**
 * foster_array - an array whose name is known at run time only
 * @ds, @name: as for foster_var().
 * @type: FOSTER_TYPE(type), of an element; of an array of more dimensions it is an array
 *	itself.
 * @count: out; how many elements.  May be NULL.
 *
 * Returns: a pointer to the first element; NULL on error.
 * Errors (errno):
 *   EPROTOTYPE  also where the variable is no array
 *   those of foster_var()
 * Context: as foster_var().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_array(const struct foster_datasec *ds,
						 const char *name,
						 const struct foster_type *type,
						 size_t *count);

/**
 * FOSTER_ARRAY - a typed pointer to the first element of an array, and its length
 * @ds: the datasec.
 * @type: the type of an element, or FOSTER_STRUCT().
 * @name: the name of the array, as it is: slots.
 * @count: out, a size_t *: how many elements.  May be NULL.
 *
 * Returns: type *, into tracked memory; NULL on error.
 * Errors (errno): those of foster_array().
 * Context: as foster_var().
 * Since: 0.1
 */
#define FOSTER_ARRAY(ds, type, name, count) FOSTER_ARRAY_(ds, #name, count, type)
#define FOSTER_ARRAY_(ds, name, count, ...)              \
	FOSTER_POINTER_TO_(FOSTER_FIRST_(__VA_ARGS__),   \
			   foster_array(ds, name, FOSTER_TYPE_(__VA_ARGS__), count))

/**
 * foster_elem - a value of an array map
 * @p: what foster_bpf_map() returned, or any pointer into it.
 * @index: which.
 * @type: FOSTER_TYPE(type).
 *
 * What FOSTER_ELEM() is made of. The type is compared with that of the map's values in
 * its BTF, as foster_var() compares; the first time for a region BTF is read from the
 * kernel.
 *
 * Returns: a pointer to the value; NULL on error.
 * Errors (errno):
 *   ENOENT      @p is not in the memory of a map
 *   ESTALE      it was closed
 *   ERANGE      the map has not so many values
 *   ENODATA     the map has no BTF, or it does not say the type: use FOSTER_AT()
 *   ENOTSUP     no array; or a data section, for which foster_datasec() is; or its BTF is
 *               newer than this library
 *   EPROTOTYPE, EMSGSIZE, EDOM, EPROTO, EACCES, EADDRNOTAVAIL, EINVAL, E2BIG
 *               as foster_var()
 *   EBADMSG     the BTF makes no sense
 *   EPERM       no permission to read BTF (CAP_SYS_ADMIN)
 *   ENOMEM      no memory for it
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_elem(const void *p, uint64_t index,
						const struct foster_type *type);

/**
 * FOSTER_ELEM - a typed pointer to a value of an array map
 * @p: what foster_bpf_map() returned, or any pointer into it.
 * @type: the type of the values, or FOSTER_STRUCT().
 * @index: which.
 *
 * Returns: type *, into tracked memory; NULL on error.
 * Errors (errno): those of foster_elem().
 * Context: as foster_elem().
 * Since: 0.1
 */
#define FOSTER_ELEM(p, type, index) FOSTER_ELEM_(p, index, type)
#define FOSTER_ELEM_(p, index, ...)                      \
	FOSTER_POINTER_TO_(FOSTER_FIRST_(__VA_ARGS__),   \
			   foster_elem(p, index, FOSTER_TYPE_(__VA_ARGS__)))

/**
 * foster_at - memory of an array map by its offset, without BTF
 * @p: what foster_bpf_map() returned, or any pointer into it.
 * @offset: bytes from entry 0.
 * @type: FOSTER_TYPE(type).
 *
 * What FOSTER_AT() is made of. Nothing is compared but the size with what is there: for
 * maps without BTF.
 *
 * Returns: a pointer to the bytes; NULL on error.
 * Errors (errno):
 *   ENOENT   @p is not in the memory of a map
 *   ESTALE   it was closed
 *   ERANGE   it reaches behind the end of the values
 *   ENOTSUP  no array
 *   EACCES   the memory is for reading only, and the type is not const
 *   EADDRNOTAVAIL  @offset is not a multiple of the type's alignment
 *   EINVAL   @type is no description
 *   E2BIG    @type is of a newer header
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_at(const void *p, uint64_t offset,
					      const struct foster_type *type);

/**
 * FOSTER_AT - a typed pointer to memory of an array map, by its offset, without BTF
 * @p: what foster_bpf_map() returned, or any pointer into it.
 * @type: the type; nothing checks that it is that of what is there.
 * @offset: bytes from entry 0.
 *
 * Returns: type *, into tracked memory; NULL on error.
 * Errors (errno): those of foster_at().
 * Context: as foster_at().
 * Since: 0.1
 */
#define FOSTER_AT(p, type, offset) FOSTER_AT_(p, offset, type)
#define FOSTER_AT_(p, offset, ...)                       \
	FOSTER_POINTER_TO_(FOSTER_FIRST_(__VA_ARGS__),   \
			   foster_at(p, offset, FOSTER_TYPE_(__VA_ARGS__)))

/*
 * ---------------------------------------------------------------------------- skeletons
 */

/**
 * foster_bpf_skeleton - let pointers into a skeleton's data outlive it
 * @s: skel->skeleton of a skeleton of libbpf; after __load().
 *
 * Each data pointer of the skeleton (skel->bss, skel->data, ...) becomes a pointer to
 * tracked memory of the same map, as foster_bpf_map() maps it. From then on any pointer
 * into them, &skel->bss->hits, may be kept as long as you like, also after __destroy().
 * Where libbpf shows memory that is not the map's (maps that are reused or pinned), the
 * new pointers are right. Pointers that were taken before are libbpf's, and end with it.
 *
 * What cannot be mapped keeps the pointer that it has: .kconfig (where libbpf maps it, it
 * is tracked too), struct_ops, and arenas, for which foster_arena() is. .rodata is
 * for reading only, as before.
 *
 * Called again it changes nothing more.
 *
 * Returns: 0; on error no pointer was changed.
 * Errors:
 *   -EINVAL    @s is NULL, or of no libbpf that is known
 *   -EBADF     it was not loaded
 *   -EMSGSIZE  a map that is reused is smaller than the program's section
 *   those of foster_bpf_map()
 * Context: as foster_mmap(); no other thread uses the skeleton meanwhile.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_bpf_skeleton(struct bpf_object_skeleton *s);

/**
 * foster_bpf_subskeleton - the same for a subskeleton
 * @s: skel->subskeleton, when the object that it is of has been loaded.
 *
 * Each pointer to a variable becomes one into tracked memory.
 *
 * Returns: 0; on error no pointer was changed.
 * Errors:
 *   -EADDRNOTAVAIL  a pointer is not into what libbpf has of the map
 *   those of foster_bpf_skeleton()
 * Context: as foster_bpf_skeleton().
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_bpf_subskeleton(struct bpf_object_subskeleton *s);

/*
 * ------------------------------------------------------------------------------ arenas
 */

/**
 * foster_arena - an arena of libbpf, tracked
 * @map: a map of BPF_MAP_TYPE_ARENA; after load.
 *
 * What libbpf (from 1.4 on) has mapped is adopted where it is. It is still libbpf's to
 * unmap, when the object is closed: close it with foster_bpf_object_close(). With a
 * libbpf that knows no arenas it is mapped as foster_arena_at() does.
 *
 * foster never reads an arena: to touch a page allocates it. Pointers that lie in an arena
 * keep nothing. It is tracked as a whole; foster_munmap() of a part fails. The child of
 * fork(2) does not have it.
 *
 * Returns: the address of the arena; the same each time. NULL on error.
 * Errors (errno):
 *   EINVAL   @map is NULL
 *   EBADF    the map is not in the kernel yet
 *   ENOTSUP  a map of another type, or a libbpf that is not known
 *   those of foster_arena_at()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_arena(const struct bpf_map *map);

/**
 * foster_arena_at - an arena by its descriptor, tracked
 * @map_fd: descriptor of the map; may be closed afterwards.  Not kept.
 * @addr: where it belongs; NULL: as the kernel says.
 *
 * An arena belongs to one address, in all processes: that which it was made with
 * (map_extra), or else that of its first mapping, which the kernel does not tell. Where
 * it is not mapped in this process it is mapped there; an arena without an address gets
 * one. Where somebody has mapped it, that mapping is adopted, and stays when no pointer
 * is left.
 *
 * foster_bpf_map() of an arena is this with NULL.
 *
 * Returns: the address of the arena; the same each time. NULL on error.
 * Errors (errno):
 *   EADDRNOTAVAIL  it does not belong at @addr; or @addr is NULL, and nobody says where
 *   EADDRINUSE     something else is mapped where it belongs
 *   EBUSY          a region that is no arena lies there
 *   ENOTSUP        a map of another type
 *   EBADF, EINVAL  as foster_bpf_map()
 *   any of mmap(2) and foster_adopt()
 * Context: as foster_mmap().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE void *foster_arena_at(int map_fd, void *addr);

/**
 * foster_bpf_object_close - close an object of libbpf when nobody points to its memory
 * @object: as for bpf_object__close(); no longer the caller's. NULL does nothing.
 *
 * libbpf (from 1.4 on) has mapped the object's arenas, and unmaps them when it is closed.
 * This waits until no pointer to them is left, and then calls bpf_object__close(), on
 * foster's thread. Pointers of libbpf do not count. Programs stay loaded until then.
 *
 * Data sections that libbpf has mapped are taken away at once, as by bpf_object__close():
 * foster_bpf_skeleton() first makes pointers into them that stay.
 *
 * Of a skeleton: foster_bpf_object_close(skel->obj), then skel->obj = NULL, then
 * __destroy().
 *
 * Returns: 1 if it is to be closed later; 0 if it was closed at once.
 * Errors: the object is still the caller's, and open.
 *   -ENOMEM   no memory
 *   -ENOTSUP  a libbpf that is not known
 *   any of foster_adopt()
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_bpf_object_close(struct bpf_object *object);

/*
 * ------------------------------------------------------------------------- ring buffers
 */

/**
 * foster_ringbuf_next - the next record of a ring buffer
 * @p: what foster_bpf_map() returned for a map of BPF_MAP_TYPE_RINGBUF, or any pointer
 *	into it; another record will do.
 * @bytes: out; of the record.  May be NULL.
 *
 * Records come in the order in which the kernel's side reserved them, each to one caller;
 * those that it discarded are passed over. A record is what the kernel wrote, in place:
 * it does not change until foster_ringbuf_release(). Any number of them may be kept, as
 * long as the ring has room for new ones; a pointer to one keeps the ring mapped.
 *
 * There is nothing to wait with: the map's descriptor becomes readable (poll(2),
 * epoll(7)). While a record is kept it stays so, and the kernel's side wakes nobody
 * unless it says BPF_RB_FORCE_WAKEUP.
 *
 * One process reads a ring. Where libbpf's ring_buffer reads it too, each takes away what
 * the other has not read; the two may take turns while no record is kept here.
 *
 * Returns: the record, at a multiple of 8 bytes, for reading only; NULL on error.
 * Errors (errno):
 *   EAGAIN   no record is finished: wait
 *   ENOENT   @p is not in the memory of a map
 *   ENOTSUP  it is a map of another type
 *   ESTALE   it was closed; or SIGSEGV, as for any access
 *   EBADMSG  the positions in the ring make no sense: another process wrote there
 *   EPERM    another thread has read the ring until now, and the kernel refuses
 *            membarrier(2), which it allowed when the ring was mapped
 * Context: any thread; not in a signal handler. As long as one thread reads a ring and
 * releases its records it needs no atomic operations; another that comes waits until it
 * is out of its call, and after a few such moves all are lock-free.
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE const void *foster_ringbuf_next(const void *p,
							      size_t *bytes);

/**
 * foster_ringbuf_release - give a record back to the kernel
 * @record: what foster_ringbuf_next() returned.
 *
 * In any order, from any thread. The kernel reuses the room once all older records are
 * released too. The pointer still keeps the ring mapped, but what it points to changes.
 *
 * Returns: 0.
 * Errors:
 *   -EINVAL   @record is not in the data of the ring, was not handed out, or was released
 *             already.  (The middle of a record is not told from a beginning; to release
 *             it does nothing.)
 *   -ENOENT   it is not in the memory of a map
 *   -ENOTSUP  it is a map of another type
 *   -ESTALE   it was closed; or SIGSEGV, as for any access
 *   -EPERM    as foster_ringbuf_next(); the record is kept
 * Context: as foster_ringbuf_next().
 * Since: 0.1
 */
FOSTER_PUBLIC int foster_ringbuf_release(const void *record);

/**
 * struct foster_record - a record of a ring buffer
 * @data: at a multiple of 8 bytes, for reading only; keeps the ring mapped.
 * @bytes: of the record.
 */
struct foster_record {
	const void *data;
	size_t bytes;
};

/**
 * foster_ringbuf_read - the next records of a ring buffer, many at once
 * @p: as for foster_ringbuf_next().
 * @records: out; room for @count.
 * @count: how many at most.
 *
 * As foster_ringbuf_next(), and faster.
 *
 * Returns: how many; 0 where none is finished.
 * Errors:
 *   -EINVAL  @count is less than 1
 *   -ENOENT, -ENOTSUP, -ESTALE, -EBADMSG, -EPERM  as foster_ringbuf_next()
 * Context: as foster_ringbuf_next().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_MUST_USE FOSTER_NONNULL(2) int foster_ringbuf_read(
	const void *p, struct foster_record *records, int count);

/**
 * foster_ringbuf_release_all - give records back to the kernel, many at once
 * @records: of one ring, in any order; their bytes are not looked at.
 * @count: how many.
 *
 * Returns: 0.
 * Errors:
 *   -EINVAL  one of them is none of this ring, or was released already; the others are
 *            released; or @count is negative
 *   -ENOENT, -ENOTSUP, -ESTALE, -EPERM  the first one is, as foster_ringbuf_release()
 *            says; nothing was released
 * Context: as foster_ringbuf_next().
 * Since: 0.1
 */
FOSTER_PUBLIC FOSTER_NONNULL(1) int
foster_ringbuf_release_all(const struct foster_record *records, int count);

/*
 * ------------------------------------------------------------------------------ reasons
 */

/**
 * foster_bpf_strerror - why the last call of this library failed on this thread
 *
 * Returns: a sentence without a full stop, or "" where nothing failed yet. It stays valid
 * until
 *   the thread's next call of this library, or its end.
 * Errors: never fails.
 * Context: any thread; not in a signal handler.
 * Since: 0.1
 */
FOSTER_PUBLIC const char *foster_bpf_strerror(void);

#ifdef __cplusplus
}
#endif

#endif /* FOSTER_BPF_H */
