// SPDX-License-Identifier: Apache-2.0
/*
 * rows FILE: what unwind rows of one ELF file cost, as "key value" lines.
 *
 *   first_use_ns     open the file, find its rules and make the page in its middle (the best of ROUNDS); the agent also reads names
 *                    that mark the ends of stacks and the starts of functions, which is not in here
 *   page_ns          one more page of the open file, on average over all pages
 *   all_ns           every page of the file
 *   rows, pages, fdes, open_bytes (memory of the open table)
 *
 * The file is read once before, so that no disk is measured.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/row.h"
#include "user/base/clock.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"

#define ROUNDS 5

struct file {
	int fd;
	struct elf *elf;
	struct unwind_table *table;
};

static int file__open(struct file *f, const char *path)
{
	int err;

	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return -1;
	err = elf__open(f->fd, &f->elf);
	if (!err)
		err = unwind_table__open(f->elf, NULL, &f->table);
	return err;
}

static void file__close(struct file *f)
{
	unwind_table__free(f->table);
	elf__free(f->elf);
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct file){.fd = -1};
}

static void warm(const char *path)
{
	static char block[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && read(fd, block, sizeof(block)) > 0)
		;
	if (fd >= 0)
		close(fd);
}

/* The pages that executable segments touch: first, last and how many rows they have. */
static int measure_all(struct file *f, struct unwind_row *rows)
{
	uint64_t n_rows = 0, n_pages = 0, began = clock__mono_ns(), took;
	uint32_t n;

	for (uint64_t page = 0; page < (uint64_t)1 << 20; page++) {
		int err = unwind_table__build_page(f->table, page, rows, ROW_PAGE_SIZE, &n, NULL);

		if (err)
			continue;
		n_rows += n;
		n_pages++;
	}
	took = clock__mono_ns() - began;
	printf("rows %" PRIu64 "\npages %" PRIu64 "\nfdes %" PRIu64 "\nall_ns %" PRIu64 "\n", n_rows, n_pages,
	       unwind_table__n_fdes(f->table), took);
	printf("page_ns %" PRIu64 "\nopen_bytes %zu\n", n_pages ? took / n_pages : 0,
	       unwind_table__bytes(f->table));
	return n_pages ? 0 : -1;
}

/* A page in the middle of the largest executable part: found by asking for one after the other from half the file's size on. */
static int first_use(const char *path, uint64_t page, struct unwind_row *rows, uint64_t *ret_ns)
{
	uint64_t began = clock__mono_ns();
	struct file f = {.fd = -1};
	uint32_t n;
	int err = file__open(&f, path);

	for (int tries = 0; !err && tries < 4096; tries++) {
		err = unwind_table__build_page(f.table, page + (uint64_t)tries, rows, ROW_PAGE_SIZE, &n,
					       NULL);
		if (!err)
			break;
		err = 0;
	}
	*ret_ns = clock__mono_ns() - began;
	file__close(&f);
	return err;
}

int main(int argc, char **argv)
{
	struct unwind_row *rows = malloc(ROW_PAGE_SIZE * sizeof(*rows));
	struct file f = {.fd = -1};
	uint64_t best = UINT64_MAX, ns;
	off_t bytes;
	int err;

	if (argc != 2 || !rows) {
		fputs("usage: rows FILE\n", stderr);
		return 2;
	}
	warm(argv[1]);
	err = file__open(&f, argv[1]);
	bytes = err ? 0 : lseek(f.fd, 0, SEEK_END);
	for (int i = 0; i < ROUNDS && !err; i++) {
		err = first_use(argv[1], (uint64_t)bytes / 2 >> ROW_PAGE_BITS, rows, &ns);
		best = ns < best ? ns : best;
	}
	if (!err) {
		printf("first_use_ns %" PRIu64 "\n", best);
		err = measure_all(&f, rows);
	}
	if (err)
		fprintf(stderr, "rows: '%s' cannot be measured (%d)\n", argv[1], err);
	file__close(&f);
	free(rows);
	return err ? 1 : 0;
}
