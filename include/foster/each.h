/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting the arguments of a macro, and doing something with each.  Not for users. */
#ifndef FOSTER_EACH_H
#define FOSTER_EACH_H

/* How many members FOSTER_STRUCT() takes. */
enum {
	FOSTER_MEMBERS = 64
};

/* The last argument is empty: ISO C wants one for the dots. */
#define FOSTER_FIRST_(...) FOSTER_FIRST_OF_(__VA_ARGS__, )
#define FOSTER_FIRST_OF_(first, ...) first
#define FOSTER_SECOND_(...) FOSTER_SECOND_OF_(__VA_ARGS__, )
#define FOSTER_SECOND_OF_(first, second, ...) second
#define FOSTER_PASTE_(a, b) FOSTER_PASTED_(a, b)
#define FOSTER_PASTED_(a, b) a##b
#define FOSTER_TEXT_(text) FOSTER_TEXT_OF_(text)
#define FOSTER_TEXT_OF_(text) #text

/* How many arguments follow the first: 0 to 64. */
#define FOSTER_COUNT_(...) \
	FOSTER_66TH_(__VA_ARGS__, \
		     64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, \
		     45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, \
		     26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, \
		     6, 5, 4, 3, 2, 1, 0, )
#define FOSTER_66TH_( \
	a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, \
	a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, \
	a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, \
	a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, \
	found, ...) found

/* do_(T, a), do_(T, b), ... of the arguments that follow T; none_(T) without any. */
#define FOSTER_EACH_(do_, none_, ...) \
	FOSTER_PASTE_(FOSTER_DO_, FOSTER_COUNT_(__VA_ARGS__))(do_, none_, __VA_ARGS__)
