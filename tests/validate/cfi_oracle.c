// SPDX-License-Identifier: Apache-2.0
/*
 * cfi_oracle FILE… : compares the unwind rows of ELF files with libdw's CFI and prints one table; files that are no x86-64 executables or
 * libraries are passed over. With no FILE, paths are read from standard input, one a line. Exit 0 no unexplained disagreement, 1 some.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/validate/cfi_compare.h"

#define PATH_BYTES 4096

static void compare(const char *path, struct cfi_comparison *c)
{
	int err = cfi_compare__file(path, c, stderr);

	if (err && err != -ENOEXEC && err != -EOPNOTSUPP)
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
}

static void print(const struct cfi_comparison *c)
{
	printf("| what | count |\n|---|---|\n");
	printf("| files | %" PRIu64 " |\n| FDEs | %" PRIu64 " |\n| pages | %" PRIu64 " |\n| rows | %" PRIu64
	       " |\n",
	       c->files, c->fdes, c->pages, c->rows);
	printf("| boundaries asked | %" PRIu64 " |\n| agreed | %" PRIu64 " |\n", c->boundaries, c->agreed);
	for (int i = 0; i < CFI_EXPLAINED_MAX; i++)
		printf("| explained: %s | %" PRIu64 " |\n", cfi_explained_text[i], c->explained[i]);
	for (int i = 0; i < CFI_DISAGREEMENTS_MAX; i++)
		printf("| **disagreement: %s** | %" PRIu64 " |\n", cfi_disagreement_text[i], c->disagreed[i]);
	printf("| opening a file, mean us | %.1f |\n", c->files ? c->open_ns / 1e3 / c->files : 0.0);
	printf("| building a page, mean us | %.1f |\n", c->pages ? c->build_ns / 1e3 / c->pages : 0.0);
	printf("| memory of an open table, mean bytes | %.0f |\n",
	       c->files ? (double)c->table_bytes / c->files : 0.0);
}

int main(int argc, char **argv)
{
	struct cfi_comparison c = {0};
	char path[PATH_BYTES];

	for (int i = 1; i < argc; i++)
		compare(argv[i], &c);
	while (argc == 1 && fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		compare(path, &c);
	}
	print(&c);
	return c.files == 0 || cfi_comparison__n_disagreed(&c) ? 1 : 0;
}
