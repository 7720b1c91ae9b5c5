// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/path.h"

#include <errno.h>
#include <string.h>

/* Unnamed structs in unnamed structs. */
#define NESTED 16

/* Nobody writes more. */
#define LETTERS 4096

/* A number that a path may have in brackets has so many digits. */
#define DIGITS 9

/*
 * Where the members of a struct lie that is itself a member of the one that was asked
 * for.
 */
struct level {
	const struct btf_type *type;
	uint32_t next; /* member to look at */
	uint64_t bit;
};

static bool is_struct(int kind)
{
	return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

/* What a member's offset and size say; old BTF keeps a bit-field's width in its type. */
static void place_member(const struct types *types, const struct level *level,
			 const struct btf_member *member, struct place *place)
{
	const struct btf_type *type = types_at(types, member->type);

	place->id = member->type;
	place->bits = 0;
	if (BTF_INFO_KFLAG(level->type->info)) {
		place->bit = level->bit + BTF_MEMBER_BIT_OFFSET(member->offset);
		place->bits = BTF_MEMBER_BITFIELD_SIZE(member->offset);
		return;
	}
	place->bit = level->bit + member->offset;
	if (type && BTF_INFO_KIND(type->info) == BTF_KIND_INT) {
		const uint32_t *ints = types_behind(type);

		if (BTF_INT_BITS(*ints) != (uint64_t)type->size * 8)
			place->bits = BTF_INT_BITS(*ints);
		place->bit += BTF_INT_OFFSET(*ints);
	}
}

/* Goes into an unnamed struct or union. */
static int descend(struct types *types, struct level *levels, int *depth, uint32_t id,
		   uint64_t bit)
{
	bool is_const = false;
	const int kind = types_bare(types, &id, &is_const);

	if (kind < 0)
		return kind;
	if (!is_struct(kind) || *depth + 1 == NESTED)
		return 0;
	levels[++*depth] = (struct level){ types_at(types, id), 0, bit };
	return 0;
}

/* Is the name the first letters of the path, so many of them? */
static bool is_name(const char *name, const char *path, size_t len)
{
	return strncmp(name, path, len) == 0 && !name[len];
}

/* The member that is called by the first letters of the path. */
static int find_member(struct types *types, const struct btf_type *type, uint64_t bit,
		       const char *path, size_t len, struct place *place,
		       struct nearest *near)
{
	struct level levels[NESTED] = { { type, 0, bit } };
	int depth = 0;

	while (depth >= 0) {
		struct level *level = &levels[depth];
		const struct btf_member *member = types_behind(level->type);
		const char *name;
		int r;

		if (!types_step(types))
			return -EBADMSG;
		if (level->next == BTF_INFO_VLEN(level->type->info)) {
			depth--;
			continue;
		}
		member += level->next++;
		place_member(types, level, member, place);
		name = types_string(types, member->name_off);
		if (*name && is_name(name, path, len))
			return 0;
		nearest_offer(near, name);
		if (!*name) {
			r = descend(types, levels, &depth, member->type, place->bit);
			if (r < 0)
				return r;
		}
	}
	return -ENOENT;
}

/* "[3]" at the beginning of a path.  Returns how many letters it has, or -EINVAL. */
static int parse_index(const char *path, uint64_t *index)
{
	const size_t digits = strspn(path + 1, "0123456789");

	if (digits == 0 || digits > DIGITS || path[1 + digits] != ']')
		return -EINVAL;
	*index = 0;
	for (size_t i = 1; i <= digits; i++)
		*index = *index * 10 + (uint64_t)(path[i] - '0');
	return (int)digits + 2;
}

/* From an array to one of its elements. */
static int take_element(struct types *types, uint64_t index, struct place *place)
{
	bool is_const = false;
	const int kind = types_bare(types, &place->id, &is_const);
	const struct btf_array *array;
	uint64_t bytes;
	int r;

	if (kind != BTF_KIND_ARRAY)
		return kind < 0 ? kind : -ENOENT;
	array = types_behind(types_at(types, place->id));
	if (index >= array->nelems)
		return -ERANGE;
	r = types_size(types, array->type, &bytes);
	if (r < 0)
		return r;
	if (bytes > UINT64_MAX / 8 || __builtin_mul_overflow(bytes * 8, index, &index) ||
	    __builtin_add_overflow(place->bit, index, &place->bit))
		return -EBADMSG;
	place->id = array->type;
	return 0;
}

/* A member's name, at the beginning or behind a dot. */
static int take_member(struct types *types, const char *path, size_t len,
		       struct place *place, struct nearest *near)
{
	uint32_t id = place->id;
	bool is_const = false;
	const int kind = types_bare(types, &id, &is_const);

	if (kind < 0)
		return kind;
	if (!len)
		return -EINVAL;
	nearest_begin(near, path, len);
	if (!is_struct(kind))
		return -ENOENT;
	return find_member(types, types_at(types, id), place->bit, path, len, place,
			   near);
}

/* What comes next on the path; returns how many letters that was. */
static int take_part(struct types *types, const char *path, struct place *place,
		     struct nearest *near)
{
	size_t len;
	int r;

	if (*path == '[') {
		uint64_t index;
		const int letters = parse_index(path, &index);

		r = letters < 0 ? letters : take_element(types, index, place);
		return r < 0 ? r : letters;
	}
	if (*path != '.')
		return -EINVAL;
	len = strcspn(path + 1, ".[");
	r = take_member(types, path + 1, len, place, near);
	return r < 0 ? r : (int)len + 1;
}

int path_find(struct types *types, uint32_t id, const char *path, struct place *place,
	      struct nearest *near)
{
	const size_t len = strcspn(path, ".[");
	int r;

	*place = (struct place){ .id = id };
	nearest_begin(near, path, 0);
	if (strnlen(path, LETTERS + 1) > LETTERS)
		return -EINVAL;
	r = take_member(types, path, len, place, near);
	for (path += len; r >= 0 && *path; path += r > 0 ? r : 0)
		r = take_part(types, path, place, near);
	return r < 0 ? r : 0;
}