#define FOSTER_DO_0(d, n, T) n(T)
#define FOSTER_DO_1(d, n, T, m) d(T, m)
#define FOSTER_DO_2(d, n, T, m, ...) d(T, m), FOSTER_DO_1(d, n, T, __VA_ARGS__)
#define FOSTER_DO_3(d, n, T, m, ...) d(T, m), FOSTER_DO_2(d, n, T, __VA_ARGS__)
#define FOSTER_DO_4(d, n, T, m, ...) d(T, m), FOSTER_DO_3(d, n, T, __VA_ARGS__)
#define FOSTER_DO_5(d, n, T, m, ...) d(T, m), FOSTER_DO_4(d, n, T, __VA_ARGS__)
#define FOSTER_DO_6(d, n, T, m, ...) d(T, m), FOSTER_DO_5(d, n, T, __VA_ARGS__)
#define FOSTER_DO_7(d, n, T, m, ...) d(T, m), FOSTER_DO_6(d, n, T, __VA_ARGS__)
#define FOSTER_DO_8(d, n, T, m, ...) d(T, m), FOSTER_DO_7(d, n, T, __VA_ARGS__)
#define FOSTER_DO_9(d, n, T, m, ...) d(T, m), FOSTER_DO_8(d, n, T, __VA_ARGS__)
#define FOSTER_DO_10(d, n, T, m, ...) d(T, m), FOSTER_DO_9(d, n, T, __VA_ARGS__)
#define FOSTER_DO_11(d, n, T, m, ...) d(T, m), FOSTER_DO_10(d, n, T, __VA_ARGS__)
#define FOSTER_DO_12(d, n, T, m, ...) d(T, m), FOSTER_DO_11(d, n, T, __VA_ARGS__)
#define FOSTER_DO_13(d, n, T, m, ...) d(T, m), FOSTER_DO_12(d, n, T, __VA_ARGS__)
#define FOSTER_DO_14(d, n, T, m, ...) d(T, m), FOSTER_DO_13(d, n, T, __VA_ARGS__)
#define FOSTER_DO_15(d, n, T, m, ...) d(T, m), FOSTER_DO_14(d, n, T, __VA_ARGS__)
#define FOSTER_DO_16(d, n, T, m, ...) d(T, m), FOSTER_DO_15(d, n, T, __VA_ARGS__)
#define FOSTER_DO_17(d, n, T, m, ...) d(T, m), FOSTER_DO_16(d, n, T, __VA_ARGS__)
#define FOSTER_DO_18(d, n, T, m, ...) d(T, m), FOSTER_DO_17(d, n, T, __VA_ARGS__)
#define FOSTER_DO_19(d, n, T, m, ...) d(T, m), FOSTER_DO_18(d, n, T, __VA_ARGS__)
#define FOSTER_DO_20(d, n, T, m, ...) d(T, m), FOSTER_DO_19(d, n, T, __VA_ARGS__)
#define FOSTER_DO_21(d, n, T, m, ...) d(T, m), FOSTER_DO_20(d, n, T, __VA_ARGS__)
#define FOSTER_DO_22(d, n, T, m, ...) d(T, m), FOSTER_DO_21(d, n, T, __VA_ARGS__)
#define FOSTER_DO_23(d, n, T, m, ...) d(T, m), FOSTER_DO_22(d, n, T, __VA_ARGS__)
#define FOSTER_DO_24(d, n, T, m, ...) d(T, m), FOSTER_DO_23(d, n, T, __VA_ARGS__)
#define FOSTER_DO_25(d, n, T, m, ...) d(T, m), FOSTER_DO_24(d, n, T, __VA_ARGS__)
#define FOSTER_DO_26(d, n, T, m, ...) d(T, m), FOSTER_DO_25(d, n, T, __VA_ARGS__)
#define FOSTER_DO_27(d, n, T, m, ...) d(T, m), FOSTER_DO_26(d, n, T, __VA_ARGS__)
#define FOSTER_DO_28(d, n, T, m, ...) d(T, m), FOSTER_DO_27(d, n, T, __VA_ARGS__)
#define FOSTER_DO_29(d, n, T, m, ...) d(T, m), FOSTER_DO_28(d, n, T, __VA_ARGS__)
#define FOSTER_DO_30(d, n, T, m, ...) d(T, m), FOSTER_DO_29(d, n, T, __VA_ARGS__)
#define FOSTER_DO_31(d, n, T, m, ...) d(T, m), FOSTER_DO_30(d, n, T, __VA_ARGS__)
#define FOSTER_DO_32(d, n, T, m, ...) d(T, m), FOSTER_DO_31(d, n, T, __VA_ARGS__)
#define FOSTER_DO_33(d, n, T, m, ...) d(T, m), FOSTER_DO_32(d, n, T, __VA_ARGS__)
#define FOSTER_DO_34(d, n, T, m, ...) d(T, m), FOSTER_DO_33(d, n, T, __VA_ARGS__)
#define FOSTER_DO_35(d, n, T, m, ...) d(T, m), FOSTER_DO_34(d, n, T, __VA_ARGS__)
#define FOSTER_DO_36(d, n, T, m, ...) d(T, m), FOSTER_DO_35(d, n, T, __VA_ARGS__)
#define FOSTER_DO_37(d, n, T, m, ...) d(T, m), FOSTER_DO_36(d, n, T, __VA_ARGS__)
#define FOSTER_DO_38(d, n, T, m, ...) d(T, m), FOSTER_DO_37(d, n, T, __VA_ARGS__)
#define FOSTER_DO_39(d, n, T, m, ...) d(T, m), FOSTER_DO_38(d, n, T, __VA_ARGS__)
#define FOSTER_DO_40(d, n, T, m, ...) d(T, m), FOSTER_DO_39(d, n, T, __VA_ARGS__)
#define FOSTER_DO_41(d, n, T, m, ...) d(T, m), FOSTER_DO_40(d, n, T, __VA_ARGS__)
#define FOSTER_DO_42(d, n, T, m, ...) d(T, m), FOSTER_DO_41(d, n, T, __VA_ARGS__)
#define FOSTER_DO_43(d, n, T, m, ...) d(T, m), FOSTER_DO_42(d, n, T, __VA_ARGS__)
#define FOSTER_DO_44(d, n, T, m, ...) d(T, m), FOSTER_DO_43(d, n, T, __VA_ARGS__)
#define FOSTER_DO_45(d, n, T, m, ...) d(T, m), FOSTER_DO_44(d, n, T, __VA_ARGS__)
#define FOSTER_DO_46(d, n, T, m, ...) d(T, m), FOSTER_DO_45(d, n, T, __VA_ARGS__)
#define FOSTER_DO_47(d, n, T, m, ...) d(T, m), FOSTER_DO_46(d, n, T, __VA_ARGS__)
#define FOSTER_DO_48(d, n, T, m, ...) d(T, m), FOSTER_DO_47(d, n, T, __VA_ARGS__)
#define FOSTER_DO_49(d, n, T, m, ...) d(T, m), FOSTER_DO_48(d, n, T, __VA_ARGS__)
#define FOSTER_DO_50(d, n, T, m, ...) d(T, m), FOSTER_DO_49(d, n, T, __VA_ARGS__)
#define FOSTER_DO_51(d, n, T, m, ...) d(T, m), FOSTER_DO_50(d, n, T, __VA_ARGS__)
#define FOSTER_DO_52(d, n, T, m, ...) d(T, m), FOSTER_DO_51(d, n, T, __VA_ARGS__)
#define FOSTER_DO_53(d, n, T, m, ...) d(T, m), FOSTER_DO_52(d, n, T, __VA_ARGS__)
#define FOSTER_DO_54(d, n, T, m, ...) d(T, m), FOSTER_DO_53(d, n, T, __VA_ARGS__)
#define FOSTER_DO_55(d, n, T, m, ...) d(T, m), FOSTER_DO_54(d, n, T, __VA_ARGS__)
#define FOSTER_DO_56(d, n, T, m, ...) d(T, m), FOSTER_DO_55(d, n, T, __VA_ARGS__)
#define FOSTER_DO_57(d, n, T, m, ...) d(T, m), FOSTER_DO_56(d, n, T, __VA_ARGS__)
#define FOSTER_DO_58(d, n, T, m, ...) d(T, m), FOSTER_DO_57(d, n, T, __VA_ARGS__)
#define FOSTER_DO_59(d, n, T, m, ...) d(T, m), FOSTER_DO_58(d, n, T, __VA_ARGS__)
#define FOSTER_DO_60(d, n, T, m, ...) d(T, m), FOSTER_DO_59(d, n, T, __VA_ARGS__)
#define FOSTER_DO_61(d, n, T, m, ...) d(T, m), FOSTER_DO_60(d, n, T, __VA_ARGS__)
#define FOSTER_DO_62(d, n, T, m, ...) d(T, m), FOSTER_DO_61(d, n, T, __VA_ARGS__)
#define FOSTER_DO_63(d, n, T, m, ...) d(T, m), FOSTER_DO_62(d, n, T, __VA_ARGS__)
#define FOSTER_DO_64(d, n, T, m, ...) d(T, m), FOSTER_DO_63(d, n, T, __VA_ARGS__)

#endif
