/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_map - names of JIT code from /tmp/perf-PID.map, which the process itself writes.
 *
 * Lines are "START SIZE NAME", both numbers hexadecimal with or without 0x, the name up to the end of the line. The
 * file grows while the process runs, and addresses are used again: the last line that covers an address wins. The
 * writer may be an enemy: the file is opened below the process's own root without following anything out of it,
 * must be a regular file of the process's user or of root, and is read within limits.
 *
 * Owns: the table and its names. Thread: one owner. Limit: perf_map_opts; past the memory limit the oldest lines
 * go, and are counted. Errors: -ENOENT no file, -EACCES somebody else's file, -EINVAL not a regular file, -ENOMEM.
 */
#ifndef EVERPROF_RUNTIME_PERF_MAP_H
#define EVERPROF_RUNTIME_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PERF_MAP_LINE_MAX 4096        /* bytes; a longer line is skipped */
#define PERF_MAP_SIZE_MAX (64u << 20) /* bytes of code that one line may claim */

struct far_mounts;

struct perf_map;

struct perf_map_opts {
	size_t limit_bytes; /* memory of the table; 0: 32 MiB */
	size_t read_bytes; /* read at one refresh, what a line takes in the table counts too; 0: 64 MiB. The rest is read by the next one. */
};

struct perf_map_entry {
	uint64_t start, size;
	const char *name; /* in the bytes that were parsed, without a NUL; or in the table, with one */
	size_t name_len;
};

struct perf_map_stats {
	uint32_t n_entries;
	uint32_t n_bad_lines;
	uint32_t n_evicted; /* lines that made room for newer ones */
	size_t bytes;
};

/* One line without its newline; pure. -EBADMSG where it is none. */
int perf_map__parse_line(const char *line, size_t len, struct perf_map_entry *ret_entry);

struct perf_map *perf_map__new(const struct perf_map_opts *opts);
void perf_map__free(struct perf_map *m);

/*
 * Reads what was added since the last time from <root>/tmp/perf-<ns_pid>.map; a file that was replaced, cut or
 * rewritten is read from its start. `uid` is the process's effective user. ret_changed says whether the table is
 * another one now: borrowed names are gone then.
 */
int perf_map__refresh(struct perf_map *m, struct far_mounts *mounts, int root_fd, pid_t ns_pid, uid_t uid,
		      bool *ret_changed);
/* The same from an open file of any kind that pread reads: what refresh does after its checks. */
int perf_map__read(struct perf_map *m, int fd, bool *ret_changed);
/* The effective user of a process, from <proc_root>/<pid>/status. */
int perf_map__read_owner(const char *proc_root, pid_t pid, uid_t *ret_uid);

/* Forgets the table, also that the file was read: the next refresh begins at its start. */
void perf_map__forget(struct perf_map *m);
/* Forgets the oldest half of the lines, as where the table is full, and their memory. Borrowed names are gone. */
void perf_map__halve(struct perf_map *m);

/* The entry that holds the address, borrowed until the next refresh; -ENOENT. */
int perf_map__find(const struct perf_map *m, uint64_t addr, struct perf_map_entry *ret_entry);
void perf_map__stats(const struct perf_map *m, struct perf_map_stats *ret_stats);

#endif
