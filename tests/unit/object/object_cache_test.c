/* SPDX-License-Identifier: Apache-2.0 */
/* A fixture tree stands for /proc: map_files holds links, as the real one does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"

#define SEC 1000000000ull

struct fixture {
	char dir[FOLDER_MAX];
	int proc_fd;
	struct object_cache *cache;
	uint32_t retired[64];
	uint32_t n_retired;
};

static void __attribute__((format(printf, 1, 2))) shell(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

static void note_retired(void *ctx, uint32_t id)
{
	struct fixture *f = ctx;

	if (f->n_retired < 64)
		f->retired[f->n_retired] = id;
	f->n_retired++;
}

static void open_cache(struct fixture *f, struct object_cache_opts opts)
{
	object_cache__free(f->cache);
	f->cache = NULL;
	f->n_retired = 0;
	opts.proc_root_fd = f->proc_fd;
	opts.retired = note_retired;
	opts.ctx = f;
	assert_int_equal(object_cache__new(&opts, &f->cache), 0);
}

/* Library n with its own code and, without `build_id`, none. */
static void make_library(const struct fixture *f, const char *path, int n, const char *build_id)
{
	shell("printf 'int f%d(int x) { return x * %d; }\\n' | gcc -xc - -shared -fPIC -O1 -o %s%s "
	      "-Wl,--build-id=%s",
	      n, n, f->dir, path, build_id);
}

static void map_file(const struct fixture *f, uint32_t tgid, uint64_t start, const char *path)
{
	shell("mkdir -p %s/proc/%u/map_files; touch %s/proc/%u/stat; ln -sfn %s%s "
	      "%s/proc/%u/map_files/%lx-%lx",
	      f->dir, tgid, f->dir, tgid, f->dir, path, f->dir, tgid, start, start + 0x1000);
}

static struct object_mapping mapping(uint32_t tgid, uint64_t start, const char *path)
{
	return (struct object_mapping){.tgid = tgid,
				       .pid_dir_fd = FD_CLOSED,
				       .start = start,
				       .end = start + 0x1000,
				       .pgoff = 0x1000,
				       .path = path};
}

static int chown_below(const char *folder, const char *name, uid_t owner)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", folder, name);
	return chown(path, owner, (gid_t)-1);
}

static uint32_t open_mapping(struct fixture *f, const struct object_mapping *m)
{
	uint32_t id = 12345;
	uint64_t bias;

	assert_int_equal(object_cache__open_mapping(f->cache, m, SEC, &id, &bias), 0);
	return id;
}

static const struct object *get(struct fixture *f, uint32_t id)
{
	const struct object *o = NULL;

	assert_int_equal(object_cache__get(f->cache, id, &o), 0);
	object_cache__put(f->cache, id);
	return o;
}

static struct object_cache_stats stats_of(struct fixture *f)
{
	struct object_cache_stats s;

	object_cache__stats(f->cache, &s);
	return s;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(folder__make(f->dir), 0);
	shell("mkdir -p %s/proc/1 %s/host/lib %s/image/lib", f->dir, f->dir, f->dir);
	shell("ln -s %s/host %s/proc/1/root", f->dir, f->dir);
	char proc[80];

	snprintf(proc, sizeof(proc), "%s/proc", f->dir);
	f->proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->proc_fd >= 0);
	open_cache(f, (struct object_cache_opts){0});
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	object_cache__free(f->cache);
	close(f->proc_fd);
	assert_int_equal(folder__remove(f->dir), 0);
	free(f);
	return 0;
}

