/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps_file - /proc/PID/maps: which code a process has mapped.
 *
 * Owns: nothing. Thread: any. Limit: MAPS_PATH_MAX bytes of path (longer ones are cut), MAPS_LINES_MAX lines and
 * MAPS_BYTES_MAX bytes a file, MAPS_CODE_MAX of them in lines of executable mappings.
 * Errors: -EBADMSG not a maps line, -E2BIG over a limit (what was read before has been delivered), -ESRCH no such
 * process, -ETIMEDOUT the process keeps who asks (aside), the callback's own negative return, -errno of open and read.
 */
#ifndef EVERPROF_PROCESS_MAPS_FILE_H
#define EVERPROF_PROCESS_MAPS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPS_PATH_MAX  4096
#define MAPS_LINES_MAX (1u << 18)
#define MAPS_BYTES_MAX (64u << 20)
#define MAPS_CODE_MAX  (16u << 20)

enum maps_kind {
	MAPS_ANON,  /* no file, or a name for memory: /dev/zero, SysV, shared anonymous memory, [anon:…] */
	MAPS_FILE,  /* a path */
	MAPS_MEMFD, /* memfd_create: a file without a path, perhaps an ELF one */
	MAPS_VDSO,  /* the kernel's own code, an ELF image */
	MAPS_SPECIAL, /* [vsyscall], [heap], [stack], [uprobes]: the kernel's names */
};

struct maps_line {
	uint64_t start, end, pgoff, ino;
	uint32_t dev_major, dev_minor;
	bool readable, writable, executable, shared;
	bool deleted; /* the name ended in " (deleted)", which is cut off */
	enum maps_kind kind;
	char path[MAPS_PATH_MAX]; /* "" where there is none; \012 is a newline again */
};

/* Called for each line; a negative return stops. */
typedef int (*maps_line_fn)(const struct maps_line *line, void *ctx);

/* One line, without its newline. Sets all of *ret_line on success. */
int parse_maps_line(const char *text, size_t len, struct maps_line *ret_line);
/* Those of executable mappings; ones that are damaged are skipped. How many there were of any kind. */
int parse_maps(const char *text, size_t len, maps_line_fn fn, void *ctx);
/*
 * What a name of a mapping means; cuts " (deleted)" off `path`. Also for the names in mapping events ("//anon",
 * "//enomem").
 */
enum maps_kind parse_maps_name(char *path, bool *ret_deleted);
/* pid_dir_fd: the folder of process `pid`. Only executable mappings are delivered. */
int read_maps(uint32_t pid, int pid_dir_fd, maps_line_fn fn, void *ctx);

#endif
