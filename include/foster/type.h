/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Types as data: what the compiler knows of a type, to be compared at run time with what
 * the kernel says of a variable. For C11 and C++17, gcc and clang.
 *
 * A type that a macro of foster takes may be
 *
 *   a type name                   __u32, struct slot, const char[16], _Atomic long
 *   a struct and its layout       FOSTER_STRUCT(struct slot, hits, bytes)
 *
 * The first form of a struct is compared by its size, the second also member by member.
 */
#ifndef FOSTER_TYPE_H
#define FOSTER_TYPE_H

#include <stddef.h>
#include <stdint.h>

#include <foster/each.h>

#ifdef __cplusplus
#include <atomic>
#include <type_traits>
#include <utility>
#endif

/* What a type is, below its array dimensions. */
enum foster_kind {
	FOSTER_KIND_SIGNED = 1,	  /* integers; in C the enums too */
	FOSTER_KIND_UNSIGNED = 2,
	FOSTER_KIND_CHAR = 3,	  /* plain char: its sign is the compiler's choice */
	FOSTER_KIND_BOOL = 4,
	FOSTER_KIND_FLOAT = 5,
	FOSTER_KIND_POINTER = 6,
	FOSTER_KIND_STRUCT = 7,
	FOSTER_KIND_UNION = 8,
	FOSTER_KIND_ENUM = 9,	  /* of a variable; no foster_type has it */
	FOSTER_KIND_OTHER = 10,	  /* matches nothing */
	FOSTER_KIND_PAD = 1 << 30,
};

#define FOSTER_TYPE_CONST 0x1u /* for reading only */

/* Dimensions of an array: as many as a foster_type has room for. */
#define FOSTER_DIMENSIONS 4

/**
 * struct foster_type - a type of the program
 * @size: sizeof(struct foster_type).
 * @name: as the program spells it; for messages.
 * @bytes: its sizeof.
 * @align: its alignment.
 * @kind: enum foster_kind, of the innermost element of an array.
 * @flags: FOSTER_TYPE_*.
 * @dimensions: 0 for what is no array.
 * @element: bytes of an element of each dimension, the outermost first.
 * @members: the layout of a struct or union; NULL: by size only.
 * @member_count: how many.
 *
 * Made by FOSTER_TYPE().
 */
struct foster_type {
	size_t size;
	const char *name;
	size_t bytes;
	size_t align;
	uint32_t kind;
	uint32_t flags;
	uint32_t dimensions;
	uint32_t member_count;
	size_t element[FOSTER_DIMENSIONS];
	const struct foster_member *members;
};

/**
 * struct foster_member - a member of a struct of the program
 * @name: "hits", "last.run" or "slots[3].hits".
 * @offset: bytes from the start of the struct; of no meaning for a bit-field.
 * @type: NULL for a bit-field.
 * @bit: the first bit of a bit-field, counted in memory from the start of the struct.
 * @bits: its width; 0 where it is none.
 * @kind: of a bit-field: FOSTER_KIND_SIGNED or FOSTER_KIND_UNSIGNED.
 */
struct foster_member {
	const char *name;
	size_t offset;
	const struct foster_type *type;
	size_t bit;
	uint32_t bits;
	uint32_t kind;
};

/**
 * FOSTER_TYPE - describe a type
 * @type: a type, or FOSTER_STRUCT().
 *
 * In C it stands inside a function, and the description lives to the end of the block. In
 * C++ it lives for ever.
 *
 * Returns: a pointer to a struct foster_type.
 * Errors: never fails.
 * Context: any.
 * Since: 0.1
 */
#define FOSTER_TYPE(type) FOSTER_TYPE_(type)

/**
 * FOSTER_STRUCT - a struct or union with its layout
 * @type: the struct or union.
 * The rest: its members that shall be compared, up to 64: hits, a path into it (last.run,
 *	slots[3].hits), or FOSTER_BITS(flag) for a bit-field.
 *
 * Stands where a macro of foster takes a type. Each member must be a member of the
 * variable's type too, with the same name, offset and type; members that are not listed
 * are not compared. To write it once, #define SLOT FOSTER_STRUCT(struct slot, hits,
 * bytes).
 *
 * Returns: the type and the members, as arguments of the macro around it.
 * Errors: never fails.
 * Context: any.
 * Since: 0.1
 */
#define FOSTER_STRUCT(type, ...) type, __VA_ARGS__

/**
 * FOSTER_BITS - a bit-field among the members of FOSTER_STRUCT()
 * @member: the bit-field.
 *
 * Returns: the member, for FOSTER_STRUCT().
 * Errors: never fails.
 * Context: as FOSTER_STRUCT().
 * Since: 0.1
 */
