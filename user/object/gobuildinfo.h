/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gobuildinfo - which release of Go built a file: what `go version FILE` reads, and stripping leaves.
 *
 * Owns: nothing. Thread: any. Limit: GOBUILDINFO_READ_MAX bytes of the section, GOBUILDINFO_VERSION_MAX of the version.
 * Errors: -ENOENT not Go's, -EOPNOTSUPP written by Go before 1.18 (as pointers) or for another machine, -EBADMSG damaged, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_GOBUILDINFO_H
#define EVERPROF_OBJECT_GOBUILDINFO_H

#include <stddef.h>

#define GOBUILDINFO_VERSION_MAX 64
#define GOBUILDINFO_READ_MAX    4096

struct elf;

/* The section's first bytes, or more. */
int gobuildinfo__parse(const void *bytes, size_t len, char ret_version[GOBUILDINFO_VERSION_MAX]);
int gobuildinfo__load(const struct elf *e, char ret_version[GOBUILDINFO_VERSION_MAX]);

#endif
