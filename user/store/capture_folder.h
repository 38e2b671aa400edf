/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_folder - captures on the disk: each a folder that appears whole, is pinned or not, and goes whole.
 *
 *   <store>/captures/<rule>/<name>/   meta.json, <event>.pb.gz, …     name: capture_name.h
 *                           .new.<name>/                              being written
 *                           .gone.<name>/                             being deleted
 *                  name/pinned                                        an empty file: this one is kept
 *
 * Owns: nothing; each call opens what it needs. Thread: any; several processes may list, pin and delete at once. Limit: as many listed (the
 * newest) as the caller asks for, CAPTURE_FILES_MAX files in each. Errors: -errno; -ENOENT no such capture; -EBUSY it is pinned; -EINVAL no such name.
 */
#ifndef EVERPROF_STORE_CAPTURE_FOLDER_H
#define EVERPROF_STORE_CAPTURE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/store/capture_name.h"

#define CAPTURE_FOLDERS_MAX   10000 /* to be shown */
#define CAPTURE_FILES_MAX     96
#define CAPTURE_FILE_NAME_MAX 64
#define CAPTURE_META          "meta.json"
#define CAPTURE_PINNED        "pinned"

struct buf;

struct capture_file {
	char name[CAPTURE_FILE_NAME_MAX];
	const void *bytes;
	size_t len;
};

struct capture_folder {
	char rule[CAPTURE_RULE_MAX];
	char text[CAPTURE_NAME_MAX]; /* the folder's name … */
	struct capture_name name;    /* … and what it says */
	uint64_t bytes;              /* that it takes on the disk */
	uint32_t n_files;
	bool is_pinned;
};

/* Writes them all, or nothing. On failure nothing is left behind; what a SIGKILL leaves, capture_folder__clean removes. ret_bytes: on the disk. */
int capture_folder__write(const char *store_dir, const char *rule, const struct capture_name *name,
			  const struct capture_file *files, uint32_t n, uint64_t *ret_bytes);
/* The newest of them, the oldest first; an own array, free it. No folder at all is an empty list. */
int capture_folder__list(const char *store_dir, uint32_t max, struct capture_folder **ret, uint32_t *ret_n);
/* By its id, by a beginning of it that no other has, or by rule/name as it stands in a path. -ENOTUNIQ: several begin so. */
int capture_folder__find(const char *store_dir, const char *id, struct capture_folder *ret);
/* The same where its files do not matter: bytes, n_files and is_pinned stay 0. No folder of another capture is opened, and
 * by rule/name not even that of another rule. */
int capture_folder__locate(const char *store_dir, const char *id, struct capture_folder *ret);
/* The names of its files, sorted, each with its length in *lens. */
int capture_folder__files(const char *store_dir, const struct capture_folder *f,
			  char ret_names[CAPTURE_FILES_MAX][CAPTURE_FILE_NAME_MAX],
			  uint64_t ret_lens[CAPTURE_FILES_MAX], uint32_t *ret_n);
/* One file for reading; the fd is the caller's. Names with a slash or a dot in front are -EINVAL. */
int capture_folder__open(const char *store_dir, const struct capture_folder *f, const char *file,
			 int *ret_fd);
/* One more file for a capture that is there: whole or not at all. -EEXIST: it has one of that name. */
int capture_folder__add(const char *store_dir, const struct capture_folder *f, const char *file,
			const void *bytes, size_t len);
int capture_folder__pin(const char *store_dir, const struct capture_folder *f, bool pinned);
/* A pinned one stays: -EBUSY. */
int capture_folder__delete(const char *store_dir, const struct capture_folder *f);
/* Removes what was being written or deleted by an agent that is gone: only for who holds the store's lock, before it writes. */
int capture_folder__clean(const char *store_dir, uint32_t *ret_n);

#endif
