/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top_wall - everprof top --wall: loads the three profiles that belong together, and prints how they add up.
 *
 * Owns: nothing. Thread: the main one. Limit: those of source.h. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_CMD_TOP_WALL_H
#define EVERPROF_CMD_TOP_WALL_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct source_opts;

struct top_wall_opts {
	const char *by; /* NULL: thread */
	uint32_t n_rows;
	bool colour;
};

/* paths: folders (records, stores) or files; without any the store of the configuration. */
int top_wall__print(const char *const *paths, uint32_t n, const struct source_opts *source,
		    const struct top_wall_opts *opts, struct buf *to, bool *ret_holds, struct err *err);

#endif
