// SPDX-License-Identifier: Apache-2.0
/* Files of this process, pages and segments that are real maps. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "tests/support/go_image.h"
#include "tests/unit/kernel/row_maps_here.h"
#include "user/base/io.h"
#include "user/kernel/loader.h"
#include "user/kernel/tables.h"
#include "user/object/object_cache.h"

#define FILES 6

struct memory {
	char folder[FOLDER_MAX];
	struct kernel_maps maps;
	struct gate gate;
	int proc_fd;
	struct object_cache *objects;
	struct tables *tables;
	void *mapped[FILES];
	uint32_t n;
};

static int setup(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_int_equal(folder__make(m->folder), 0);
	row_maps_here__open(&m->maps, &m->gate);
	m->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(
		object_cache__new(&(struct object_cache_opts){.proc_root_fd = m->proc_fd, .fd_idle_ns = 1},
				  &m->objects),
		0);
	assert_int_equal(tables__new(&m->maps, m->objects, 8, &m->tables), 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;
	int err;

	tables__free(m->tables);
	object_cache__free(m->objects);
	for (uint32_t i = 0; i < m->n; i++)
		munmap(m->mapped[i], 4096);
	close(m->proc_fd);
	row_maps_here__close(&m->maps);
	err = folder__remove(m->folder);
	free(m);
	return err;
}

/* A file of the Go compiler that this process maps: see go_image. Its object. */
static uint32_t map_file(struct memory *m, uint32_t n, uint32_t step, uint32_t apart)
{
	int from = go_image__fd(n, step, apart), fd;
	off_t at = 0, size = lseek(from, 0, SEEK_END);
	uint32_t object;
	uint64_t bias;
	char path[128];
	void *mapped;

	snprintf(path, sizeof(path), "%s/%u", m->folder, m->n);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	while (at < size)
		assert_true(sendfile(fd, from, &at, (size_t)(size - at)) > 0);
	mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(mapped != MAP_FAILED);
	m->mapped[m->n++] = mapped;
	close(from);
	close(fd);
	assert_int_equal(object_cache__open_mapping(m->objects,
						    &(struct object_mapping){.tgid = (uint32_t)getpid(),
									     .pid_dir_fd = FD_CLOSED,
									     .start = (uintptr_t)mapped,
									     .end = (uintptr_t)mapped + 4096,
									     .path = path},
						    clock__mono_ns(), &object, &bias),
			 0);
	assert_int_not_equal(object, 0);
	return object;
}

static struct tables_stats stats_of(const struct memory *m)
{
	struct tables_stats s;

	tables__stats(m->tables, &s);
	return s;
}

static uint8_t cfa_at(struct memory *m, uint32_t object, uint64_t vaddr)
{
	struct unwind_row row;

	tables__row(m->tables, object, vaddr, &row);
	return row.cfa;
}

/* What stands in the way of any more descriptors until it is taken away. */
static void limit_descriptors(struct rlimit *ret_usual)
{
	int lowest = dup(STDERR_FILENO);
	struct rlimit none;

	assert_true(lowest > 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_usual), 0);
	none = (struct rlimit){(rlim_t)lowest, ret_usual->rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void try_without_descriptors(struct memory *m, uint32_t object)
{
	uint64_t n_failed = stats_of(m).files_failed, until_ns;
	struct rlimit usual;

	limit_descriptors(&usual);
	for (int i = 0; i < 10; i++)
		assert_int_equal(cfa_at(m, object, GO_IMAGE_CODE), ROW_CFA_NONE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_false(tables__has(m->tables, object, GO_IMAGE_CODE));
	assert_int_equal(stats_of(m).pages_empty, 0);
	/* not tried each time: a second is between them */
	assert_in_range(stats_of(m).files_failed - n_failed, 1, 9);
	until_ns = clock__mono_ns() + 60 * NS_PER_SEC;
	while (!tables__has(m->tables, object, GO_IMAGE_CODE) && clock__mono_ns() < until_ns) {
		usleep(50 * 1000);
		cfa_at(m, object, GO_IMAGE_CODE);
	}
	assert_int_equal(cfa_at(m, object, GO_IMAGE_CODE), ROW_CFA_FRAME_POINTER);
}

static void a_page_of_a_file_that_cannot_be_opened_now_is_made_later(void **state)
{
	struct memory *m = *state;
	uint32_t known = map_file(m, 100, 16, 64), closed = map_file(m, 100, 16, 64);

	try_without_descriptors(m, known);
	object_cache__retire(m->objects, clock__mono_ns());
	try_without_descriptors(m, closed);
	/* what says something of the file is known from then on */
	assert_int_equal(cfa_at(m, known, 1ull << 30), ROW_CFA_NONE);
	assert_true(tables__has(m->tables, known, 1ull << 30));
}

static void tables_of_open_files_have_a_limit(void **state)
{
	struct memory *m = *state;
	uint32_t objects[FILES];

	for (int i = 0; i < FILES; i++) {
		objects[i] = map_file(m, 1024, 64, 6144); /* 6 MiB are touched for its page */
		assert_int_equal(cfa_at(m, objects[i], GO_IMAGE_CODE), ROW_CFA_FRAME_POINTER);
		assert_true(stats_of(m).open_bytes < TABLES_BYTES_MAX + (8u << 20));
	}
	assert_true(stats_of(m).open_bytes > 8u << 20);
	assert_int_equal(stats_of(m).files_opened, FILES);
	/* the one that was asked for first is opened again; the last one was not closed */
	cfa_at(m, objects[FILES - 1], GO_IMAGE_CODE + ROW_PAGE_SIZE);
	assert_int_equal(stats_of(m).files_opened, FILES);
	cfa_at(m, objects[0], GO_IMAGE_CODE + ROW_PAGE_SIZE);
	assert_int_equal(stats_of(m).files_opened, FILES + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_page_of_a_file_that_cannot_be_opened_now_is_made_later,
						setup, teardown),
		cmocka_unit_test_setup_teardown(tables_of_open_files_have_a_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
