// SPDX-License-Identifier: BSD-2-Clause
/*
 * From the outside in a type reads: array of 4, pointer to, const, struct slot. C begins
 * with the inside, so what is met goes to the front; but for dimensions, which go to the
 * end in the order they are met. A pointer to an array is spelled "int[4] *", which is
 * not C, but clear.
 */
#include "bpf/spelling.h"

#include <stdio.h>
#include <string.h>

/* A type of more steps is cut there; so a loop ends. */
#define DEPTH 16

/* What was spelled so far stands at the end of the text. */
struct front {
	size_t at; /* the first byte of it */
	char text[256];
	char qualifiers
		[40]; /* met since the last star or dimension, each with a blank behind */
	char dimensions[64]; /* met since the last star */
};

static void push(struct front *front, const char *text)
{
	size_t len = strlen(text);

	if (len > front->at)
		len = front->at;
	front->at -= len;
	memcpy(front->text + front->at, text, len);
}

/* A word has a blank behind it, but for the end and a dimension. */
static void push_word(struct front *front, const char *word)
{
	const char next = front->text[front->at];

	if (next && next != '[')
		push(front, " ");
	push(front, word);
}

static void push_dimensions(struct front *front)
{
	push(front, front->dimensions);
	front->dimensions[0] = 0;
}

/* "*", or "*const" where the pointer itself is constant. */
static void push_star(struct front *front)
{
	const size_t len = strlen(front->qualifiers);

	push_dimensions(front);
	if (len) {
		front->qualifiers[len - 1] = 0;
		push_word(front, front->qualifiers);
		front->qualifiers[0] = 0;
	}
	push(front, "*");
}

static void note(char *list, size_t size, const char *text)
{
	const size_t len = strlen(list);

	snprintf(list + len, size - len, "%s", text);
}

static void note_dimension(struct front *front, const struct btf_array *array)
{
	char text[16];

	snprintf(text, sizeof(text), "[%u]", array->nelems);
	note(front->dimensions, sizeof(front->dimensions), text);
}

static const char *tag_of(const struct btf_type *type)
{
	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_STRUCT:
		return "struct ";
	case BTF_KIND_UNION:
		return "union ";
	case BTF_KIND_FWD:
		return BTF_INFO_KFLAG(type->info) ? "union " : "struct ";
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return "enum ";
	default:
		return "";
	}
}

/* The innermost, with its qualifiers before it. */
static void push_name(struct front *front, const struct types *types,
		      const struct btf_type *type)
{
	const char *name = type ? types_string(types, type->name_off) : "void";
	char text[SPELLING_BYTES];

	if (!*name)
		name = BTF_INFO_KIND(type->info) == BTF_KIND_FUNC_PROTO ? "function"
									: "{...}";
	snprintf(text, sizeof(text), "%s%s", type ? tag_of(type) : "", name);
	push_dimensions(front);
	push_word(front, text);
	push(front, front->qualifiers);
}

static const char *qualifier_of(uint32_t kind)
{
	switch (kind) {
	case BTF_KIND_CONST:
		return "const ";
	case BTF_KIND_VOLATILE:
		return "volatile ";
	case BTF_KIND_RESTRICT:
		return "restrict ";
	case BTF_KIND_TYPE_TAG:
		return "";
	default:
		return NULL;
	}
}

/* One type from the outside in.  True: *id is the next; false: that was the innermost. */
static bool spell(struct front *front, const struct types *types, uint32_t *id)
{
	const struct btf_type *type = types_at(types, *id);
	const uint32_t kind = type ? BTF_INFO_KIND(type->info) : BTF_KIND_UNKN;
	const char *qualifier = qualifier_of(kind);

	if (kind == BTF_KIND_ARRAY) {
		const struct btf_array *array = types_behind(type);

		note_dimension(front, array);
		*id = array->type;
		return true;
	}
	if (kind == BTF_KIND_PTR)
		push_star(front);
	else if (qualifier)
		note(front->qualifiers, sizeof(front->qualifiers), qualifier);
	else
		push_name(front, types, type);
	if (kind != BTF_KIND_PTR && !qualifier)
		return false;
	*id = type->type;
	return true;
}

struct spelling spelling_of(const struct types *types, uint32_t id)
{
	struct front front = { .at = sizeof(front.text) - 1 };
	struct spelling spelling;
	int depth = 0;

	while (depth < DEPTH && spell(&front, types, &id))
		depth++;
	if (depth == DEPTH)
		push_word(&front, "...");
	if (snprintf(spelling.text, sizeof(spelling.text), "%s", front.text + front.at) >=
	    (int)sizeof(spelling.text))
		memcpy(spelling.text + sizeof(spelling.text) - 4, "...", 4);
	return spelling;
}
