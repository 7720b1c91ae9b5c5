// SPDX-License-Identifier: BSD-2-Clause
/* The functions of libfoster-bpf, while each of the calls they make fails in turn (sweep.h). */
#include "../failing.h"
#include "../sweep.h"
#include "support_btf.h"

/* ------------------------------------------------------------------- libbpf's functions */

int __real_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size);
int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size);
int __wrap_bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size)
{
	if (!failing_turn("bpf_obj_get_info_by_fd"))
		return __real_bpf_obj_get_info_by_fd(fd, info, size);
	errno = ENOMEM;
	return -ENOMEM;
}

int __real_bpf_btf_get_fd_by_id(__u32 id);
int __wrap_bpf_btf_get_fd_by_id(__u32 id);
int __wrap_bpf_btf_get_fd_by_id(__u32 id)
{
	if (!failing_turn("bpf_btf_get_fd_by_id"))
		return __real_bpf_btf_get_fd_by_id(id);
	errno = EPERM;
	return -EPERM;
}

/* -------------------------------------------------------------------------- the trials */

static int map = -1;

/* EBADF: fcntl(2) fails of a descriptor that is not open only. */
#define LACKS_OF_BPF ENOMEM, EAGAIN, EPERM, EBADF, EMFILE

static int answer(struct scene *s)
{
	const int error = errno;

	must(s->p || *foster_bpf_strerror());
	return s->p ? 0 : -error;
}

static void prepare_section(struct scene *s UNUSED)
{
	map = small_section(0);
}

static int call_datasec(struct scene *s)
{
	s->p = foster_datasec(map);
	return answer(s);
}

static void undo_datasec(struct scene *s)
{
	__u64 *hits = FOSTER_VAR(s->p, __u64, hits);

	must(hits);
	FOSTER_WRITE(*hits, 7);
	must(mapped_maps() == 1);
	must(foster_close(hits) == 0);
	must(foster_close(s->p) == 0);
	must(mapped_maps() == 0);
}

/* The memory is mapped first; where even close fails, it goes with the next collection. */
SURVIVES(foster_datasec_survives_each_failing_call, { .call = call_datasec,
						      .prepare = prepare_section,
						      .undo = undo_datasec,
						      .later = true,
						      .errors = { LACKS_OF_BPF } })

static int call_map(struct scene *s)
{
	s->p = foster_bpf_map(map);
	return answer(s);
}

static void undo_map(struct scene *s)
{
	must(FOSTER_AT(s->p, __u64, 0));
	must(foster_close(s->p) == 0);
	must(mapped_maps() == 0);
}

SURVIVES(foster_bpf_map_survives_each_failing_call, { .call = call_map,
						      .prepare = prepare_section,
						      .undo = undo_map,
						      .errors = { LACKS_OF_BPF } })

static void *volatile values;

static void prepare_array(struct scene *s UNUSED)
{
	struct draft draft;

	draft_begin(&draft);
	map = draft_array(&draft, btf__add_int(draft.btf, "__u64", 8, 0), 8, 4, 0);
	values = foster_bpf_map(map);
	must(values);
}

/* The first time it reads BTF. */
static int call_element(struct scene *s)
{
	s->p = FOSTER_ELEM(values, __u64, 3);
	return answer(s);
}

static void undo_element(struct scene *s)
{
	must((char *)s->p == (char *)values + 24);
	must(foster_close(values) == 0);
}

SURVIVES(foster_elem_survives_each_failing_call, { .call = call_element,
						   .prepare = prepare_array,
						   .undo = undo_element,
						   .errors = { LACKS_OF_BPF } })

/* ------------------------------------------------------------------- mapped only once */

static void prepare_ring(struct scene *s UNUSED)
{
	map = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, 4096, NULL);
	must(map >= 0);
}

static void undo_ring(struct scene *s)
{
	must(foster_bpf_map(map) == s->p);
	must(!foster_ringbuf_next(s->p, NULL) && errno == EAGAIN);
	must(foster_close(s->p) == 0);
	must(mapped_maps() == 0);
}

SURVIVES(a_ring_survives_each_failing_call, { .call = call_map,
					      .prepare = prepare_ring,
					      .undo = undo_ring,
					      .later = true,
					      .errors = { LACKS_OF_BPF } })

#define MAP_TYPE_ARENA 33

static void prepare_arena(struct scene *s UNUSED)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	map = bpf_map_create((enum bpf_map_type)MAP_TYPE_ARENA, "arena", 0, 0, 16, &opts);
}

/* A kernel before 6.9 has none. */
static int call_arena(struct scene *s)
{
	if (map < 0) {
		s->p = NULL;
		return -ENOTSUP;
	}
	return call_map(s);
}

static void undo_arena(struct scene *s)
{
	*(char *)s->p = 1;
	must(foster_bpf_map(map) == s->p);
	must(foster_close(s->p) == 0);
	must(mapped_maps() == 0);
}

SURVIVES(an_arena_survives_each_failing_call, { .call = call_arena,
						.prepare = prepare_arena,
						.undo = undo_arena,
						.errors = { LACKS_OF_BPF } })
