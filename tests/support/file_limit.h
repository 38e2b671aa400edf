/* SPDX-License-Identifier: Apache-2.0 */
/* file_limit - a disk that refuses: no file of this process may have more than so many bytes; 0: none is written. RLIM_INFINITY takes it away. */
#ifndef EVERPROF_TESTS_SUPPORT_FILE_LIMIT_H
#define EVERPROF_TESTS_SUPPORT_FILE_LIMIT_H

#include <signal.h>
#include <sys/resource.h>

static inline void file_limit__set(rlim_t bytes)
{
	struct rlimit l;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes < l.rlim_max ? bytes : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

#endif
