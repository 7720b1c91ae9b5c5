/* SPDX-License-Identifier: BSD-2-Clause */
/* The compiler attributes that our prototypes carry; the only place that spells them. */
#ifndef FOSTER_BASE_ATTRIBUTES_H
#define FOSTER_BASE_ATTRIBUTES_H

#define _must_check_ __attribute__((warn_unused_result))
#define _nonnull_(...) __attribute__((nonnull(__VA_ARGS__)))
#define _nonnull_all_ __attribute__((nonnull))
#define _noinline_ __attribute__((noinline))
#define _unused_ __attribute__((unused))
#define _pure_ __attribute__((pure))
#define _printf_format_(f, a) __attribute__((format(printf, f, a)))
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Marks what a shared library shows; everything else is hidden (-fvisibility=hidden). */
#define FOSTER_EXPORT __attribute__((visibility("default")))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
