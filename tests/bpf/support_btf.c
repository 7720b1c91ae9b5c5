// SPDX-License-Identifier: BSD-2-Clause
#include "support_btf.h"


void draft_begin(struct draft *draft)
{
	libbpf_set_print(NULL);
	draft->count = 0;
	draft->btf = btf__new_empty();
	assert_non_null(draft->btf);
}

static void add(struct draft *draft, const char *name, int type, __u32 offset,
		__u32 bytes, int linkage)
{
	assert_true(type > 0);
	assert_true(draft->count < DRAFT_VARIABLES);
	draft->variable[draft->count].name = name;
	draft->variable[draft->count].type = type;
	draft->variable[draft->count].offset = offset;
	draft->variable[draft->count].bytes = bytes;
	draft->variable[draft->count].linkage = linkage;
	draft->count++;
}

void draft_variable(struct draft *draft, const char *name, int type, __u32 offset,
		    __u32 bytes)
{
	add(draft, name, type, offset, bytes, BTF_VAR_GLOBAL_ALLOCATED);
}

void draft_static(struct draft *draft, const char *name, int type, __u32 offset,
		  __u32 bytes)
{
	add(draft, name, type, offset, bytes, BTF_VAR_STATIC);
}

/* Loads the BTF and makes the map, which holds it from then on. */
static int make_map(struct draft *draft, int value_type, int key_type, __u32 bytes,
		    __u32 entries, __u32 flags)
{
	int fd, r = btf__load_into_kernel(draft->btf);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | flags,
		    .btf_value_type_id = (__u32)value_type,
		    .btf_key_type_id = (__u32)key_type);

	if (r < 0)
		test_say("no BTF: %s", strerror(-r));
	skip_without_bpf(r, "BTF");
	assert_int_equal(r, 0);
	opts.btf_fd = (__u32)btf__fd(draft->btf);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test.map", sizeof(__u32), bytes, entries,
			    &opts);
	skip_without_bpf(fd, "an array map");
	if (fd < 0)
		test_say("no map of the BTF: %s", strerror(errno));
	assert_true(fd >= 0);
	btf__free(draft->btf);
	return fd;
}

int draft_section(struct draft *draft, const char *section, __u32 bytes, __u32 flags)
{
	int number[DRAFT_VARIABLES], id;

	for (size_t i = 0; i < draft->count; i++)
		number[i] = btf__add_var(draft->btf, draft->variable[i].name,
					 draft->variable[i].linkage,
					 draft->variable[i].type);
	id = btf__add_datasec(draft->btf, section, bytes);
	assert_true(id > 0);
	for (size_t i = 0; i < draft->count; i++)
		assert_int_equal(btf__add_datasec_var_info(draft->btf, number[i],
							   draft->variable[i].offset,
							   draft->variable[i].bytes),
				 0);
	return make_map(draft, id, 0, bytes, 1, flags);
}

struct foster_datasec *draft_datasec(struct draft *draft, const char *section,
				     __u32 bytes, __u32 flags)
{
	int fd = draft_section(draft, section, bytes, flags);
	struct foster_datasec *ds = foster_datasec(fd);

	assert_given(ds);
	assert_int_equal(close(fd), 0);
	return ds;
}

int draft_array(struct draft *draft, int type, __u32 bytes, __u32 entries, __u32 flags)
{
	int key = btf__add_int(draft->btf, "key", 4, 0);

	assert_true(type > 0);
	assert_true(key > 0);
	return make_map(draft, type, key, bytes, entries, flags);
}

int small_section(__u32 flags)
{
	struct draft draft;

	draft_begin(&draft);
	draft_variable(&draft, "hits", btf__add_int(draft.btf, "__u64", 8, 0), 0, 8);
	return draft_section(&draft, ".bss", 8, flags);
}

struct foster_datasec *small_datasec(void)
{
	int fd = small_section(0);
	struct foster_datasec *ds = foster_datasec(fd);

	assert_non_null(ds);
	assert_int_equal(close(fd), 0);
	return ds;
}
