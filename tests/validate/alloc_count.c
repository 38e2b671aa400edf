/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_count - a library to preload that counts every allocation of a process, and how many blocks of 128 KiB and more the C library took from the kernel one
 * by one: the truth for tests/validate/alloc_truth. At its end a process adds "objects bytes big big_bytes mapped mapped_bytes" to the file $ALLOC_COUNT.
 * What it exports begins with a jump, and everprof finds no place for a probe in it: a call meets one probe, in the C library, as it does without this library.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIG    (128u << 10)
#define MAPPED 2u /* of the word in front of a block (glibc malloc/malloc.c) */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static uint64_t objects, bytes, big, big_bytes, mapped, mapped_bytes;

static void add(uint64_t *to, uint64_t n)
{
	__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

static void *note(void *p, size_t size)
{
	add(&objects, 1);
	add(&bytes, size);
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
}
