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
#include <ftw.h>
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

#include "user/base/clock.h"
#include "user/store/store.h"

#define DAY_S    1769817600ull /* 2026-01-31 */
#define HOUR_NS  (3600 * NS_PER_SEC)
#define MIN_NS   (60 * NS_PER_SEC)
#define AT(h, m) ((DAY_S + (h)*3600 + (m)*60) * NS_PER_SEC)

struct fixture {
	char dir[64], log[96];
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

static inline int fixture__unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void fixture__remove_tree(const char *path)
{
	nftw(path, fixture__unlink, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static inline int fixture__setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	strcpy(f->dir, "/tmp/everprof-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
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
	fixture__remove_tree(f->dir);
	unlink(f->log);
	free(f);
	return 0;
}

/* Lines of the log that hold the text. */
static inline int fixture__logged(const struct fixture *f, const char *text)
{
	char line[4096];
	int n = 0;
	FILE *in = fopen(f->log, "r");

	assert_non_null(in);
	while (fgets(line, sizeof(line), in))
		n += strstr(line, text) != NULL;
	fclose(in);
	return n;
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

static inline void fixture__reopen(struct fixture *f, const struct store_opts *opts)
{
	store__close(f->store);
	f->store = NULL;
	fixture__open(f, opts);
}

/* A window of `len` bytes that starts like gzip; where its content matters, a test brings real profiles. */
static inline int fixture__put(struct fixture *f, const char *event, uint64_t start_ns, uint64_t duration_ns,
			       size_t len)
{
	uint8_t *bytes = calloc(1, len);
	int rc;

	assert_non_null(bytes);
	memcpy(bytes, "\x1f\x8b\x08", 3);
	/* different windows differ */
	memcpy(bytes + 3, &start_ns, sizeof(start_ns));
	rc = store__put(f->store, event, start_ns, duration_ns, bytes, len);
	free(bytes);
	return rc;
}

static inline void fixture__path(const struct fixture *f, const char *below, char ret_path[256])
{
	snprintf(ret_path, 256, "%s/%s", f->dir, below);
}

static inline bool fixture__exists(const struct fixture *f, const char *below)
{
	char path[256];

	fixture__path(f, below, path);
	return access(path, F_OK) == 0;
}

/* A file that some other run left, with the folders above it. */
static inline void fixture__plant(const struct fixture *f, const char *below, const void *bytes, size_t len)
{
	char path[256];
	int fd;

	fixture__path(f, below, path);
	for (char *p = path + strlen(f->dir) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static inline void fixture__plant_window(const struct fixture *f, const char *below)
{
	fixture__plant(f, below, "\x1f\x8b\x08", 3);
}

struct fixture_list {
	char text[8192];
};

static inline int fixture__list_one(const struct store_file *file, void *ctx)
{
	struct fixture_list *l = ctx;
	char name[STORE_NAME_MAX];
	size_t at = strlen(l->text);

	store_name__format(&file->name, name);
	snprintf(l->text + at, sizeof(l->text) - at, "%s%s%s", at ? " " : "", name,
		 file->is_cut ? "(cut)" : "");
	return 0;
}

/* The names of a range, in one line. */
static inline const char *fixture__list(struct fixture *f, struct fixture_list *l, const char *event,
					uint64_t from_ns, uint64_t to_ns)
{
	l->text[0] = 0;
	assert_int_equal(store__list(f->store, event, from_ns, to_ns, fixture__list_one, l), 0);
	return l->text;
}

static inline struct store_stats fixture__stats(const struct fixture *f)
{
	struct store_stats stats;

	store__stats(f->store, &stats);
	return stats;
}

#define fixture_test(f) cmocka_unit_test_setup_teardown(f, fixture__setup, fixture__teardown)

#endif
