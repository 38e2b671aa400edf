/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture - what the store's tests share: a folder that goes away again, clocks that are set by hand, the lines that were logged.
 *
 * Owns: a folder below TMPDIR, stderr while a test runs. Thread: one. Limit: none. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_STORE_FIXTURE_H
#define EVERPROF_TESTS_STORE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/clock.h"
#include "user/store/store.h"

#define DAY_S    1769817600ull /* 2026-01-31 */
#define HOUR_NS  (3600 * NS_PER_SEC)
#define MIN_NS   (60 * NS_PER_SEC)
#define AT(h, m) ((DAY_S + (h)*3600 + (m)*60) * NS_PER_SEC)

struct fixture {
	char dir[FOLDER_MAX], log[96];
	uint64_t real_ns, mono_ns;
	int saved_stderr;
	struct store *store;
};

static inline uint64_t fixture__real_ns(void *f)
{
	return ((struct fixture *)f)->real_ns;
}

static inline uint64_t fixture__mono_ns(void *f)
{
	return ((struct fixture *)f)->mono_ns;
}

static inline int fixture__setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	assert_int_equal(folder__make(f->dir), 0);
	snprintf(f->log, sizeof(f->log), "%s.log", f->dir);
	f->real_ns = AT(12, 0);
	f->mono_ns = 1000 * NS_PER_SEC;
	fd = open(f->log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	f->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(fd, STDERR_FILENO);
	close(fd);
	*state = f;
	return 0;
}

static inline int fixture__teardown(void **state)
{
	struct fixture *f = *state;

	store__close(f->store);
	dup2(f->saved_stderr, STDERR_FILENO);
	close(f->saved_stderr);
	folder__remove(f->dir);
	unlink(f->log);
	free(f);
	return 0;
}

static inline struct store_opts fixture__opts(struct fixture *f)
{
	return (struct store_opts){
		.dir = f->dir,
		.real_ns = fixture__real_ns,
		.mono_ns = fixture__mono_ns,
		.clock_ctx = f,
	};
}

static inline void fixture__open(struct fixture *f, const struct store_opts *opts)
{
	struct err err = {0};

	if (store__open(opts, &f->store, &err)) {
		dprintf(f->saved_stderr, "%s\n", err.text);
		fail();
	}
}

#define fixture_test(f) cmocka_unit_test_setup_teardown(f, fixture__setup, fixture__teardown)

#endif
