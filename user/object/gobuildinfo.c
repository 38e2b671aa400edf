// SPDX-License-Identifier: Apache-2.0
/*
 * Layout (Go 1.18 and later):
 *
 *      0   "\xff Go buildinf:"   14   bytes of a pointer   15   flags: 1 big-endian, 2 strings follow in place
 *      32  varint length, version ("go1.22.12"); then the modules likewise
 *
 * Reference: Go debug/buildinfo, cmd/link/internal/ld/data.go (buildinfo).
 */
#include "user/object/gobuildinfo.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/cursor.h"
#include "user/object/elf.h"

#define MAGIC      "\xff Go buildinf:"
#define MAGIC_LEN  14
#define FLAG_BIG   1
#define FLAG_PLACE 2
#define STRINGS_AT 32
#define MAGIC_STEP 16 /* the linker aligns it so */

/* Where the magic stands; the section may begin with something else. */
static const uint8_t *find_magic(const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at + STRINGS_AT <= len; at += MAGIC_STEP)
		if (!memcmp(bytes + at, MAGIC, MAGIC_LEN))
			return bytes + at;
	return NULL;
}

int gobuildinfo__parse(const void *bytes, size_t len, char ret_version[GOBUILDINFO_VERSION_MAX])
{
	const uint8_t *start = find_magic(bytes, len);
	const char *text;
	struct cursor c;
	uint64_t n;

	if (!start)
		return -ENOENT;
	if (start[14] != 8 || start[15] & FLAG_BIG || !(start[15] & FLAG_PLACE))
		return -EOPNOTSUPP;
	cursor__init(&c, start + STRINGS_AT, len - (size_t)(start - (const uint8_t *)bytes) - STRINGS_AT);
	n = cursor__uleb(&c);
	if (c.bad || n == 0 || n >= GOBUILDINFO_VERSION_MAX)
		return -EBADMSG;
	text = cursor__bytes(&c, n);
	if (!text)
		return -EBADMSG;
	for (uint64_t i = 0; i < n; i++)
		if (!isprint((unsigned char)text[i]))
			return -EBADMSG;
	memcpy(ret_version, text, n);
	ret_version[n] = '\0';
	return 0;
}

int gobuildinfo__load(const struct elf *e, char ret_version[GOBUILDINFO_VERSION_MAX])
{
	const struct elf_section *s = elf__find_section(e, ".go.buildinfo");
	struct buf bytes;
	int err;

	if (!s)
		return -ENOENT;
	buf__init(&bytes, GOBUILDINFO_READ_MAX);
	err = elf__read_vaddr(e, s->vaddr, s->size < GOBUILDINFO_READ_MAX ? s->size : GOBUILDINFO_READ_MAX,
			      &bytes);
	if (!err)
		err = gobuildinfo__parse(bytes.data, bytes.len, ret_version);
	buf__done(&bytes);
	return err;
}