#define FOSTER_BITS(member) (member)

/*
 * What follows is for the macros above. Names that end in _, or in _ and a number, are
 * not for users: foster_bpf(7) says so.
 */

#ifdef __SIZEOF_INT128__
__extension__ typedef __int128 foster_int128_;
__extension__ typedef unsigned __int128 foster_uint128_;
#else
typedef struct {
	int none;
} foster_int128_;
typedef struct {
	int none;
} foster_uint128_;
#endif

/*
 * A bit-field cannot be asked for its place.  A sample with all bits set but those of the
 * bit-field tells it; bits are counted as BTF counts them.
 */
static inline struct foster_member foster_bits_(const char *name, const void *sample,
						size_t bytes, int negative)
{
	struct foster_member member = {
		name, 0, NULL, 0, 0,
		(uint32_t)(negative ? FOSTER_KIND_SIGNED : FOSTER_KIND_UNSIGNED)
	};
	size_t i;

	for (i = 0; i < bytes * 8; i++) {
		const unsigned int byte = ((const unsigned char *)sample)[i / 8];
		const size_t end = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 7 : 0;
		const size_t bit = end ^ i % 8;

		if (byte >> bit & 1)
			continue;
		if (!member.bits++)
			member.bit = i;
	}
	return member;
}

#define FOSTER_SAMPLED_(m, text, give_back)                           \
	__builtin_memset((void *)&sample_, 0xff, sizeof(sample_));    \
	const int negative_ = !(sample_.m > 0);                       \
	sample_.m = 0;                                                \
	give_back foster_bits_(text, &sample_, sizeof(sample_), negative_);

/*
 * FOSTER_BITS() puts its argument in parentheses: a macro that is called by them tells.
 */
#define FOSTER_MEMBER_(T, m) \
	FOSTER_PASTE_(FOSTER_MEMBER_, FOSTER_IN_PARENTHESES_(m))(T, m)
#define FOSTER_IN_PARENTHESES_(m) FOSTER_SECOND_(FOSTER_CALLED_ m, 0)
#define FOSTER_CALLED_(m) ~, 1
#define FOSTER_BARE_(m) m

#define FOSTER_MEMBER_0(T, m)                                       \
	{                                                           \
		FOSTER_TEXT_(m), offsetof(__typeof__(T), m),        \
		FOSTER_MEMBER_TYPE_(T, m), 0, 0, 0                  \
	}
#define FOSTER_MEMBER_1(T, m) FOSTER_MEMBER_BITS_(T, FOSTER_BARE_ m)
#define FOSTER_MEMBER_BITS_(T, m) FOSTER_SAMPLE_(T, m, FOSTER_TEXT_(m))
#define FOSTER_NO_MEMBER_(T) { NULL, 0, NULL, 0, 0, 0 }
#define FOSTER_MEMBERS_(...) \
	{ FOSTER_EACH_(FOSTER_MEMBER_, FOSTER_NO_MEMBER_, __VA_ARGS__) }

#ifdef __cplusplus

namespace foster_detail
{
/* What lies below dimensions, qualifiers and std::atomic. */
template <typename T> struct no_atomic {
	using type = T;
};
template <typename T> struct no_atomic<std::atomic<T>> {
	using type = T;
};
template <typename T>
using innermost =
	typename no_atomic<std::remove_cv_t<std::remove_all_extents_t<T>>>::type;

template <typename T> constexpr foster_kind sign_of()
{
	return T(-1) < T(0) ? FOSTER_KIND_SIGNED : FOSTER_KIND_UNSIGNED;
}

/* __int128 is an integer to the library only with the extensions of gnu++17. */
template <typename T> constexpr foster_kind kind_of()
{
	using bare = innermost<T>;

	if constexpr (std::is_enum_v<bare>)
		return kind_of<std::underlying_type_t<bare>>();
	else if constexpr (std::is_same_v<bare, bool>)
		return FOSTER_KIND_BOOL;
	else if constexpr (std::is_same_v<bare, char>)
		return FOSTER_KIND_CHAR;
	else if constexpr (std::is_integral_v<bare> ||
			   std::is_same_v<bare, foster_int128_> ||
			   std::is_same_v<bare, foster_uint128_>)
		return sign_of<bare>();
	else if constexpr (std::is_floating_point_v<bare>)
		return FOSTER_KIND_FLOAT;
	else if constexpr (std::is_pointer_v<bare>)
		return FOSTER_KIND_POINTER;
	else if constexpr (std::is_union_v<bare>)
		return FOSTER_KIND_UNION;
	else
		return std::is_class_v<bare> ? FOSTER_KIND_STRUCT : FOSTER_KIND_OTHER;
}

template <typename T>
constexpr foster_type describe(const char *name, const foster_member *members,
			       uint32_t count)
{
	static_assert(std::is_object_v<T>,
		      "the type of a variable is no reference or function");
	static_assert(std::rank_v<T> <= FOSTER_DIMENSIONS, "too many dimensions");

	return { sizeof(foster_type),
		 name,
		 sizeof(T),
		 alignof(T),
		 kind_of<T>(),
		 std::is_const_v<std::remove_all_extents_t<T>> ? FOSTER_TYPE_CONST : 0,
		 std::rank_v<T>,
		 count,
		 { sizeof(std::remove_extent_t<T>),
		   sizeof(std::remove_extent_t<std::remove_extent_t<T>>),
		   sizeof(std::remove_extent_t<
			   std::remove_extent_t<std::remove_extent_t<T>>>),
		   sizeof(std::remove_all_extents_t<T>) },
		 members };
}

/* The type of a member has no name of its own: messages name the member. */
template <typename T>
inline constexpr foster_type member_type = describe<T>("", nullptr, 0);

template <typename T> T *pointer_to(void *p)
{
	return static_cast<T *>(p);
}
} // namespace foster_detail

