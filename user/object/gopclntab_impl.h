/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gopclntab_impl - what gopclntab.c (the table) and gopclntab_file.c (finding it in a file) share.
 */
#ifndef EVERPROF_OBJECT_GOPCLNTAB_IMPL_H
#define EVERPROF_OBJECT_GOPCLNTAB_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/gopclntab.h"
#include "user/object/lazy_bytes.h"

enum gopclntab_version { GO_1_2, GO_1_16, GO_1_18, GO_1_20 };

/* A stretch of the table's bytes. */
struct gopclntab_part {
	size_t at, len;
};

struct gopclntab {
	enum gopclntab_version version;
	uint8_t quantum;
	uint8_t entry_size; /* of a pc or an offset in functab, and of a record's entry: 8, or 4 from 1.18 on */
	uint32_t n;
	uint64_t text_start;
	struct gopclntab_part names, cus, files, programs, functab, records;
	struct lazy_bytes *bytes; /* `own`, or somebody else's while it is only tried */
	struct lazy_bytes own;
};

/* May a table begin with these eight bytes, of a 32-bit program, too? */
bool gopclntab__is_header(const uint8_t bytes[8]);
/* Fills a zeroed table from its header; -ENOENT where none starts there. text_start 0: as the header states it, which may be 0, too. */
int gopclntab__init(struct gopclntab *t, struct lazy_bytes *bytes, uint64_t text_start);

#endif
