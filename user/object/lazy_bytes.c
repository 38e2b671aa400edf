/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: some tables of a file have a hundred megabytes, and a profiler wants a few hundred bytes here and there.
 * Reading them whole costs the memory; mapping the file costs a SIGBUS on the day it is cut short, and shows every
 * change that its owner makes between our check and our use.
 *
 * Idea: reserve the addresses with anonymous memory, which costs nothing until it is written, and copy a block from
 * the file when it is first touched. A bit a block says which are there.
 *
 *      data    |####|    |    |####|####|    | …        is_read   1 0 0 1 1 0 …
 *
 * Invariants: a block whose bit is set never changes again; data[0, len) is readable, but holds zeros where no bit
 * is set.
 *
 * Cost: touched once, a block is one pread of 4 KiB; afterwards one bit test an access.
 */
#include "user/object/lazy_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user/base/io.h"

void lazy_bytes__borrow(struct lazy_bytes *b, const void *bytes, size_t len)
{
	*b = (struct lazy_bytes){.data = bytes, .len = len, .fd = FD_CLOSED};
}

static size_t n_blocks(const struct lazy_bytes *b)
{
	return (b->len + LAZY_BYTES_BLOCK - 1) / LAZY_BYTES_BLOCK;
}

int lazy_bytes__open(struct lazy_bytes *b, int fd, uint64_t offset, size_t len)
{
	struct lazy_bytes fresh = {.len = len, .fd = fd, .offset = offset};
	void *data;

	if (len > LAZY_BYTES_MAX || offset > INT64_MAX - len)
		return -E2BIG;
	fresh.is_read = calloc(n_blocks(&fresh) / 8 + 1, 1);
	if (!fresh.is_read)
		return -ENOMEM;
	data = mmap(NULL, len ? len : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (data == MAP_FAILED) {
		free(fresh.is_read);
		return -ENOMEM;
	}
	fresh.data = data;
	*b = fresh;
	return 0;
}

void lazy_bytes__done(struct lazy_bytes *b)
{
	if (b->is_read) {
		munmap((void *)b->data, b->len ? b->len : 1);
		free(b->is_read);
	}
	*b = (struct lazy_bytes){.fd = FD_CLOSED};
}

void lazy_bytes__attach(struct lazy_bytes *b, int fd)
{
	b->fd = fd;
}

bool lazy_bytes__is_whole(const struct lazy_bytes *b)
{
	return !b->is_read || b->n_read == n_blocks(b);
}

static bool read_block(struct lazy_bytes *b, size_t block)
{
	size_t at = block * LAZY_BYTES_BLOCK;
	size_t len = b->len - at < LAZY_BYTES_BLOCK ? b->len - at : LAZY_BYTES_BLOCK;

	if (b->is_read[block / 8] & 1u << block % 8)
		return true;
	if (b->fd == FD_CLOSED || io__pread_full(b->fd, (uint8_t *)b->data + at, len, b->offset + at))
		return false;
	b->is_read[block / 8] |= (uint8_t)(1u << block % 8);
	b->n_read++;
	return true;
}

const uint8_t *lazy_bytes__get(struct lazy_bytes *b, size_t at, size_t len)
{
	if (at > b->len || b->len - at < len)
		return NULL;
	if (b->is_read && len)
		for (size_t i = at / LAZY_BYTES_BLOCK; i <= (at + len - 1) / LAZY_BYTES_BLOCK; i++)
			if (!read_block(b, i))
				return NULL;
	return b->data + at;
}

const char *lazy_bytes__string(struct lazy_bytes *b, size_t at, size_t max)
{
	size_t seen = 0;

	/* block by block: the next one is not read for a string that ends in this one */
	while (seen < max && at < b->len && seen < b->len - at) {
		size_t step = LAZY_BYTES_BLOCK - (at + seen) % LAZY_BYTES_BLOCK;
		const uint8_t *p;

		if (step > max - seen)
			step = max - seen;
		if (step > b->len - at - seen)
			step = b->len - at - seen;
		p = lazy_bytes__get(b, at + seen, step);
		if (!p)
			return NULL;
		if (memchr(p, '\0', step))
			return (const char *)b->data + at;
		seen += step;
	}
	return NULL;
}

size_t lazy_bytes__resident(const struct lazy_bytes *b)
{
	return b->is_read ? b->n_read * LAZY_BYTES_BLOCK + n_blocks(b) / 8 + 1 : 0;
}