static void a_file_is_described_once_for_all_processes(void **state)
{
	struct fixture *f = *state;
	const struct object *o;

	make_library(f, "/host/lib/a.so", 3, "sha1");
	for (uint32_t tgid = 100; tgid < 120; tgid++) {
		struct object_mapping m = mapping(tgid, 0x7f0000001000 + tgid * 0x10000, "/lib/a.so");

		map_file(f, tgid, m.start, "/host/lib/a.so");
		assert_int_equal(open_mapping(f, &m), 1);
	}
	assert_int_equal(stats_of(f).n_described, 1);
	assert_int_equal(stats_of(f).objects, 1);
	o = get(f, 1);
	assert_int_equal(o->state, OBJECT_READY);
	assert_string_equal(o->path, "/lib/a.so");
	assert_string_equal(o->basename, "a.so");
	assert_int_equal(o->build_id_len, 20);
	assert_int_equal(o->n_segments, 1);
}

static void copies_of_one_file_are_one_object_by_build_id(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"),
			      b = mapping(200, 0x7f0000005000, "/other/a.so");

	make_library(f, "/host/lib/a.so", 3, "sha1");
	shell("cp %s/host/lib/a.so %s/image/lib/a.so", f->dir, f->dir);
	map_file(f, 100, a.start, "/host/lib/a.so");
	map_file(f, 200, b.start, "/image/lib/a.so");
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &b), 1);
	assert_int_equal(stats_of(f).n_found_build, 1);
	/* and from then on by inode */
	assert_int_equal(open_mapping(f, &b), 1);
	assert_int_equal(stats_of(f).n_described, 2);
}

/* Names and rules are those of the first that was seen, and who has made it can have written what he likes. */
static void a_copy_of_another_user_is_another_object(void **state)
{
	struct fixture *f = *state;
	struct object_mapping his = mapping(100, 0x7f0000001000, "/other/a.so"),
			      ours = mapping(200, 0x7f0000005000, "/lib/a.so");

	make_library(f, "/host/lib/a.so", 3, "sha1");
	shell("cp %s/host/lib/a.so %s/image/lib/a.so", f->dir, f->dir);
	if (chown_below(f->dir, "/image/lib/a.so", 12345))
		skip(); /* only root may give files away */
	map_file(f, 100, his.start, "/image/lib/a.so");
	map_file(f, 200, ours.start, "/host/lib/a.so");
	assert_int_equal(open_mapping(f, &his), 1);
	assert_int_equal(open_mapping(f, &ours), 2);
	assert_int_equal(open_mapping(f, &his), 1);
	assert_int_equal(stats_of(f).n_found_build, 0);
}

static void copies_without_build_id_are_two_objects(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"),
			      b = mapping(200, 0x7f0000005000, "/lib/a.so");

	make_library(f, "/host/lib/a.so", 3, "none");
	shell("cp %s/host/lib/a.so %s/image/lib/a.so", f->dir, f->dir);
	map_file(f, 100, a.start, "/host/lib/a.so");
	map_file(f, 200, b.start, "/image/lib/a.so");
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &b), 2);
	assert_int_equal(get(f, 2)->build_id_len, 0);
}

static void other_code_under_the_same_build_id_is_another_object(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"),
			      b = mapping(200, 0x7f0000005000, "/lib/b.so");

	make_library(f, "/host/lib/a.so", 3, "0x0102030405060708");
	shell("printf 'int big(int x) { %s return x; }\\n' | gcc -xc - -shared -fPIC -O0 -o %s/host/lib/b.so "
	      "-Wl,--build-id=0x0102030405060708",
	      "x += 1; x ^= 3; x *= 5; x -= x / 7; x += 1; x ^= 3; x *= 5; x -= x / 7;", f->dir);
	map_file(f, 100, a.start, "/host/lib/a.so");
	map_file(f, 200, b.start, "/host/lib/b.so");
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &b), 2);
}

static void set_inode(const struct fixture *f, const char *path, struct object_mapping *m)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", f->dir, path);
	assert_int_equal(stat(name, &st), 0);
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->generation = 5;
}

