// SPDX-License-Identifier: Apache-2.0
/*
 * Idea: MADV_DONTNEED on what is mapped from a file, private and not writable. Relocated tables (RELRO) look the same and hold what is nowhere else, so only
 *   mappings without a page of their own (`Anonymous: 0 kB`) are taken; a breakpoint of a uprobe makes such a page, too.
 */
#include "user/base/image.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "user/base/buf.h"
#include "user/base/io.h"

/* The head line of a mapping: is it of a file, private, and never to be written? */
static bool is_of_file(const char *line, uintptr_t *ret_start, uintptr_t *ret_end)
{
	char perms[5], path[2];
	unsigned long start, end;

	if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %1s", &start, &end, perms, path) != 4)
		return false;
	*ret_start = start;
	*ret_end = end;
	return perms[0] == 'r' && perms[1] == '-' && perms[3] == 'p' && *path == '/';
}

void image__give_back(void)
{
	uintptr_t start = 0, end = 0;
	bool is_candidate = false;
	struct buf smaps;

	buf__init(&smaps, IMAGE_SMAPS_MAX);
	if (!io__read_at(-1, "/proc/self/smaps", IMAGE_SMAPS_MAX, &smaps)) {
		const char *next = buf__str(&smaps);
		unsigned long kib;

		for (const char *line = next; *line; line = next) {
			next = strchr(line, '\n');
			next = next ? next + 1 : line + strlen(line);
			if (*line < 'A' || *line > 'Z') /* fields begin with a capital */
				is_candidate = is_of_file(line, &start, &end);
			else if (is_candidate && sscanf(line, "Anonymous: %lu", &kib) == 1 && !kib)
				madvise((void *)start, end - start, MADV_DONTNEED);
		}
	}
	buf__done(&smaps);
}
