/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files - puts, plants and lists files in the folder of a fixture, and looks into its log.
 *
 * Owns: nothing. Thread: one. Limit: names of 255 bytes, listings of 8 KiB. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_STORE_FILES_H
#define EVERPROF_TESTS_STORE_FILES_H

#include "tests/unit/store/fixture.h"

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

#endif
