/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/io.h"
#include "user/object/debug_file.h"
#include "user/object/elf.h"
#include "user/object/symtab.h"

/*
 * A root folder as a container's image would be: /app/prog (stripped), and its symbols in prog.debug, wherever the test puts them.
 */
struct fixture {
	char root[FOLDER_MAX];
	int root_fd, empty_fd, fd;
	struct elf *e;
	char build_id_path[128]; /* .build-id/xx/yyy.debug */
};

static int shell(const struct fixture *f, const char *commands)
{
	char line[2048];

	snprintf(line, sizeof(line), "cd '%s' && ID='%s' && { %s; } >/dev/null 2>&1", f->root,
		 f->build_id_path, commands);
	return system(line);
}

static void open_program(struct fixture *f)
{
	uint8_t id[ELF_BUILD_ID_MAX];
	size_t len;

	assert_int_equal(io__open_regular(f->root_fd, "app/prog", &f->fd), 0);
	assert_int_equal(elf__open(f->fd, &f->e), 0);
	if (elf__build_id(f->e, id, &len))
		return;
	snprintf(f->build_id_path, sizeof(f->build_id_path), ".build-id/%02x/", id[0]);
	for (size_t i = 1; i < len; i++)
		snprintf(f->build_id_path + strlen(f->build_id_path), 3, "%02x", id[i]);
	strcat(f->build_id_path, ".debug");
}

static int setup_with(void **state, const char *build_id_option)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char commands[1024];

	if (folder__make(f->root))
		return -1;
	snprintf(commands, sizeof(commands),
		 "mkdir app empty && echo 'static __attribute__((noinline)) int hidden(int x) { return x * "
		 "x; } int main(int c, char **v) "
		 "{ (void)v; return hidden(c); }' > a.c && gcc -O1 -Wl,--build-id=%s -o whole a.c && "
		 "objcopy --only-keep-debug whole prog.debug && strip -o app/prog whole && "
		 "objcopy --add-gnu-debuglink=prog.debug app/prog",
		 build_id_option);
	if (shell(f, commands))
		return -1;
	f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->empty_fd = openat(f->root_fd, "empty", O_PATH | O_DIRECTORY | O_CLOEXEC);
	open_program(f);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "sha1");
}

static int setup_without_build_id(void **state)
{
	return setup_with(state, "none");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	elf__free(f->e);
	close(f->fd);
	close(f->root_fd);
	close(f->empty_fd);
	if (folder__remove(f->root))
		return -1;
	free(f);
	return 0;
}

static int find(const struct fixture *f, int process, int host, int *ret_fd)
{
	const struct debug_file_roots roots = {.process = process, .host = host};

	return debug_file__open(f->e, "/app/prog", &roots, NULL, ret_fd);
}

static void assert_names_hidden_function(const struct fixture *f, int fd)
{
	const struct elf *files[2] = {f->e};
	bool found = false;
	struct symtab *t;
	struct elf *debug;

	assert_int_equal(elf__open(fd, &debug), 0);
	files[1] = debug;
	assert_int_equal(symtab__load(files, 2, NULL, &t), 0);
	for (uint32_t i = 0; i < symtab__count(t); i++)
		found |= strcmp(symtab__get(t, i).name, "hidden") == 0;
	assert_true(found);
	symtab__free(t);
	elf__free(debug);
	close(fd);
}

static void file_is_found_by_build_id_in_either_root(void **state)
{
	struct fixture *f = *state;
	int fd = -1;

	assert_int_equal(find(f, f->root_fd, f->root_fd, &fd), -ENOENT);
	assert_int_equal(shell(f, "mkdir -p usr/lib/debug/${ID%/*} && cp prog.debug usr/lib/debug/$ID"), 0);
	assert_int_equal(find(f, f->root_fd, f->empty_fd, &fd), 0);
	assert_names_hidden_function(f, fd);
	assert_int_equal(find(f, f->empty_fd, f->root_fd, &fd), 0);
	assert_names_hidden_function(f, fd);
	assert_int_equal(find(f, FD_CLOSED, f->root_fd, &fd), 0);
	assert_names_hidden_function(f, fd);
	assert_int_equal(find(f, f->empty_fd, FD_CLOSED, &fd), -ENOENT);
}

