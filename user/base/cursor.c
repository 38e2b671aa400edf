// SPDX-License-Identifier: Apache-2.0
#include "user/base/cursor.h"

#include <string.h>

/* LEB128 of 64 bits takes at most ten bytes; the tenth holds one bit. */
#define LEB_LAST_SHIFT 63

void cursor__init(struct cursor *c, const void *bytes, size_t len)
{
	static const uint8_t nothing[1];

	*c = (struct cursor){.start = bytes && len ? bytes : nothing};
	c->p = c->start;
	c->end = c->start + (bytes ? len : 0);
}

size_t cursor__left(const struct cursor *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

size_t cursor__offset(const struct cursor *c)
{
	return (size_t)(c->p - c->start);
}

void cursor__seek(struct cursor *c, size_t offset)
{
	if (offset > (size_t)(c->end - c->start))
		c->bad = true;
	if (!c->bad)
		c->p = c->start + offset;
}

const void *cursor__bytes(struct cursor *c, size_t n)
{
	const uint8_t *here = c->p;

	if (c->bad || n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return here;
}

void cursor__skip(struct cursor *c, size_t n)
{
	(void)cursor__bytes(c, n);
}

/* n bytes as a number, byte by byte: no assumption on alignment or on this machine's order. */
static uint64_t read_uint(struct cursor *c, unsigned int n)
{
	const uint8_t *p = cursor__bytes(c, n);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * (c->big ? n - 1 - i : i);
	return v;
}

uint8_t cursor__u8(struct cursor *c)
{
	return (uint8_t)read_uint(c, 1);
}

uint16_t cursor__u16(struct cursor *c)
{
	return (uint16_t)read_uint(c, 2);
}

uint32_t cursor__u32(struct cursor *c)
{
	return (uint32_t)read_uint(c, 4);
}

uint64_t cursor__u64(struct cursor *c)
{
	return read_uint(c, 8);
}

uint64_t cursor__uleb(struct cursor *c)
{
	const uint8_t *start = c->p;
	uint64_t v = 0;

	for (unsigned int shift = 0; shift <= LEB_LAST_SHIFT; shift += 7) {
		uint8_t byte = cursor__u8(c);

		if (c->bad || (shift == LEB_LAST_SHIFT && byte > 1))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	c->p = start;
	c->bad = true;
	return 0;
}

int64_t cursor__sleb(struct cursor *c)
{
	const uint8_t *start = c->p;
	uint64_t v = 0;

	for (unsigned int shift = 0; shift <= LEB_LAST_SHIFT; shift += 7) {
		uint8_t byte = cursor__u8(c);

		/* The tenth byte is bit 63 and its sign extension: all zeros or all ones. */
		if (c->bad || (shift == LEB_LAST_SHIFT && byte != 0 && byte != 0x7f))
			break;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte & 0x40) && shift + 7 < 64)
			v |= ~0ull << (shift + 7);
		return (int64_t)v;
	}
	c->p = start;
	c->bad = true;
	return 0;
}

const char *cursor__cstr(struct cursor *c)
{
	const char *s = (const char *)c->p;
	const uint8_t *nul = c->bad ? NULL : memchr(c->p, 0, (size_t)(c->end - c->p));

	if (!nul) {
		c->bad = true;
		return "";
	}
	c->p = nul + 1;
	return s;
}

struct cursor cursor__sub(struct cursor *c, size_t n)
{
	const void *bytes = cursor__bytes(c, n);
	struct cursor sub;

	cursor__init(&sub, bytes, bytes ? n : 0);
	sub.bad = c->bad;
	sub.big = c->big;
	return sub;
}
