/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as /proc/PID/maps. What is accepted as a line is a range that is not empty and a bounded name without the
 * kernel's suffix, and, written again as the kernel writes it, gives the same line.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/maps_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static size_t write_line(const struct maps_line *l, char *to, size_t size)
{
	int n = snprintf(to, size, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", l->start, l->end,
			 l->readable ? 'r' : '-', l->writable ? 'w' : '-', l->executable ? 'x' : '-',
			 l->shared ? 's' : 'p', l->pgoff, l->dev_major, l->dev_minor, l->ino);
	size_t at = (size_t)n;

	for (const char *p = l->path; *p; p++)
		at += (size_t)snprintf(to + at, size - at, *p == '\n' ? "\\012" : "%c", *p);
	if (l->deleted)
		at += (size_t)snprintf(to + at, size - at, " (deleted)");
	return at;
}

static int check(const struct maps_line *line, void *ctx)
{
	static struct maps_line again;
	static char text[4 * MAPS_PATH_MAX + 256];

	(void)ctx;
	require(line->start < line->end && line->executable);
	require(strnlen(line->path, MAPS_PATH_MAX) < MAPS_PATH_MAX);
	require(line->kind <= MAPS_SPECIAL);
	require(line->kind != MAPS_FILE || line->path[0] == '/');
	/* A name that was cut, or that looks like an escape by itself, is not written back as it was. */
	if (strlen(line->path) >= MAPS_PATH_MAX - 16 || strstr(line->path, "\\012"))
		return 0;
	require(parse_maps_line(text, write_line(line, text, sizeof(text)), &again) == 0);
	require(again.start == line->start && again.end == line->end && again.pgoff == line->pgoff &&
		again.ino == line->ino);
	require(again.dev_major == line->dev_major && again.dev_minor == line->dev_minor);
	require(again.executable == line->executable && again.shared == line->shared);
	require(again.deleted == line->deleted && again.kind == line->kind &&
		strcmp(again.path, line->path) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int n = parse_maps((const char *)data, size, check, NULL);

	require(n >= 0 && (size_t)n <= size);
	return 0;
}