static void a_file_that_an_event_names_by_its_inode_needs_no_process(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"), gone = a, other = a;

	make_library(f, "/host/lib/a.so", 3, "sha1");
	map_file(f, 100, a.start, "/host/lib/a.so");
	set_inode(f, "/host/lib/a.so", &a);
	gone.tgid = other.tgid = 999;
	gone.dev = a.dev, gone.ino = a.ino, gone.generation = a.generation;
	assert_int_equal(open_mapping(f, &a), 1);
	shell("rm -r %s/proc/100 %s/host/lib", f->dir, f->dir);
	assert_int_equal(open_mapping(f, &gone), 1);
	assert_int_equal(stats_of(f).n_found_inode, 1);
	/* the number alone is not enough: it may be used again */
	other.dev = a.dev, other.ino = a.ino, other.generation = 6;
	other.path = "/lib/other.so";
	assert_int_equal(open_mapping(f, &other), 2);
	/* nor is it when the file is not held open any more */
	assert_int_equal(stats_of(f).open_fds, 1);
	object_cache__retire(f->cache, 100 * SEC);
	assert_int_equal(stats_of(f).open_fds, 0);
	gone.path = "/lib/now-another.so";
	assert_int_equal(open_mapping(f, &gone), 3);
	assert_int_equal(stats_of(f).n_found_inode, 1);
}

static void a_file_rewritten_in_place_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so");

	make_library(f, "/host/lib/a.so", 3, "sha1");
	make_library(f, "/host/lib/b.so", 4, "sha1");
	map_file(f, 100, a.start, "/host/lib/a.so");
	set_inode(f, "/host/lib/a.so", &a);
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(stats_of(f).n_found_inode, 1);
	shell("cat %s/host/lib/b.so > %s/host/lib/a.so", f->dir, f->dir);
	assert_int_equal(open_mapping(f, &a), 2);
	assert_int_equal(open_mapping(f, &a), 2);
	assert_int_equal(stats_of(f).n_found_inode, 2);
}

static void a_file_replaced_under_its_name_is_a_new_object(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so");

	make_library(f, "/host/lib/a.so", 3, "sha1");
	map_file(f, 100, a.start, "/host/lib/a.so");
	assert_int_equal(open_mapping(f, &a), 1);
	shell("rm %s/host/lib/a.so", f->dir);
	make_library(f, "/host/lib/a.so", 4, "sha1");
	assert_int_equal(open_mapping(f, &a), 2);
}

static void the_path_below_the_root_serves_where_map_files_does_not(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so");
	struct stat st;
	char path[128];

	make_library(f, "/image/lib/a.so", 3, "sha1");
	shell("mkdir %s/proc/100; touch %s/proc/100/stat; ln -s %s/image %s/proc/100/root", f->dir, f->dir,
	      f->dir, f->dir);
	snprintf(path, sizeof(path), "%s/image/lib/a.so", f->dir);
	assert_int_equal(stat(path, &st), 0);
	a.ino = st.st_ino;
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(get(f, 1)->state, OBJECT_READY);
	/* another inode: the name is another file's by now */
	a.ino = st.st_ino + 1000000;
	a.start += 0x10000;
	a.end += 0x10000;
	assert_int_equal(open_mapping(f, &a), 2);
	assert_int_equal(get(f, 2)->state, OBJECT_UNREADABLE);
	assert_int_equal(get(f, 2)->error, -ESTALE);
}

static uint64_t inode_of(const struct fixture *f, const char *path)
{
	char whole[128];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s%s", f->dir, path);
	assert_int_equal(stat(whole, &st), 0);
	return st.st_ino;
}

/* The event of a mapping is read late: the library is closed, and the next one is where it was. */
static void a_library_in_the_place_of_another_is_not_taken_for_it(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"), b = a;

	make_library(f, "/host/lib/a.so", 3, "sha1");
	make_library(f, "/host/lib/b.so", 4, "sha1");
	map_file(f, 100, a.start, "/host/lib/b.so");
	shell("ln -s %s/host %s/proc/100/root", f->dir, f->dir);
	a.ino = inode_of(f, "/host/lib/a.so");
	b.ino = inode_of(f, "/host/lib/b.so");
	b.path = "/lib/b.so";
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &b), 2);
	assert_int_equal(get(f, 1)->identity.ino, a.ino);
	assert_int_equal(get(f, 2)->identity.ino, b.ino);
	/* both are known by now: nothing is opened */
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &b), 2);
}

