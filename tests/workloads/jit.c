/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit SECONDS plain|0x|none: writes machine code with frame pointers into anonymous memory, and names it in /tmp/perf-PID.map, with or
 * without "0x" before the numbers, or not at all:
 *
 *      jit::inner (work) < jit::outer < jit_call < main
 *
 * The file first gives the same addresses older names, which the later lines replace.
 */
#include <sys/mman.h>

#include "tests/workloads/work.h"

#define JIT_OUTER 0
#define JIT_INNER 64
#define JIT_SIZE  4096

typedef void (*jit_fn)(uint64_t units);

static const unsigned char outer_code[] = {
	0x55,                         /* push %rbp */
	0x48, 0x89, 0xe5,             /* mov %rsp,%rbp */
	0xe8, 0x37, 0x00, 0x00, 0x00, /* call JIT_INNER: 64 - 9 = 0x37 further on */
	0x5d,                         /* pop %rbp */
	0xc3,                         /* ret */
};

static const unsigned char inner_code[] = {
	0x55,                         /* push %rbp */
	0x48, 0x89, 0xe5,             /* mov %rsp,%rbp */
	0xb8, 0x03, 0x00, 0x00, 0x00, /* mov $3,%eax */
	0x48, 0x0f, 0xaf, 0xc0,       /* 1: imul %rax,%rax */
	0x48, 0x0f, 0xaf, 0xc0,       /*    imul %rax,%rax */
	0x48, 0xff, 0xcf,             /*    dec %rdi */
	0x75, 0xf3,                   /*    jnz 1b: back 13 */
	0x5d,                         /* pop %rbp */
	0xc3,                         /* ret */
};

static WORK_FN void jit_call(jit_fn fn, uint64_t units)
{
	fn(units);
	__asm__ volatile("" ::: "memory");
}

static void write_map(const char *path, const unsigned char *code, const char *prefix)
{
	FILE *f = fopen(path, "w");

	if (!f) {
		perror(path);
		exit(1);
	}
	fprintf(f, "%s%lx %s%x stale name\n", prefix, (unsigned long)code, prefix, JIT_SIZE);
	fprintf(f, "%s%lx %s%zx jit::outer\n", prefix, (unsigned long)(code + JIT_OUTER), prefix,
		sizeof(outer_code));
	fprintf(f, "%s%lx %s%zx jit::inner (work)\n", prefix, (unsigned long)(code + JIT_INNER), prefix,
		sizeof(inner_code));
	fclose(f);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "plain";
	unsigned char *code =
		mmap(NULL, JIT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[64];
	struct work w;
	jit_fn fn;

	work__init(&w, argc, argv);
	if (code == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memcpy(code + JIT_OUTER, outer_code, sizeof(outer_code));
	memcpy(code + JIT_INNER, inner_code, sizeof(inner_code));
	if (mprotect(code, JIT_SIZE, PROT_READ | PROT_EXEC)) {
		perror("mprotect");
		return 1;
	}
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	if (strcmp(mode, "none"))
		write_map(path, code, !strcmp(mode, "0x") ? "0x" : "");
	*(void **)&fn = code + JIT_OUTER;
	work__ready();
	while (work__go(&w))
		jit_call(fn, 400 * w.scale);
	/* the map stays a while: whoever profiles may name frames after the process's end */
	return work__done();
}
