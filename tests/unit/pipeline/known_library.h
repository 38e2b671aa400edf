/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_library - a library whose addresses are known because the test chose them, mapped by processes of a folder that stands for /proc.
 *
 *      0x7000 alpha       0x7020 nothing       0x7050 outer::inner       0x7060 end
 *
 * The executable segment lies at 0x1000 in the file. Processes are written by fixture__process (tests/unit/process/fixture.h) with
 * start = pid seconds, as key_of says.
 * Owns: the folder, the object cache, the symbolizer. Thread: one. Limit: none. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_PIPELINE_KNOWN_LIBRARY_H
#define EVERPROF_TESTS_PIPELINE_KNOWN_LIBRARY_H

#include "tests/unit/pipeline/window.h"
#include "tests/unit/process/fixture.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"
#include "user/pipeline/naming.h"
#include "user/profile/profile.h"
#include "user/symbolize/symbolizer.h"

#define KNOWN_BUILD_ID "0123456789abcdef0123456789abcdef01234567"
#define KNOWN_DEBUG    ".build-id/01/23456789abcdef0123456789abcdef01234567.debug"
#define KNOWN_BASE     0x700000000000ull

struct known {
	struct fixture_tree tree;
	struct object_cache *objects;
	struct symbolizer *symbolizer;
};

static inline void __attribute__((format(printf, 2, 3)))
known__shell(const struct known *k, const char *fmt, ...)
{
	char commands[1024], line[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(commands, sizeof(commands), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "cd %s && { %s; }", k->tree.dir, commands);
	assert_int_equal(system(line), 0);
}

/* "libknown.so" in the folder; the functions are in no dynamic symbol table, so that strip takes their names. */
static inline void known__build(const struct known *k)
{
	fixture__write(&k->tree, "known.S", "%s",
		       ".text\n"
		       ".type alpha, @function\nalpha: .skip 0x20, 0x90\n.size alpha, . - alpha\n"
		       ".skip 0x30, 0x90\n"
		       ".type _ZN5outer5innerEi, @function\n_ZN5outer5innerEi: .skip 0x10, 0x90\n.size "
		       "_ZN5outer5innerEi, . - _ZN5outer5innerEi\n"
		       ".section .note.GNU-stack,\"\",@progbits\n");
	known__shell(k, "gcc -shared -nostdlib -o libknown.so known.S -Wl,-Ttext=0x7000,-z,separate-code,"
			"-z,max-page-size=4096,--build-id=0x" KNOWN_BUILD_ID);
}

/* Opens the mapping of a file of the folder by a process; the object's id. */
static inline uint32_t known__map(struct known *k, uint32_t tgid, const char *file, const char *path)
{
	struct object_mapping m = {.tgid = tgid,
				   .pid_dir_fd = FD_CLOSED,
				   .start = KNOWN_BASE,
				   .end = KNOWN_BASE + 0x1000,
				   .pgoff = 0x1000,
				   .path = path};
	uint64_t bias;
	uint32_t id;

	known__shell(k, "mkdir -p %u/map_files; ln -sfn %s/%s %u/map_files/%llx-%llx", tgid, k->tree.dir,
		     file, tgid, (unsigned long long)m.start, (unsigned long long)m.end);
	assert_int_equal(object_cache__open_mapping(k->objects, &m, NS_PER_SEC, &id, &bias), 0);
	assert_int_equal(bias, KNOWN_BASE - 0x7000);
	return id;
}

static inline int known__setup(void **state)
{
	struct known *k = calloc(1, sizeof(*k));

	fixture__open(&k->tree);
	const struct object_cache_opts objects = {.proc_root_fd = k->tree.fd};
	const struct symbolizer_opts symbols = {.proc_root = k->tree.dir, .host_root = k->tree.dir};

	assert_int_equal(object_cache__new(&objects, &k->objects), 0);
	assert_int_equal(symbolizer__new(&symbols, NULL, &k->symbolizer), 0);
	*state = k;
	return 0;
}

static inline int known__teardown(void **state)
{
	struct known *k = *state;

	symbolizer__free(k->symbolizer);
	object_cache__free(k->objects);
	fixture__close(&k->tree);
	free(k);
	return 0;
}

/* The sealed profile of [from_ns, to_ns) of the window. */
static inline struct profile *known__name(const struct known *k, const struct window *w, bool tid,
					  uint64_t from_ns, uint64_t to_ns)
{
	const struct naming n = {.symbolizer = k->symbolizer,
				 .objects = k->objects,
				 .clock = "cpu-clock",
				 .label_tid = tid,
				 .system_names = true,
				 .proc_root = k->tree.dir};
	struct profile *p = NULL;

	assert_int_equal(naming__profile(&n, w, from_ns, to_ns, &p), 0);
	return p;
}

#endif