/* As on overlayfs: the link's own name is the mapping's. */
static void a_mapped_file_with_another_number_is_known_by_its_name(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, NULL);
	char path[128];

	make_library(f, "/host/lib/a.so", 3, "sha1");
	map_file(f, 100, a.start, "/host/lib/a.so");
	snprintf(path, sizeof(path), "%s/host/lib/a.so", f->dir);
	a.path = path;
	a.ino = inode_of(f, "/host/lib/a.so") + 1000000;
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(get(f, 1)->state, OBJECT_READY);
}

static void a_link_out_of_the_root_stays_inside(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/link.so");

	make_library(f, "/host/lib/a.so", 3, "sha1");
	make_library(f, "/image/lib/a.so", 4, "none");
	shell("mkdir %s/proc/100; touch %s/proc/100/stat; ln -s %s/image %s/proc/100/root", f->dir, f->dir,
	      f->dir, f->dir);
	shell("ln -s ../../../../../../../../lib/a.so %s/image/lib/link.so", f->dir);
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(get(f, 1)->state, OBJECT_READY);
	/* the image's own, not the host's */
	assert_int_equal(get(f, 1)->build_id_len, 0);
}

static void a_process_that_is_gone_is_served_by_build_id(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"),
			      gone = mapping(300, 0x7f0000009000, "/elsewhere/a.so");
	uint64_t bias = 0, bias_a = 0;
	uint32_t id = 0;

	make_library(f, "/host/lib/a.so", 3, "sha1");
	map_file(f, 100, a.start, "/host/lib/a.so");
	assert_int_equal(object_cache__open_mapping(f->cache, &a, SEC, &id, &bias_a), 0);
	gone.build_id = get(f, 1)->build_id;
	gone.build_id_len = 20;
	assert_int_equal(object_cache__open_mapping(f->cache, &gone, SEC, &id, &bias), 0);
	assert_int_equal(id, 1);
	assert_int_equal(bias - gone.start, bias_a - a.start);
}

static void a_process_that_is_gone_is_served_from_the_host_if_the_build_id_proves_it(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(300, 0x7f0000009000, "/lib/a.so");
	static const uint8_t right[] = {1, 2, 3, 4, 5, 6, 7, 8}, wrong[] = {1, 2, 3, 4, 5, 6, 7, 9};
	uint32_t id;

	make_library(f, "/host/lib/a.so", 3, "0x0102030405060708");
	/* no proof, no file */
	id = open_mapping(f, &m);
	assert_int_equal(get(f, id)->state, OBJECT_GONE);
	m.build_id = wrong;
	m.build_id_len = 8;
	id = open_mapping(f, &m);
	assert_int_equal(get(f, id)->state, OBJECT_GONE);
	assert_memory_equal(get(f, id)->build_id, wrong, 8);
	m.build_id = right;
	id = open_mapping(f, &m);
	assert_int_equal(get(f, id)->state, OBJECT_READY);
}

static void without_a_file_an_object_keeps_name_build_id_and_offset(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(300, 0x7f0000009000, "/gone/b.so");
	static const uint8_t build_id[20] = {0xab, 0xcd};
	char hex[2 * ELF_BUILD_ID_MAX + 1];
	uint64_t bias;
	uint32_t id;
	int fd;

	m.build_id = build_id;
	m.build_id_len = 20;
	m.pgoff = 0x3000;
	assert_int_equal(object_cache__open_mapping(f->cache, &m, SEC, &id, &bias), 0);
	assert_int_equal(id, 1);
	assert_int_equal(m.start + 0x123 - bias, 0x3123);
	assert_string_equal(get(f, 1)->path, "/gone/b.so");
	assert_true(get(f, 1)->flags & OBJECT_VADDR_IS_OFFSET);
	object__format_build_id(get(f, 1), hex);
	assert_string_equal(hex, "abcd000000000000000000000000000000000000");
	/* once */
	assert_int_equal(open_mapping(f, &m), 1);
	assert_int_equal(object_cache__open_fd(f->cache, 1, SEC, &fd), -ENOENT);
	assert_int_equal(stats_of(f).n_by_state[OBJECT_GONE], 1);
}