#define FOSTER_MEMBER_TYPE_(T, m)         \
	&::foster_detail::member_type<    \
		std::remove_reference_t<decltype(std::declval<__typeof__(T) &>().m)>>

#define FOSTER_SAMPLE_(T, m, text)                       \
	[] {                                             \
		std::remove_cv_t<__typeof__(T)> sample_; \
		FOSTER_SAMPLED_(m, text, return)         \
	}()

#define FOSTER_TYPE_(...)                                                            \
	([]() -> const ::foster_type * {                                             \
		using type_ = __typeof__(FOSTER_FIRST_(__VA_ARGS__));                \
		static const ::foster_member members_[] = FOSTER_MEMBERS_(__VA_ARGS__); \
		static const ::foster_type described_ =                              \
			::foster_detail::describe<type_>(                            \
				FOSTER_TEXT_(FOSTER_FIRST_(__VA_ARGS__)), members_,  \
				FOSTER_COUNT_(__VA_ARGS__));                         \
		return &described_;                                                  \
	}())

#define FOSTER_POINTER_TO_(T, p) (::foster_detail::pointer_to<__typeof__(T)>(p))

#else

/*
 * An array that is used as a value becomes a pointer, and with that another type; nothing
 * else does. (To clang an _Atomic type becomes another one, too.) p is a pointer to the
 * type in question, to nowhere: nothing here is evaluated.
 */
#define FOSTER_VALUE_(p) __typeof__(((void)0, *(p)))
#define FOSTER_SAME_(p, type) __builtin_types_compatible_p(__typeof__(*(p)), type)
#ifdef __clang__
#define FOSTER_IS_ARRAY_(p)                    \
	(!FOSTER_SAME_(p, FOSTER_VALUE_(p)) && \
	 !FOSTER_SAME_(p, _Atomic(FOSTER_VALUE_(p))))
#else
#define FOSTER_IS_ARRAY_(p) (!FOSTER_SAME_(p, FOSTER_VALUE_(p)))
#endif

/* A pointer to the first element of an array; p itself for all else. */
#define FOSTER_INTO_(p) __builtin_choose_expr(FOSTER_IS_ARRAY_(p), ((void)0, *(p)), (p))

/* __builtin_classify_type() tells the types apart that _Generic would have to name. */
#define FOSTER_KIND_(p)                                              \
	_Generic(*(p),                                               \
		_Bool: FOSTER_KIND_BOOL,                             \
		char: FOSTER_KIND_CHAR,                              \
		signed char: FOSTER_KIND_SIGNED,                     \
		short: FOSTER_KIND_SIGNED,                           \
		int: FOSTER_KIND_SIGNED,                             \
		long: FOSTER_KIND_SIGNED,                            \
		long long: FOSTER_KIND_SIGNED,                       \
		foster_int128_: FOSTER_KIND_SIGNED,                  \
		unsigned char: FOSTER_KIND_UNSIGNED,                 \
		unsigned short: FOSTER_KIND_UNSIGNED,                \
		unsigned int: FOSTER_KIND_UNSIGNED,                  \
		unsigned long: FOSTER_KIND_UNSIGNED,                 \
		unsigned long long: FOSTER_KIND_UNSIGNED,            \
		foster_uint128_: FOSTER_KIND_UNSIGNED,               \
		default: FOSTER_KIND_OF_CLASS_(__builtin_classify_type(*(p))))
