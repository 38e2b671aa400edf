/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_symbols - all names of one file: its Go table, its symbol tables, those of its debug file.
 *
 * Owns: the tables; nothing of the file stays open, but a large Go table wants it again at each call (wants_file).
 * Thread: one owner. Limit: object_symbols_opts. Errors: -ENOMEM; whatever is wrong with the file is a reason, and
 * the file goes on without names.
 */
#ifndef EVERPROF_SYMBOLIZE_OBJECT_SYMBOLS_H
#define EVERPROF_SYMBOLIZE_OBJECT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/debug_file.h"
#include "user/symbolize/symbol.h"

struct gopclntab;
struct symtab;

struct object_symbols {
	struct gopclntab *go; /* NULL: not Go */
	struct symtab *table; /* NULL: none, or not looked for yet */
	bool table_tried;
	bool is_partial;           /* names only what was asked for: not to be kept */
	uint64_t reach;            /* so far around that the table answers as a whole one does */
	enum symbol_reason reason; /* of addresses that no table covers */
	size_t bytes;              /* when it was last looked at */
};

struct object_symbols_opts {
	size_t table_bytes; /* a table that is larger names only what is asked */
	size_t read_bytes;  /* a section that is larger is not read at all */
	struct debug_file_opts debug;
};

/* What to read, and what for. */
struct object_symbols_request {
	int fd;                        /* the file; stays the caller's */
	const char *path;              /* as its process sees it, or NULL */
	struct debug_file_roots roots; /* where debug files are looked for */
	const uint64_t *vaddrs;        /* ascending: what is asked now */
	size_t n;
	bool in_part; /* what is near those is enough: it is not to be kept */
};

/* Frees what `s` has. A zeroed one has nothing. */
void object_symbols__done(struct object_symbols *s);
/* Fills a zeroed one from the file. Symbol tables are read only where the Go table does not cover all that is asked. */
int object_symbols__load(struct object_symbols *s, const struct object_symbols_request *r,
			 const struct object_symbols_opts *opts);
/* Are there names that are still in the file? Then a descriptor helps; FD_CLOSED takes it away again. */
bool object_symbols__wants_file(const struct object_symbols *s);
void object_symbols__attach(struct object_symbols *s, int fd);
/* Memory that it takes now. */
size_t object_symbols__bytes(const struct object_symbols *s);
/* Would an address need tables that were not looked for yet? */
bool object_symbols__needs_table(const struct object_symbols *s, const uint64_t *vaddrs, size_t n);

#endif