static void files_that_are_no_good_say_why(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *make;
		enum object_state state;
	} cases[] = {
		{"printf 'MZ not ELF' > %s", OBJECT_NOT_ELF},
		{": > %s", OBJECT_NOT_ELF},
		{"printf '\\177ELF\\1\\1\\1' > %s", OBJECT_FOREIGN},
		{"head -c 100 /proc/self/exe > %s", OBJECT_DAMAGED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_mapping m = mapping(100, 0x10000 * (i + 1), "/lib/bad");
		char path[128], name[32];
		uint32_t id;

		snprintf(name, sizeof(name), "/host/lib/bad%zu", i);
		snprintf(path, sizeof(path), "%s%s", f->dir, name);
		char cmd[512];
		snprintf(cmd, sizeof(cmd), cases[i].make, path);
		shell("%s", cmd);
		if (cases[i].state == OBJECT_FOREIGN)
			assert_int_equal(truncate(path, 4096), 0);
		map_file(f, 100, m.start, name);
		id = open_mapping(f, &m);
		assert_int_equal(id, i + 1);
		assert_int_equal(get(f, id)->state, cases[i].state);
		assert_true(get(f, id)->error < 0);
		assert_true(get(f, id)->flags & OBJECT_VADDR_IS_OFFSET);
	}
}

static void code_of_a_jit_in_an_unnamed_file_is_no_object(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(100, 0x10000, "/memfd:doublemapper");

	shell("head -c 8192 /dev/zero > %s/host/lib/jit", f->dir);
	map_file(f, 100, m.start, "/host/lib/jit");
	m.deleted = true;
	assert_int_equal(open_mapping(f, &m), 0);
	/* a FIFO neither blocks nor counts */
	shell("mkfifo %s/host/lib/fifo", f->dir);
	m = mapping(100, 0x20000, "/lib/fifo");
	map_file(f, 100, m.start, "/host/lib/fifo");
	assert_int_equal(open_mapping(f, &m), 0);
}

static void an_offset_outside_of_the_code_is_no_object(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(100, 0x7f0000001000, "/lib/a.so");

	make_library(f, "/host/lib/a.so", 3, "sha1");
	map_file(f, 100, m.start, "/host/lib/a.so");
	m.pgoff = 0x4000000;
	assert_int_equal(open_mapping(f, &m), 0);
	m.pgoff = 0x1000;
	assert_int_equal(open_mapping(f, &m), 1);
}

/* Code that would be called by another file's name is worse than code without: where all ids are used there are no more. */
static void idle_objects_are_retired_and_their_ids_not_used_again(void **state)
{
	struct fixture *f = *state;
	struct object_mapping a = mapping(100, 0x7f0000001000, "/lib/a.so"),
			      b = mapping(100, 0x7f0000005000, "/lib/b.so");
	uint32_t id;
	uint64_t bias;

	open_cache(f, (struct object_cache_opts){.idle_ns = 100 * SEC, .max_id = 3});
	make_library(f, "/host/lib/a.so", 3, "sha1");
	make_library(f, "/host/lib/b.so", 4, "sha1");
	map_file(f, 100, a.start, "/host/lib/a.so");
	map_file(f, 100, b.start, "/host/lib/b.so");
	assert_int_equal(open_mapping(f, &a), 1);
	assert_int_equal(open_mapping(f, &b), 2);
	/* one reference each: nothing is idle */
	assert_int_equal(object_cache__retire(f->cache, 1000 * SEC), 0);
	object_cache__put(f->cache, 1);
	object_cache__put(f->cache, 2);
	assert_int_equal(object_cache__retire(f->cache, 1099 * SEC), 0);
	assert_int_equal(object_cache__get(f->cache, 1, NULL), 0); /* it was used once more */
	object_cache__put(f->cache, 1);
	assert_int_equal(object_cache__retire(f->cache, 1101 * SEC), 1);
	assert_int_equal(f->n_retired, 1);
	assert_int_equal(f->retired[0], 2);
	assert_int_equal(object_cache__get(f->cache, 2, NULL), -ENOENT);
	assert_int_equal(open_mapping(f, &b), 3);
	assert_int_equal(stats_of(f).objects, 2);
	object_cache__put(f->cache, 3);
	assert_int_equal(object_cache__retire(f->cache, 2000 * SEC), 2);
	assert_int_equal(object_cache__open_mapping(f->cache, &a, SEC, &id, &bias), -ENOSPC);
	assert_int_equal(stats_of(f).n_refused_id, 1);
}

