/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_count - a library to preload that counts every allocation of a process, and how many blocks of 128 KiB and more the C library took from the kernel one
 * by one: the truth for tests/validate/alloc_truth. At its end a process adds "objects bytes big big_bytes mapped mapped_bytes" to the file $ALLOC_COUNT, and to $ALLOC_COUNT.stacks a
 * line for each way that allocations came by, "FUNCTION;FUNCTION;… bytes", the innermost first: the call that has each STACK_BYTES-th byte stands for so many.
 * What it exports begins with a jump, and everprof finds no place for a probe in it: a call meets one probe, in the C library, as it does without this library.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#define BIG    (128u << 10)
#define MAPPED 2u /* of the word in front of a block (glibc malloc/malloc.c) */

#define STACK_BYTES (64u << 10)
#define FRAMES      8 /* the first ones are our own */
#define STACKS      (1u << 14)
#define TRIES       64

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static uint64_t objects, bytes, big, big_bytes, mapped, mapped_bytes;
static struct stack {
	void *frames[FRAMES];
	uint64_t n;
} stacks[STACKS];
static bool is_over; /* they are told */

static void add(uint64_t *to, uint64_t n)
{
	__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

/* Counts the bytes of those that have the same innermost calls. One thread at a time; what is allocated meanwhile for it is not looked at. */
static void note_stack(uint64_t n)
{
	static _Thread_local bool is_busy;
	static char lock;
	void *frames[FRAMES] = {NULL};
	uint64_t hash = 0;

	if (is_busy || is_over)
		return;
	is_busy = true;
	while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
		;
	backtrace(frames, FRAMES);
	for (int i = 0; i < FRAMES; i++)
		hash = (hash ^ (uintptr_t)frames[i]) * 0x9e3779b97f4a7c15ull;
	for (uint64_t i = hash >> 40, end = i + TRIES; i < end; i++) {
		struct stack *s = &stacks[i % STACKS];

		if (s->n && memcmp(s->frames, frames, sizeof(frames)) != 0)
			continue;
		memcpy(s->frames, frames, sizeof(frames));
		s->n += n;
		break;
	}
	__atomic_clear(&lock, __ATOMIC_RELEASE);
	is_busy = false;
}

static void *note(void *p, size_t size)
{
	uint64_t before = __atomic_fetch_add(&bytes, size, __ATOMIC_RELAXED);

	add(&objects, 1);
	if ((before + size) / STACK_BYTES > before / STACK_BYTES)
		note_stack((before + size) / STACK_BYTES - before / STACK_BYTES);
	if (p && size >= BIG) {
		add(&big, 1);
		add(&big_bytes, size);
		if (((const size_t *)p)[-1] & MAPPED) {
			add(&mapped, 1);
			add(&mapped_bytes, size);
		}
	}
	return p;
}

#define ENTRY(name)                                                                                   \
	__asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n\tlea count_" #name \
		"(%rip), %rax\n\tjmp *%rax\n.size " #name ", . - " #name "\n");

ENTRY(malloc)
__attribute__((used)) static void *count_malloc(size_t size)
{
	return note(__libc_malloc(size), size);
}

ENTRY(calloc)
__attribute__((used)) static void *count_calloc(size_t n, size_t size)
{
	return note(__libc_calloc(n, size), n * size);
}

ENTRY(realloc)
__attribute__((used)) static void *count_realloc(void *p, size_t size)
{
	return p && !size ? __libc_realloc(p, size) : note(__libc_realloc(p, size), size);
}

ENTRY(aligned_alloc)
__attribute__((used)) static void *count_aligned_alloc(size_t alignment, size_t size)
{
	return note(__libc_memalign(alignment, size), size);
}

ENTRY(memalign)
__attribute__((used)) static void *count_memalign(size_t alignment, size_t size)
{
	return note(__libc_memalign(alignment, size), size);
}

ENTRY(posix_memalign)
__attribute__((used)) static int count_posix_memalign(void **ret, size_t alignment, size_t size)
{
	*ret = note(__libc_memalign(alignment, size), size);
	return *ret ? 0 : 12;
}

/* As everprof names it: by its symbol, or the file and where it begins in it. */
static void tell_function(FILE *f, void *ret)
{
	void *pc = (char *)ret - 1, *begin = _Unwind_FindEnclosingFunction(pc);
	char file[PATH_MAX];
	Dl_info info = {0}, own = {0};
	struct link_map *map = NULL;

	if (!dladdr1(pc, &info, (void **)&map, RTLD_DL_LINKMAP) ||
	    (dladdr((void *)tell_function, &own) && own.dli_fbase == info.dli_fbase))
		return;
	if (info.dli_sname)
		fprintf(f, "%s;", info.dli_sname);
	else if (realpath(info.dli_fname, file))
		fprintf(f, "[%s]+0x%llx;", strrchr(file, '/') + 1,
			(unsigned long long)((uintptr_t)(begin ? begin : pc) - map->l_addr));
}

static void tell_stacks(const char *path)
{
	char name[4096];
	FILE *f;

	is_over = true;
	snprintf(name, sizeof(name), "%s.stacks", path);
	f = fopen(name, "ae");
	for (uint32_t i = 0; f && i < STACKS; i++) {
		if (!stacks[i].n)
			continue;
		for (int k = 0; k < FRAMES && stacks[i].frames[k]; k++)
			tell_function(f, stacks[i].frames[k]);
		fprintf(f, " %llu\n", (unsigned long long)stacks[i].n * STACK_BYTES);
	}
	if (f)
		fclose(f);
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("ALLOC_COUNT");
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
	char text[256];

	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "%llu %llu %llu %llu %llu %llu\n", (unsigned long long)objects,
		 (unsigned long long)bytes, (unsigned long long)big, (unsigned long long)big_bytes,
		 (unsigned long long)mapped, (unsigned long long)mapped_bytes);
	if (write(fd, text, strlen(text)) < 0)
		perror("alloc_count");
	close(fd);
	tell_stacks(path);
}