static void configured_folders_replace_the_default(void **state)
{
	static const char *const dirs[] = {"/opt/symbols", "/srv/debug"};
	const struct debug_file_opts opts = {.dirs = dirs, .n_dirs = 2};
	struct fixture *f = *state;
	const struct debug_file_roots roots = {.process = f->root_fd, .host = FD_CLOSED};
	int fd = -1;

	assert_int_equal(shell(f, "mkdir -p srv/debug/${ID%/*} && cp prog.debug srv/debug/$ID"), 0);
	assert_int_equal(find(f, f->root_fd, FD_CLOSED, &fd), -ENOENT);
	assert_int_equal(debug_file__open(f->e, "/app/prog", &roots, &opts, &fd), 0);
	assert_names_hidden_function(f, fd);
}

static void debug_link_is_found_beside_the_object(void **state)
{
	static const char *const places[] = {"app", "app/.debug", "usr/lib/debug/app"};
	struct fixture *f = *state;
	char commands[128];
	int fd = -1;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(commands, sizeof(commands), "mkdir -p %s && cp prog.debug %s/prog.debug", places[i],
			 places[i]);
		assert_int_equal(shell(f, commands), 0);
		assert_int_equal(find(f, f->root_fd, FD_CLOSED, &fd), 0);
		assert_names_hidden_function(f, fd);
		snprintf(commands, sizeof(commands), "rm %s/prog.debug", places[i]);
		assert_int_equal(shell(f, commands), 0);
		assert_int_equal(find(f, f->root_fd, FD_CLOSED, &fd), -ENOENT);
	}
}

static void file_of_another_build_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = -1;

	assert_int_equal(shell(f, "mkdir -p usr/lib/debug/${ID%/*} && echo 'int main(void) { return 7; }' > "
				  "b.c && gcc -o b b.c && "
				  "cp b usr/lib/debug/$ID && cp b app/prog.debug"),
			 0);
	assert_int_equal(find(f, f->root_fd, f->root_fd, &fd), -ENOENT);
	assert_int_equal(
		shell(f,
		      "echo not an ELF file > usr/lib/debug/$ID; rm app/prog.debug; mkfifo app/prog.debug"),
		0);
	assert_int_equal(find(f, f->root_fd, f->root_fd, &fd), -ENOENT);
}

static void object_is_not_its_own_debug_file(void **state)
{
	struct fixture *f = *state;
	int fd = -1;

	assert_int_equal(shell(f, "ln app/prog app/prog.debug"), 0);
	assert_int_equal(find(f, f->root_fd, FD_CLOSED, &fd), -ENOENT);
}

static void without_build_id_the_checksum_decides(void **state)
{
	struct fixture *f = *state;
	const struct debug_file_opts small = {.crc_bytes = 100};
	const struct debug_file_roots roots = {.process = f->root_fd, .host = FD_CLOSED};
	int fd = -1;

	assert_string_equal(f->build_id_path, "");
	assert_int_equal(shell(f, "cp prog.debug app/"), 0);
	assert_int_equal(find(f, f->root_fd, FD_CLOSED, &fd), 0);
	assert_names_hidden_function(f, fd);
	assert_int_equal(debug_file__open(f->e, "/app/prog", &roots, &small, &fd),
			 -ENOENT); /* too large to be read */
	assert_int_equal(shell(f, "printf x >> app/prog.debug"), 0);
	assert_int_equal(find(f, f->root_fd, FD_CLOSED, &fd), -ENOENT);
}