static void of_a_crowd_of_idle_objects_less_is_kept(void **state)
{
	struct fixture *f = *state;

	open_cache(f, (struct object_cache_opts){.idle_ns = 600 * SEC, .idle_crowd = 2});
	for (uint32_t i = 1; i <= 4; i++) {
		struct object_mapping m = mapping(100, 0x7f0000000000 + i * 0x10000, "/lib/x.so");
		char path[32];

		snprintf(path, sizeof(path), "/host/lib/%u.so", i);
		make_library(f, path, i, "sha1");
		map_file(f, 100, m.start, path);
		assert_int_equal(open_mapping(f, &m), i);
	}
	object_cache__put(f->cache, 1);
	object_cache__put(f->cache, 2);
	assert_int_equal(object_cache__retire(f->cache, 500 * SEC), 0); /* two are no crowd */
	object_cache__put(f->cache, 3);
	object_cache__keep(f->cache, 600 * SEC);
	assert_int_equal(object_cache__retire(f->cache, 510 * SEC), 0); /* a window may still ask for it */
	object_cache__keep(f->cache, 0);
	assert_int_equal(object_cache__retire(f->cache, 510 * SEC), 1);
	assert_int_equal(f->retired[0], 1);
	object_cache__put(f->cache, 4);
	assert_int_equal(object_cache__get(f->cache, 2, NULL),
			 0); /* now it is used, and the others are two */
	assert_int_equal(object_cache__retire(f->cache, 640 * SEC), 0);
	object_cache__put(f->cache, 2);
	assert_int_equal(object_cache__retire(f->cache, 641 * SEC), 1);
	assert_int_equal(f->retired[1], 3);
	object_cache__keep(f->cache, 3600 * SEC);
	assert_int_equal(object_cache__retire(f->cache, 4109 * SEC), 0);
	assert_int_equal(object_cache__retire(f->cache, 4241 * SEC), 2);
}

static void a_full_cache_evicts_idle_objects_and_then_refuses(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m[4];
	uint32_t id = 77;
	uint64_t bias;

	open_cache(f, (struct object_cache_opts){.max_objects = 2});
	for (int i = 0; i < 4; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/%d", i);
		m[i] = mapping(100, 0x100000 * (uint64_t)(i + 1), "");
		shell("echo %d > %s/host/%d", i, f->dir, i);
		snprintf(path, sizeof(path), "/host/%d", i);
		map_file(f, 100, m[i].start, path);
	}
	assert_int_equal(open_mapping(f, &m[0]), 1);
	assert_int_equal(open_mapping(f, &m[1]), 2);
	assert_int_equal(object_cache__open_mapping(f->cache, &m[2], SEC, &id, &bias), -E2BIG);
	assert_int_equal(id, 77);
	object_cache__put(f->cache, 1);
	assert_int_equal(open_mapping(f, &m[2]), 3);
	assert_int_equal(stats_of(f).n_evicted, 1);
	assert_int_equal(stats_of(f).n_refused, 1);
	assert_int_equal(stats_of(f).objects, 2);
	assert_int_equal(object_cache__get(f->cache, 1, NULL), -ENOENT);
}

