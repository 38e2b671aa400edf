/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_place - the places where the file behind a mapping can be opened.
 *
 * Owns: nothing; descriptors are the caller's. Thread: any. Limit: OBJECT_PATH_MAX.
 * Errors: -ESRCH no such process, -ENOENT no such file, -EINVAL no regular file, -ESTALE another file has that name
 * now, -errno of the open.
 */
#ifndef EVERPROF_OBJECT_OBJECT_PLACE_H
#define EVERPROF_OBJECT_OBJECT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/object.h"

/* What is known of a mapping of a file, from /proc/PID/maps or from a mapping event. Borrowed. */
struct object_mapping {
	uint32_t tgid;  /* names /proc/TGID */
	int pid_dir_fd; /* the process's folder, held open against pids that are used again; or FD_CLOSED */
	bool deleted;   /* the file had no name any more */
	uint64_t start, end, pgoff;
	uint64_t ino;             /* 0: not known */
	uint64_t dev, generation; /* beside ino, of mapping events; dev 0: not known */
	const char *path;         /* without " (deleted)" */
	const uint8_t *build_id;
	size_t build_id_len; /* 0: not known */
};

/* In the order in which they are worth trying. */
enum object_place {
	OBJECT_PLACE_MAP_FILES, /* /proc/PID/map_files: the very file, whatever its name is now */
	OBJECT_PLACE_ROOT,      /* its path, below the process's root */
	OBJECT_PLACE_HOST,      /* its path, below that of process 1: for processes that are gone */
	OBJECT_PLACE_MAX
};

int object_place__open(int proc_root_fd, const struct object_mapping *m, enum object_place place,
		       int *ret_fd);
/* Without opening it; only for OBJECT_PLACE_MAP_FILES. */
int object_place__identify(int proc_root_fd, const struct object_mapping *m,
			   struct object_identity *ret_identity);
/* Is /proc/TGID there? */
bool object_place__process_alive(int proc_root_fd, const struct object_mapping *m);

#endif