static void link_names_that_are_paths_are_refused(void **state)
{
	struct debug_link link;

	(void)state;
	assert_int_equal(debug_file__parse_link("a.debug\0\x78\x56\x34\x12", 12, &link), 0);
	assert_string_equal(link.name, "a.debug");
	assert_int_equal(link.crc, 0x12345678);
	assert_int_equal(debug_file__parse_link("ab\0\0\x01\0\0\0", 8, &link), 0);
	assert_int_equal(link.crc, 1);
	assert_int_equal(debug_file__parse_link("a/b.dbg\0\x78\x56\x34\x12", 12, &link), -EBADMSG);
	assert_int_equal(debug_file__parse_link("..\0\0\x78\x56\x34\x12", 8, &link), -EBADMSG);
	assert_int_equal(debug_file__parse_link("\0\0\0\0\x78\x56\x34\x12", 8, &link), -EBADMSG);
	assert_int_equal(debug_file__parse_link("a.debug\0\x78\x56\x34", 11, &link), -EBADMSG);
	assert_int_equal(debug_file__parse_link("unterminated", 12, &link), -EBADMSG);
	assert_int_equal(debug_file__parse_link("", 0, &link), -EBADMSG);
}

static void write_packed(const struct fixture *f, const uint8_t *bytes, size_t len)
{
	size_t cap = len + 65536, n = 0;
	uint8_t *packed = malloc(cap);
	char path[128];
	FILE *file;

	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, bytes, len, packed, &n, cap),
			 LZMA_OK);
	snprintf(path, sizeof(path), "%s/packed.xz", f->root);
	file = fopen(path, "w");
	assert_int_equal(fwrite(packed, 1, n, file), n);
	fclose(file);
	free(packed);
}

static int open_embedded(const struct fixture *f, const char *name, int *ret_fd)
{
	struct elf *e;
	int fd, err;

	assert_int_equal(io__open_regular(f->root_fd, name, &fd), 0);
	assert_int_equal(elf__open(fd, &e), 0);
	err = debug_file__open_embedded(e, ret_fd);
	elf__free(e);
	close(fd);
	return err;
}

static void embedded_file_is_unpacked_and_bombs_are_not(void **state)
{
	struct fixture *f = *state;
	size_t cap = DEBUG_FILE_EMBEDDED_MAX + 4096, len;
	uint8_t *bytes = calloc(1, cap);
	char path[128];
	FILE *file;
	int fd = -1;

	assert_int_equal(debug_file__open_embedded(f->e, &fd), -ENOENT);
	snprintf(path, sizeof(path), "%s/prog.debug", f->root);
	file = fopen(path, "r");
	len = fread(bytes, 1, cap, file);
	fclose(file);
	write_packed(f, bytes, len);
	assert_int_equal(shell(f, "objcopy --add-section .gnu_debugdata=packed.xz app/prog mini"), 0);
	assert_int_equal(open_embedded(f, "mini", &fd), 0);
	assert_names_hidden_function(f, fd);

	memset(bytes, 0, cap);
	write_packed(f, bytes, cap);
	assert_int_equal(shell(f, "objcopy --add-section .gnu_debugdata=packed.xz app/prog bomb"), 0);
	assert_int_equal(open_embedded(f, "bomb", &fd), -E2BIG);
	assert_int_equal(shell(f, "head -c 100 packed.xz > cut.xz; objcopy --add-section "
				  ".gnu_debugdata=cut.xz app/prog cut"),
			 0);
	assert_int_equal(open_embedded(f, "cut", &fd), -EBADMSG);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(file_is_found_by_build_id_in_either_root, setup, teardown),
		cmocka_unit_test_setup_teardown(configured_folders_replace_the_default, setup, teardown),
		cmocka_unit_test_setup_teardown(debug_link_is_found_beside_the_object, setup, teardown),
		cmocka_unit_test_setup_teardown(file_of_another_build_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(object_is_not_its_own_debug_file, setup, teardown),
		cmocka_unit_test_setup_teardown(without_build_id_the_checksum_decides, setup_without_build_id,
						teardown),
		cmocka_unit_test(link_names_that_are_paths_are_refused),
		cmocka_unit_test_setup_teardown(embedded_file_is_unpacked_and_bombs_are_not, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