static void assert_reads_elf(struct fixture *f, uint32_t id, uint64_t now_ns)
{
	char magic[4];
	int fd = -1;

	assert_int_equal(object_cache__open_fd(f->cache, id, now_ns, &fd), 0);
	assert_int_equal(pread(fd, magic, 4, 0), 4);
	assert_memory_equal(magic, "\177ELF", 4);
	close(fd);
}

/* Libraries 1 to n, each mapped by the same process. */
static void open_libraries(struct fixture *f, int n)
{
	for (int i = 1; i <= n; i++) {
		struct object_mapping m = mapping(100, 0x100000 * (uint64_t)i, "/lib/x.so");
		char path[32];

		snprintf(path, sizeof(path), "/host/lib/%d.so", i);
		make_library(f, path, i, "sha1");
		map_file(f, 100, m.start, path);
		assert_int_equal(open_mapping(f, &m), i);
	}
}

static void descriptors_are_capped_closed_when_idle_and_opened_again(void **state)
{
	struct fixture *f = *state;

	open_cache(f, (struct object_cache_opts){.max_open_fds = 2});
	open_libraries(f, 4);
	assert_int_equal(stats_of(f).open_fds, 2);
	assert_int_equal(stats_of(f).n_fd_evicted, 2);
	for (uint32_t id = 1; id <= 4; id++)
		assert_reads_elf(f, id, 2 * SEC);
	assert_int_equal(stats_of(f).open_fds, 2);
	assert_true(stats_of(f).n_fd_reopened >= 2);
	object_cache__retire(f->cache, 1000 * SEC);
	assert_int_equal(stats_of(f).open_fds, 0);
	assert_int_equal(stats_of(f).objects, 4);
	assert_reads_elf(f, 3, 1000 * SEC);
}

static void where_few_descriptors_are_allowed_most_are_left_to_others(void **state)
{
	struct fixture *f = *state;
	struct rlimit few, before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 32;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	open_cache(f, (struct object_cache_opts){});
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	open_libraries(f, 10);
	assert_int_equal(stats_of(f).open_fds, 8);
}

static void another_file_under_the_same_name_is_not_opened_again(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(100, 0x100000, "/lib/a.so");
	int fd = 55;

	make_library(f, "/host/lib/a.so", 3, "sha1");
	map_file(f, 100, m.start, "/host/lib/a.so");
	assert_int_equal(open_mapping(f, &m), 1);
	object_cache__retire(f->cache, 1000 * SEC);
	shell("mv %s/host/lib/a.so %s/host/lib/kept.so", f->dir, f->dir);
	make_library(f, "/host/lib/a.so", 4, "sha1");
	assert_int_equal(object_cache__open_fd(f->cache, 1, 1000 * SEC, &fd), -ESTALE);
	assert_int_equal(fd, 55);
	assert_int_equal(stats_of(f).n_fd_lost, 1);
	/* a copy of the right one will do */
	shell("cp %s/host/lib/kept.so %s/host/lib/a.so", f->dir, f->dir);
	assert_reads_elf(f, 1, 1000 * SEC);
}

static void the_vdso_is_one_object_for_everybody(void **state)
{
	struct fixture *f = *state;
	uint32_t a, b;
	uint64_t bias;

	assert_int_equal(object_cache__open_vdso(f->cache, 0x7ffc00000000, 0, SEC, &a, &bias), 0);
	assert_int_equal(bias, 0x7ffc00000000);
	assert_int_equal(object_cache__open_vdso(f->cache, 0x7fff12345000, 0, SEC, &b, &bias), 0);
	assert_int_equal(a, b);
	assert_int_equal(bias, 0x7fff12345000);
	assert_string_equal(get(f, a)->path, "[vdso]");
	assert_true(get(f, a)->flags & OBJECT_VDSO);
	assert_reads_elf(f, a, SEC);
	object_cache__retire(f->cache, 1000 * SEC);
	assert_int_equal(stats_of(f).open_fds, 0);
	assert_reads_elf(f, a, 1000 * SEC);
}

