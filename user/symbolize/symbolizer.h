/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbolizer - the station where addresses get names: the kernel's, files', JIT code's.
 *
 * Ask for many addresses of one file at once: its tables are loaded once a call, and kept by its id while there
 * is room.
 *
 * Owns: tables and the strings of the last call: a symbol is valid until the next call of any function here but
 * stats; who keeps it copies it. Thread: one owner. Limit: symbolizer_opts. Errors: -ENOMEM; an address without a
 * name is no error but a reason, and counted.
 */
#ifndef EVERPROF_SYMBOLIZE_SYMBOLIZER_H
#define EVERPROF_SYMBOLIZE_SYMBOLIZER_H

#include <stddef.h>
#include <stdint.h>

#include "user/symbolize/jit_maps.h"
#include "user/symbolize/range_cache.h"
#include "user/symbolize/symbol.h"
#include "user/symbolize/symbol_cache.h"

#define SYMBOLIZER_STRINGS_MAX (32u << 20) /* bytes of names that one call may make */

struct err;
struct symbolizer;

/* 0 and NULL stand for the default. */
struct symbolizer_opts {
	const char *proc_root;         /* "/proc" */
	const char *host_root;         /* "/": where our own debug files are */
	const char *const *debug_dirs; /* {"/usr/lib/debug"}; must outlive the symbolizer */
	size_t n_debug_dirs;
	size_t cache_bytes; /* of all files' tables: 8 MiB */
	size_t range_bytes; /* of functions that were asked for: 6 MiB */
	size_t table_bytes; /* of one file's table: 8 MiB; a larger one names only what is asked and is not kept */
	size_t read_bytes;          /* of one section of a file: 128 MiB; a larger one is not read */
	uint64_t kernel_refresh_ns; /* not more often: 10 s */
};

/* The world; NULL functions stand for the real one. */
struct symbolizer_ports {
	uint64_t (*now_ns)(void *ctx); /* monotonic */
	void *ctx;
};

/* A file. Callbacks are called only where its tables are not in the cache; each gives a descriptor that the
 * symbolizer closes, or -errno. */
struct symbol_object {
	uint32_t id;
	const char *path;            /* as its process sees it; NULL: not known */
	int (*open)(void *ctx);      /* the file */
	int (*open_root)(void *ctx); /* the root folder of a process that has it mapped; may be NULL */
	void *ctx;
};

struct symbolizer_stats {
	uint64_t n_by_reason[SYMBOL_REASON_MAX]; /* addresses that were asked */
	uint64_t n_loads, load_ns;               /* of files */
	uint64_t n_kernel_loads, kernel_load_ns;
	size_t kernel_bytes;
	struct symbol_cache_stats cache;
	struct range_cache_stats ranges;
};

int symbolizer__new(const struct symbolizer_opts *opts, const struct symbolizer_ports *ports,
		    struct symbolizer **ret_symbolizer);
void symbolizer__free(struct symbolizer *s);

/* ret_module: "ext4", "bpf", or "" for the image; the line's file is "[ext4]" likewise. Always fills both. */
void symbolizer__kernel(struct symbolizer *s, uint64_t addr, struct symbol *ret_symbol,
			const char **ret_module);
/* Why the kernel shows no names: one line, or NULL where it does (or was not asked yet). */
const char *symbolizer__kernel_error(const struct symbolizer *s);
/* Fills out[i] for each virtual address vaddrs[i], in any order. */
int symbolizer__object(struct symbolizer *s, const struct symbol_object *object, const uint64_t *vaddrs,
		       size_t n, struct symbol *out);
/* Frees the strings of the last call, and tables that are not to be kept: for when there is nothing more to ask
 * for a while. */
void symbolizer__rest(struct symbolizer *s);
/* Another limit for all files' tables; 0 stands for the default. What is over it goes with the next rest. */
void symbolizer__set_cache_bytes(struct symbolizer *s, size_t bytes);
void symbolizer__stats(const struct symbolizer *s, struct symbolizer_stats *ret_stats);

#endif
