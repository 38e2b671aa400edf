/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_build - which builds of which programs ran here: is this one new?
 *
 * Owns: its table, 16 KiB. Thread: one owner. Limit: HOST_BUILDS_MAX pairs of name and build; the oldest are forgotten. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_HOST_BUILD_H
#define EVERPROF_PIPELINE_HOST_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "user/object/elf.h"

#define HOST_BUILDS_MAX 1024

struct host_build {
	uint64_t name, build; /* hashes of them */
	char id[2 * ELF_BUILD_ID_MAX + 1];
};

struct host_builds {
	struct {
		uint64_t name, build;
	} items[HOST_BUILDS_MAX]; /* a ring */
	uint32_t n, next;
};

/* Takes it in. true: the program is known, but not this build of it. */
bool host_builds__note(struct host_builds *h, const struct host_build *b);

#endif