static void the_memory_that_is_reported_goes_back_to_where_it_was(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(100, 0x100000, "/lib/a.so"),
			      copy = mapping(100, 0x200000, "/lib/c.so");
	uint64_t before;

	make_library(f, "/host/lib/a.so", 3, "sha1");
	shell("cp %s/host/lib/a.so %s/host/lib/c.so", f->dir, f->dir);
	map_file(f, 100, m.start, "/host/lib/a.so");
	map_file(f, 100, copy.start, "/host/lib/c.so");
	for (int round = 0; round < 3; round++) {
		uint32_t id = open_mapping(f, &m);

		assert_int_equal(open_mapping(f, &copy), id);
		object_cache__put(f->cache, id);
		object_cache__put(f->cache, id);
		object_cache__retire(f->cache, (uint64_t)(round + 1) * 1000 * SEC);
		assert_int_equal(stats_of(f).objects, 0);
		if (round == 0)
			before = stats_of(f).bytes;
		assert_int_equal(stats_of(f).bytes, before);
	}
}

static void ids_and_arguments_that_make_no_sense_are_refused(void **state)
{
	struct fixture *f = *state;
	struct object_mapping m = mapping(100, 0x1000, "/a");
	uint64_t bias;
	uint32_t id;
	int fd;

	assert_int_equal(object_cache__get(f->cache, 0, NULL), -ENOENT);
	assert_int_equal(object_cache__get(f->cache, 99, NULL), -ENOENT);
	assert_int_equal(object_cache__open_fd(f->cache, 99, SEC, &fd), -ENOENT);
	object_cache__put(f->cache, 99);
	m.end = m.start;
	assert_int_equal(object_cache__open_mapping(f->cache, &m, SEC, &id, &bias), -EINVAL);
	m.end = m.start + 1;
	m.build_id_len = ELF_BUILD_ID_MAX + 1;
	assert_int_equal(object_cache__open_mapping(f->cache, &m, SEC, &id, &bias), -EINVAL);
	object_cache__free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_file_is_described_once_for_all_processes),
		T(copies_of_one_file_are_one_object_by_build_id),
		T(a_copy_of_another_user_is_another_object),
		T(copies_without_build_id_are_two_objects),
		T(other_code_under_the_same_build_id_is_another_object),
		T(a_file_that_an_event_names_by_its_inode_needs_no_process),
		T(a_file_rewritten_in_place_is_noticed),
		T(a_file_replaced_under_its_name_is_a_new_object),
		T(the_path_below_the_root_serves_where_map_files_does_not),
		T(a_library_in_the_place_of_another_is_not_taken_for_it),
		T(a_mapped_file_with_another_number_is_known_by_its_name),
		T(a_link_out_of_the_root_stays_inside),
		T(a_process_that_is_gone_is_served_by_build_id),
		T(a_process_that_is_gone_is_served_from_the_host_if_the_build_id_proves_it),
		T(without_a_file_an_object_keeps_name_build_id_and_offset),
		T(files_that_are_no_good_say_why),
		T(code_of_a_jit_in_an_unnamed_file_is_no_object),
		T(an_offset_outside_of_the_code_is_no_object),
		T(idle_objects_are_retired_and_their_ids_not_used_again),
		T(of_a_crowd_of_idle_objects_less_is_kept),
		T(a_full_cache_evicts_idle_objects_and_then_refuses),
		T(descriptors_are_capped_closed_when_idle_and_opened_again),
		T(where_few_descriptors_are_allowed_most_are_left_to_others),
		T(another_file_under_the_same_name_is_not_opened_again),
		T(the_vdso_is_one_object_for_everybody),
		T(the_memory_that_is_reported_goes_back_to_where_it_was),
		T(ids_and_arguments_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests_name("object_cache", tests, NULL, NULL);
}
