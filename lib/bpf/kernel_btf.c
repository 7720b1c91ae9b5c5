// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/kernel_btf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/reason.h"

static int describe(int fd, struct bpf_btf_info *info)
{
	__u32 size = sizeof(*info);

	return bpf_obj_get_info_by_fd(fd, info, &size);
}

static int read_raw(int fd, void **raw, uint32_t *bytes)
{
	struct bpf_btf_info info = { 0 };
	int r = describe(fd, &info);
	void *copy;

	if (r < 0)
		return r;
	*bytes = info.btf_size;
	copy = malloc(*bytes);
	if (!copy)
		return -ENOMEM;
	info = (struct bpf_btf_info){ .btf = (uintptr_t)copy, .btf_size = *bytes };
	r = describe(fd, &info);
	/* BTF does not change, but a copy that is not all of it would be no BTF. */
	if (r == 0 && info.btf_size != *bytes)
		r = -EAGAIN;
	if (r < 0)
		free(copy);
	else
		*raw = copy;
	return r;
}

int kernel_btf(uint32_t id, const char *map_name, void **raw, uint32_t *bytes)
{
	int fd, r;

	if (!id)
		return reason_set(
			ENODATA,
			"map \"%s\" has no BTF: take its memory by offset, with "
			"foster_bpf_map() and FOSTER_AT()",
			map_name);
	fd = bpf_btf_get_fd_by_id(id);
	r = fd < 0 ? fd : read_raw(fd, raw, bytes);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return reason_set(-r, "the BTF of map \"%s\" cannot be read: %m",
				  map_name);
	return 0;
}
