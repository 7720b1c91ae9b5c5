/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A system call that the kernel refuses from here on, as an old kernel or a sandbox does:
 * a seccomp filter, which lasts until the process of the test ends.
 */
#ifndef FOSTER_TESTS_REFUSE_H
#define FOSTER_TESTS_REFUSE_H

#include "support.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* PAGEMAP_SCAN of linux/fs.h, whose argument has 96 bytes. */
#define REFUSE_PAGEMAP_SCAN 0xc0606610u

/* Calls of that number, with an argument of that value (0: any). */
static inline void refuse_argument(unsigned int number, unsigned int index, uint32_t value,
				   unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(offsetof(struct seccomp_data, args) +
				    index * sizeof(uint64_t))),
		/* Everything is at least 0. */
		BPF_JUMP(BPF_JMP | (value ? BPF_JEQ : BPF_JGE) | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { COUNT_OF(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		test_skip("no seccomp filters here: errno %d", errno);
}

static inline void refuse(unsigned int number, uint32_t second, unsigned int error)
{
	refuse_argument(number, 1, second, error);
}

/* foster's descriptor of the memory of the process. */
static inline int refuse_find_mem(void)
{
	char link[64], target[64];

	for (int fd = 0; fd < 2048; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (n > 4 && !strcmp(target + n - 4, "/mem"))
			return fd;
	}
	child_check(!"there is none");
	return -1;
}

/* What is not readable cannot be read through the kernel either. */
static inline void refuse_mem(void)
{
	refuse_argument(SYS_pread64, 0, (uint32_t)refuse_find_mem(), EPERM);
}

#endif
