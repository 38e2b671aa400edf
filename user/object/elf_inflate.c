// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "user/base/buf.h"
#include "user/object/elf_inflate.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* gABI of 2022; newer than some <elf.h> */
#endif

static const char zdebug_magic[4] = {'Z', 'L', 'I', 'B'};

static int inflate_zlib(const uint8_t *bytes, size_t len, uint8_t *to, size_t size)
{
	uLongf got = size;
	int z = uncompress(to, &got, bytes, len);

	if (z == Z_MEM_ERROR)
		return -ENOMEM;
	return z == Z_OK && got == size ? 0 : -EBADMSG;
}

static int inflate_zstd(const uint8_t *bytes, size_t len, uint8_t *to, size_t size)
{
	size_t got = ZSTD_decompress(to, size, bytes, len);

	return !ZSTD_isError(got) && got == size ? 0 : -EBADMSG;
}

static int expand(uint32_t type, const uint8_t *bytes, size_t len, uint64_t size, size_t limit,
		  struct buf *to)
{
	uint8_t *out;
	int err;

	if (type != ELFCOMPRESS_ZLIB && type != ELFCOMPRESS_ZSTD)
		return -EOPNOTSUPP;
	if (size > limit)
		return -E2BIG;
	if (size == 0)
		return 0;
	out = buf__reserve(to, size);
	if (!out)
		return buf__err(to);
	err = type == ELFCOMPRESS_ZLIB ? inflate_zlib(bytes, len, out, size)
				       : inflate_zstd(bytes, len, out, size);
	if (!err)
		to->len += size;
	return err;
}

int elf_inflate__section(const uint8_t *bytes, size_t len, size_t limit, struct buf *to)
{
	Elf64_Chdr chdr;

	if (len < sizeof(chdr))
		return -EBADMSG;
	memcpy(&chdr, bytes, sizeof(chdr));
	return expand(chdr.ch_type, bytes + sizeof(chdr), len - sizeof(chdr), chdr.ch_size, limit, to);
}

int elf_inflate__zdebug(const uint8_t *bytes, size_t len, size_t limit, struct buf *to)
{
	uint64_t size = 0;

	if (len < 12 || memcmp(bytes, zdebug_magic, sizeof(zdebug_magic)))
		return -EBADMSG;
	for (int i = 4; i < 12; i++)
		size = size << 8 | bytes[i];
	return expand(ELFCOMPRESS_ZLIB, bytes + 12, len - 12, size, limit, to);
}
