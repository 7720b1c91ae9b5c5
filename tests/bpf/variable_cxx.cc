// SPDX-License-Identifier: BSD-2-Clause
/* The macros of foster/bpf.h in C++: see variable_cxx.h. */
#include "variable_cxx.h"

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>

#include <foster/bpf.h>
#include <linux/types.h>

#include "kinds.h"

#define PADDED FOSTER_STRUCT(kinds_padded, first, second, third, last, end)
#define BITS FOSTER_STRUCT(struct kinds_bits, FOSTER_BITS(low), FOSTER_BITS(high), whole)
#define NUMBER FOSTER_STRUCT(kinds_number, whole, parts[7])

/* Each line is a test; the first that is not true is the answer. */
#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)
#define EXPECT_REFUSED(error, call)                            \
	do {                                                   \
		errno = 0;                                     \
		EXPECT((call) == nullptr && errno == (error)); \
	} while (0)

namespace
{
enum class mode : unsigned { off, on };
struct derived : kinds_padded {
};
} // namespace

int cxx_matches(const struct foster_datasec *bss)
{
	std::size_t count = 0;

	EXPECT(FOSTER_VAR(bss, __u64, runs));
	EXPECT(FOSTER_VAR(bss, unsigned long, runs));
	EXPECT(FOSTER_VAR(bss, volatile __u64, runs));
	EXPECT(FOSTER_VAR(bss, const __u64, runs));
	EXPECT(FOSTER_VAR(bss, __s64, balance));
	EXPECT(FOSTER_VAR(bss, char, letter));
	EXPECT(FOSTER_VAR(bss, bool, flag));
	EXPECT(FOSTER_VAR(bss, enum kinds_mode, mode));
	EXPECT(FOSTER_VAR(bss, ::mode, mode));
	EXPECT(FOSTER_VAR(bss, void *, pointer));
	EXPECT(FOSTER_VAR(bss, std::byte *, pointer));
	EXPECT(FOSTER_VAR(bss, std::byte, octet)); /* an enum of unsigned char */
	EXPECT(FOSTER_VAR(bss, kinds_padded, padded));
	EXPECT(FOSTER_VAR(bss, PADDED, padded));
	EXPECT(FOSTER_VAR(bss, const PADDED, padded));
	EXPECT(FOSTER_VAR(bss, BITS, bits));
	EXPECT(FOSTER_VAR(bss, NUMBER, number));
	EXPECT(FOSTER_VAR(bss, __u32[3][4], grid));
	EXPECT(FOSTER_ARRAY(bss, __u32[4], grid, &count));
	EXPECT(count == 3);
	EXPECT(FOSTER_ARRAY(bss, PADDED, rows, &count));
	EXPECT(count == KINDS_ROWS);
	EXPECT(foster_var(bss, "count_calls.calls", FOSTER_TYPE(__u32)));
	return 0;
}

int cxx_refusals(const struct foster_datasec *bss, const struct foster_datasec *rodata)
{
	struct other_bits {
		__u32 low : 4;
		__u32 whole;
	};

	EXPECT_REFUSED(EDOM, FOSTER_VAR(bss, __s64, runs));
	EXPECT_REFUSED(EMSGSIZE, FOSTER_VAR(bss, __u32, runs));
	EXPECT_REFUSED(EPROTOTYPE, FOSTER_VAR(bss, double, runs));
	EXPECT_REFUSED(EPROTOTYPE, FOSTER_VAR(bss, void *, runs));
	EXPECT_REFUSED(EPROTOTYPE, FOSTER_VAR(bss, __u8, flag));
	EXPECT_REFUSED(EPROTOTYPE, FOSTER_VAR(bss, kinds_number, padded));
	EXPECT_REFUSED(EMSGSIZE, FOSTER_VAR(bss, __u32[4][3], grid));
	EXPECT_REFUSED(EPROTO,
		       FOSTER_VAR(bss, FOSTER_STRUCT(other_bits, FOSTER_BITS(low)),
				  bits));
	EXPECT_REFUSED(ENOENT, FOSTER_VAR(bss, __u64, runz));
	EXPECT_REFUSED(EACCES, FOSTER_VAR(rodata, __u32, limit));
	EXPECT(FOSTER_VAR(rodata, const __u32, limit));
	return 0;
}

int cxx_accesses(const struct foster_datasec *bss)
{
	std::atomic<__u64> *runs = FOSTER_VAR(bss, std::atomic<__u64>, runs);
	auto *width = FOSTER_VAR(bss, __u32, width);

	static_assert(sizeof(std::atomic<__u64>) == 8, "no lock beside it");
	EXPECT(runs && width);
	runs->fetch_add(3);
	FOSTER_WRITE(*width, 5u);
	EXPECT(FOSTER_READ(*width) == 5);
	assert(FOSTER_VAR(bss, __u64, runs));
	EXPECT(FOSTER_VAR(bss, derived, padded));
	return 0;
}
