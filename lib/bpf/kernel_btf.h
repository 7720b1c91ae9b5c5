/* SPDX-License-Identifier: BSD-2-Clause */
/* BTF that the kernel holds. */
#ifndef FOSTER_BPF_KERNEL_BTF_H
#define FOSTER_BPF_KERNEL_BTF_H

#include <stdint.h>

#include "base/attributes.h"

/*
 * The raw bytes of the BTF of a number, from malloc(); free() them.
 * Returns 0; or with a reason that has the name of the map it is of -EPERM (it takes
 * CAP_SYS_ADMIN), -ENODATA (number 0: the map has none), -ENOMEM or another errno of the
 * kernel.
 */
int kernel_btf(uint32_t id, const char *map_name, void **raw, uint32_t *bytes)
	_must_check_ _nonnull_all_;

#endif
