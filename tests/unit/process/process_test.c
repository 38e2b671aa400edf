/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Truth: programs that the test builds tell the address at which one of their functions runs; nm tells its address in
 * the file. The mapping's object and bias must lead from the first to the second.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/unit/process/fixture.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/object/object_cache.h"
#include "user/process/proc_dir.h"
#include "user/process/process_table.h"

struct live {
	struct fixture_tree tmp; /* where programs are built */
	int proc_fd;
	struct object_cache *objects;
	struct process_table *table;
};

/* A running program and what it said: the address of its function `landmark`. */
struct program {
	pid_t pid;
	int to, from;
	uint64_t landmark;
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

static const char program_source[] =
	"#include <stdio.h>\n#include <dlfcn.h>\n"
	"int landmark(int x) { return x * 3; }\n"
	"int main(int argc, char **argv) { void *at = (void *)landmark; char c;\n"
	"  printf(\"%p\\n\", at); fflush(stdout);\n"
	"  while (fread(&c, 1, 1, stdin) == 1 && argc > 1) { void *h = dlopen(argv[1], RTLD_NOW);\n"
	"    at = h ? dlsym(h, \"landmark_of_library\") : 0; printf(\"%p\\n\", at); fflush(stdout); }\n"
	"  return 0; }\n";

static int setup(void **state)
{
	struct live *l = calloc(1, sizeof(*l));

	fixture__open(&l->tmp);
	fixture__write(&l->tmp, "program.c", "%s", program_source);
	fixture__write(&l->tmp, "library.c",
		       "int pad(int x) { return x; }\nint landmark_of_library(int x) { return x * 7; }\n");
	l->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(
		object_cache__new(&(struct object_cache_opts){.proc_root_fd = l->proc_fd}, &l->objects), 0);
	assert_int_equal(process_table__new(&(struct process_table_opts){.proc_root_fd = l->proc_fd,
									 .objects = l->objects},
					    &l->table),
			 0);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct live *l = *state;
	struct object_cache_stats stats;

	process_table__free(l->table);
	/* every reference was given back */
	object_cache__retire(l->objects, UINT64_MAX / 2);
	object_cache__stats(l->objects, &stats);
	assert_in_range(stats.objects, 0, 1); /* the vDSO stays */
	object_cache__free(l->objects);
	close(l->proc_fd);
	fixture__close(&l->tmp);
	free(l);
	return 0;
}

static void build(const struct live *l, const char *options, const char *source, const char *to)
{
	shell("gcc -O1 -w -Wl,--no-warnings %s -o %s/%s %s/%s -ldl", options, l->tmp.dir, to, l->tmp.dir,
	      source);
}

static uint64_t read_address(int fd)
{
	char text[64];
	size_t n = 0;

	while (n < sizeof(text) - 1 && read(fd, text + n, 1) == 1 && text[n] != '\n')
		n++;
	text[n] = '\0';
	return strtoull(text, NULL, 16);
}

static struct program start(const struct live *l, const char *name, const char *argument)
{
	int in[2], out[2];
	struct program p;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", l->tmp.dir, name);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	p.pid = fork();
	if (p.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execl(path, name, argument, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p.to = in[1];
	p.from = out[0];
	p.landmark = read_address(p.from);
	assert_int_not_equal(p.landmark, 0);
	return p;
}

static void stop(struct program *p)
{
	close(p->to);
	close(p->from);
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
}

static struct task_key key_of(const struct live *l, pid_t pid)
{
	struct proc_stat st;
	int fd;

	assert_int_equal(proc_dir__open(l->proc_fd, (uint32_t)pid, 0, &fd, &st), 0);
	close(fd);
	return (struct task_key){.tgid = (uint32_t)pid, .exec_id = 1, .start_ns = st.start_ticks * 10000000};
}

static struct process *scan(const struct live *l, const struct program *p)
{
	struct task_key key = key_of(l, p->pid);
	struct process *process;

	assert_int_equal(process_table__scan_one(l->table, clock__mono_ns(), &key, &process), 0);
	return process;
}

static uint64_t nm(const struct live *l, const char *file, const char *symbol)
{
	char cmd[256], text[64] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "nm %s/%s | grep ' T %s$'", l->tmp.dir, file, symbol);
	f = popen(cmd, "r");
	assert_non_null(fgets(text, sizeof(text), f));
	pclose(f);
	return strtoull(text, NULL, 16);
}

/* The object at the address, after a check that the address is the symbol's. */
static uint32_t assert_leads_to(const struct live *l, const struct process *p, uint64_t address,
				uint64_t symbol)
{
	const struct code_mapping *m = mapping_set__find(p->mappings, address);

	assert_non_null(m);
	assert_int_not_equal(m->object, 0);
	assert_int_equal(address - m->bias, symbol);
	(void)l;
	return m->object;
}

static const struct object *object_of(const struct live *l, uint32_t id)
{
	const struct object *o = NULL;

	assert_int_equal(object_cache__get(l->objects, id, &o), 0);
	object_cache__put(l->objects, id);
	return o;
}

static void check_kind(struct live *l, const char *options)
{
	struct program prog;
	struct process *p;
	uint32_t id;

	build(l, options, "program.c", "kind");
	prog = start(l, "kind", NULL);
	p = scan(l, &prog);
	id = assert_leads_to(l, p, prog.landmark, nm(l, "kind", "landmark"));
	assert_string_equal(object_of(l, id)->basename, "kind");
	assert_string_equal(p->comm, "kind");
	assert_string_equal(strrchr(p->exe, '/'), "/kind");
	stop(&prog);
}

static void programs_of_every_kind_lead_to_their_symbols(void **state)
{
	static const char *const kinds[] = {
		"-pie -fPIE",
		"-no-pie",
		"-static",
		"-static-pie -fPIE",
		"-pie -fPIE -Wl,-z,noseparate-code",
		"-no-pie -Wl,-z,noseparate-code",
		"-no-pie -Wl,-Ttext-segment=0x10000000",
		"-pie -fPIE -Wl,-z,max-page-size=0x200000",
		"-static -Wl,-z,noseparate-code",
		"-pie -fPIE -Wl,--build-id=none",
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_kind(*state, kinds[i]);
}

static void a_library_opened_later_is_found_by_its_event_and_by_a_rescan(void **state)
{
	struct live *l = *state;
	struct process_mmap m = {.prot = PROT_READ | PROT_EXEC};
	struct process *p, *q;
	struct program prog;
	char library[128], line[512];
	uint64_t address, end;
	bool changed = false;
	FILE *maps;

	build(l, "-pie -fPIE", "program.c", "program");
	build(l, "-shared -fPIC", "library.c", "library.so");
	snprintf(library, sizeof(library), "%s/library.so", l->tmp.dir);
	prog = start(l, "program", library);
	p = scan(l, &prog);
	assert_int_equal(write(prog.to, "x", 1), 1);
	address = read_address(prog.from);
	assert_int_not_equal(address, 0);
	assert_null(mapping_set__find(p->mappings, address));
	/* what the kernel's mapping event would say */
	snprintf(line, sizeof(line), "/proc/%d/maps", prog.pid);
	maps = fopen(line, "r");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx r-xp %lx", &m.addr, &end, &m.pgoff) == 3 && m.addr <= address &&
		    address < end)
			break;
	fclose(maps);
	m.time_ns = clock__mono_ns();
	m.tgid = (uint32_t)prog.pid;
	m.len = end - m.addr;
	m.path = library;
	assert_int_equal(process_table__mmap(l->table, &m), 0);
	assert_leads_to(l, p, address, nm(l, "library.so", "landmark_of_library"));
	/* reading it all again leads to the very same set */
	struct mapping_set *by_event = p->mappings;

	assert_int_equal(process_table__rescan_maps(l->table, clock__mono_ns(), p, &changed), 0);
	assert_ptr_equal(p->mappings, by_event);
	assert_false(changed);
	q = process_table__find_pid(l->table, (uint32_t)prog.pid, clock__mono_ns());
	assert_ptr_equal(p, q);
	stop(&prog);
}

static void a_deleted_program_is_read_through_its_mapping(void **state)
{
	struct live *l = *state;
	struct program prog;
	struct process *p;
	uint64_t symbol;
	uint32_t id;
	int fd;

	build(l, "-pie -fPIE", "program.c", "doomed");
	symbol = nm(l, "doomed", "landmark");
	prog = start(l, "doomed", NULL);
	unlinkat(l->tmp.fd, "doomed", 0);
	/* another one takes its name */
	build(l, "-pie -fPIE -O0 -DX='int x = 1;'", "program.c", "doomed");
	p = scan(l, &prog);
	id = assert_leads_to(l, p, prog.landmark, symbol);
	assert_int_equal(object_of(l, id)->state, OBJECT_READY);
	assert_true(object_of(l, id)->flags & OBJECT_DELETED);
	assert_string_equal(object_of(l, id)->basename, "doomed");
	assert_string_equal(strrchr(p->exe, '/'), "/doomed");
	/* the descriptor can be had again as long as it runs */
	object_cache__retire(l->objects, clock__mono_ns() + 3600 * NS_PER_SEC);
	assert_int_equal(object_cache__open_fd(l->objects, id, clock__mono_ns(), &fd), 0);
	close(fd);
	stop(&prog);
}

static void two_copies_of_a_program_are_one_object(void **state)
{
	struct live *l = *state;
	struct program a, b;
	uint32_t x, y;
	uint64_t symbol;

	build(l, "-pie -fPIE", "program.c", "first");
	shell("cp %s/first %s/second", l->tmp.dir, l->tmp.dir);
	symbol = nm(l, "first", "landmark");
	a = start(l, "first", NULL);
	b = start(l, "second", NULL);
	x = assert_leads_to(l, scan(l, &a), a.landmark, symbol);
	y = assert_leads_to(l, scan(l, &b), b.landmark, symbol);
	assert_int_equal(x, y);
	stop(&a);
	stop(&b);
}

/* A program in a file system that only its own mount namespace has. */
static void a_program_in_another_mount_namespace_is_found(void **state)
{
	struct live *l = *state;
	struct program prog;
	char dir[100], script[128];
	uint32_t id;

	if (geteuid() != 0)
		skip();
	build(l, "-pie -fPIE", "program.c", "inner");
	mkdirat(l->tmp.fd, "mnt", 0700);
	snprintf(dir, sizeof(dir), "%s/mnt", l->tmp.dir);
	snprintf(script, sizeof(script), "%s/wrap", l->tmp.dir);
	fixture__write(&l->tmp, "wrap",
		       "#!/bin/sh\nmount -t tmpfs none %s && cp %s/inner %s/hidden && exec %s/hidden\n", dir,
		       l->tmp.dir, dir, dir);
	assert_int_equal(chmod(script, 0700), 0);
	fixture__write(&l->tmp, "outer", "#!/bin/sh\nexec unshare -m %s\n", script);
	fchmodat(l->tmp.fd, "outer", 0700, 0);
	prog = start(l, "outer", NULL);
	id = assert_leads_to(l, scan(l, &prog), prog.landmark, nm(l, "inner", "landmark"));
	assert_string_equal(object_of(l, id)->basename, "hidden");
	assert_int_equal(object_of(l, id)->state, OBJECT_READY);
	stop(&prog);
}

static void an_elf_in_a_memfd_is_an_object_and_jit_code_is_none(void **state)
{
	struct live *l = *state;
	struct task_key key = key_of(l, getpid());
	struct process *p;
	const struct code_mapping *m;
	char path[64], library[128];
	void *handle, *jit, *anon;
	int fd = memfd_create("library", 0), jit_fd = memfd_create("doublemapper", 0), file;
	char bytes[65536];
	ssize_t n;

	build(l, "-shared -fPIC", "library.c", "library.so");
	snprintf(library, sizeof(library), "%s/library.so", l->tmp.dir);
	file = open(library, O_RDONLY);
	n = read(file, bytes, sizeof(bytes));
	assert_int_equal(write(fd, bytes, (size_t)n), n);
	close(file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	handle = dlopen(path, RTLD_NOW);
	assert_non_null(handle);
	assert_int_equal(ftruncate(jit_fd, 4096), 0);
	jit = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, jit_fd, 0);
	anon = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(process_table__scan_one(l->table, clock__mono_ns(), &key, &p), 0);
	assert_leads_to(l, p, (uint64_t)(uintptr_t)dlsym(handle, "landmark_of_library"),
			nm(l, "library.so", "landmark_of_library"));
	m = mapping_set__find(p->mappings, (uint64_t)(uintptr_t)jit);
	assert_non_null(m);
	assert_int_equal(m->object, 0);
	m = mapping_set__find(p->mappings, (uint64_t)(uintptr_t)anon);
	assert_non_null(m);
	assert_int_equal(m->object, 0);
	munmap(jit, 4096);
	munmap(anon, 4096);
	dlclose(handle);
	close(fd);
	close(jit_fd);
}

static void our_own_vdso_and_libc_are_objects(void **state)
{
	struct live *l = *state;
	struct task_key key = key_of(l, getpid());
	struct process *p;
	const struct code_mapping *m;
	uint32_t n, n_vdso = 0, n_libc = 0;

	assert_int_equal(process_table__scan_one(l->table, clock__mono_ns(), &key, &p), 0);
	m = mapping_set__mappings(p->mappings, &n);
	for (uint32_t i = 0; i < n; i++) {
		const char *path = m[i].object ? object_of(l, m[i].object)->path : "";

		n_vdso += strcmp(path, "[vdso]") == 0;
		n_libc += strstr(path, "libc.so.6") != NULL;
	}
	assert_int_equal(n_vdso, 1);
	assert_int_equal(n_libc, 1);
}

static void every_process_of_this_machine_can_be_scanned(void **state)
{
	struct live *l = *state;
	struct object_cache_stats objects;
	struct process_table_stats stats;
	uint64_t cpu_ns = 0;
	uint32_t n = 0;
	DIR *dir = opendir("/proc");
	struct dirent *d;

	while ((d = readdir(dir)) && n < 300) {
		uint32_t pid = (uint32_t)strtoul(d->d_name, NULL, 10);
		struct proc_stat st;
		struct process *p;
		uint64_t began;
		int fd;

		if (pid == 0 || proc_dir__open(l->proc_fd, pid, 0, &fd, &st) < 0)
			continue;
		close(fd);
		struct task_key key = {.tgid = pid, .exec_id = 1, .start_ns = st.start_ticks * 10000000};

		began = clock__thread_cpu_ns();
		assert_int_equal(process_table__scan_one(l->table, clock__mono_ns(), &key, &p), 0);
		cpu_ns += clock__thread_cpu_ns() - began;
		n++;
	}
	closedir(dir);
	process_table__stats(l->table, &stats);
	object_cache__stats(l->objects, &objects);
	print_message(
		"%u processes: %lu us each, %lu mappings, %lu KiB; %lu objects from %lu files, %lu KiB\n", n,
		cpu_ns / 1000 / (n ? n : 1), stats.mappings, stats.bytes / 1024, objects.objects,
		objects.n_described, objects.bytes / 1024);
	assert_true(n > 0);
	assert_true(objects.n_by_state[OBJECT_READY] > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(programs_of_every_kind_lead_to_their_symbols),
		T(a_library_opened_later_is_found_by_its_event_and_by_a_rescan),
		T(a_deleted_program_is_read_through_its_mapping),
		T(two_copies_of_a_program_are_one_object),
		T(a_program_in_another_mount_namespace_is_found),
		T(an_elf_in_a_memfd_is_an_object_and_jit_code_is_none),
		T(our_own_vdso_and_libc_are_objects),
		T(every_process_of_this_machine_can_be_scanned),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