#define FOSTER_KIND_OF_CLASS_(class)              \
	((class) == 5	 ? FOSTER_KIND_POINTER :  \
	 (class) == 8	 ? FOSTER_KIND_FLOAT :    \
	 (class) == 12 ? FOSTER_KIND_STRUCT :     \
	 (class) == 13 ? FOSTER_KIND_UNION :      \
			 FOSTER_KIND_OTHER)

/* A pointer to void takes over the qualifiers of what the other pointer points to. */
#define FOSTER_IS_CONST_(p)                     \
	_Generic(1 ? (p) : (void *)1,           \
		const void *: 1,                \
		const volatile void *: 1,       \
		default: 0)

/*
 * What stands here would be spelled many times, and an error in it reported as often,
 * were it not for structs that give each step down into an array a name: of a pointer to
 * the type (0), to its elements (1), to theirs (2) and so on. They have a block of their
 * own, so that a macro may repeat its argument: assert(FOSTER_VAR(ds, int, x)).
 */
#define FOSTER_STEP_(i) (&((struct foster_step_##i##_ *)sizeof(void *))->v)
#define FOSTER_FIRST_STEP_(type)    \
	struct foster_step_0_ {     \
		__typeof__(type) v; \
	}
#define FOSTER_NEXT_STEP_(i, next)                            \
	struct foster_step_##next##_ {                        \
		__typeof__(*FOSTER_INTO_(FOSTER_STEP_(i))) v; \
	}
#define FOSTER_DIMENSION_(i) FOSTER_IS_ARRAY_(FOSTER_STEP_(i))

#define FOSTER_DESCRIBED_(type, text)                                                   \
	__extension__({                                                                 \
		FOSTER_FIRST_STEP_(type);                                               \
		FOSTER_NEXT_STEP_(0, 1);                                                \
		FOSTER_NEXT_STEP_(1, 2);                                                \
		FOSTER_NEXT_STEP_(2, 3);                                                \
		FOSTER_NEXT_STEP_(3, 4);                                                \
		(struct foster_type){                                                   \
			sizeof(struct foster_type), text, sizeof(*FOSTER_STEP_(0)),     \
			_Alignof(__typeof__(*FOSTER_STEP_(0))),                         \
			FOSTER_DIMENSION_(4) ? FOSTER_KIND_OTHER :                      \
					       (uint32_t)FOSTER_KIND_(FOSTER_STEP_(4)), \
			FOSTER_IS_CONST_(FOSTER_STEP_(4)) ? FOSTER_TYPE_CONST : 0,      \
			FOSTER_DIMENSION_(0) + FOSTER_DIMENSION_(1) +                   \
				FOSTER_DIMENSION_(2) + FOSTER_DIMENSION_(3),            \
			0,                                                              \
			{ sizeof(*FOSTER_STEP_(1)), sizeof(*FOSTER_STEP_(2)),           \
			  sizeof(*FOSTER_STEP_(3)), sizeof(*FOSTER_STEP_(4)) },         \
			NULL                                                            \
		};                                                                      \
	})

/* The members live outside of the block: as long as what points to them. */
static inline struct foster_type foster_with_(struct foster_type type, uint32_t count,
					      const struct foster_member *members)
{
	type.member_count = count;
	type.members = members;
	return type;
}

#define FOSTER_TYPE_(...)                                                             \
	((const struct foster_type[1]){ foster_with_(                                 \
		FOSTER_DESCRIBED_(FOSTER_FIRST_(__VA_ARGS__),                         \
				  FOSTER_TEXT_(FOSTER_FIRST_(__VA_ARGS__))),          \
		FOSTER_COUNT_(__VA_ARGS__),                                           \
		(const struct foster_member[])FOSTER_MEMBERS_(__VA_ARGS__)) })

/* The type of a member has no name of its own: messages name the member. */
#define FOSTER_MEMBER_TYPE_(T, m)                          \
	((const struct foster_type[1]){ FOSTER_DESCRIBED_( \
		((__typeof__(T) *)sizeof(void *))->m, "") })

#define FOSTER_SAMPLE_(T, m, text)                                               \
	__extension__({                                                          \
		FOSTER_VALUE_((__typeof__(T) *)sizeof(void *)) sample_;          \
		FOSTER_SAMPLED_(m, text, )                                       \
	})

#define FOSTER_POINTER_TO_(T, p) ((__typeof__(T) *)(p))

#endif /* __cplusplus */

#endif /* FOSTER_TYPE_H */
