// SPDX-License-Identifier: Apache-2.0
#include "user/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN_CAP 64

void buf__init(struct buf *b, size_t limit)
{
	memset(b, 0, sizeof(*b));
	b->limit = limit;
}

void buf__done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	buf__init(b, b->limit);
}

void buf__clear(struct buf *b)
{
	b->len = 0;
	b->err = 0;
}

int buf__err(const struct buf *b)
{
	return b->err;
}

/* Doubles, so that appending n bytes copies O(n); never past the limit. The block is one byte larger than `cap`, so that buf__str()
 * has a place for its NUL without a failure of its own. */
static int grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_MIN_CAP;
	uint8_t *data;

	while (cap < need && cap <= SIZE_MAX / 4)
		cap *= 2;
	if (cap > b->limit)
		cap = b->limit;
	if (cap < need)
		cap = need;
	if (cap == SIZE_MAX)
		return -ENOMEM;
	data = realloc(b->data, cap + 1);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

void *buf__reserve(struct buf *b, size_t extra)
{
	if (b->err)
		return NULL;
	if (b->len > b->limit || extra > b->limit - b->len) {
		b->err = -E2BIG;
		return NULL;
	}
	if (!b->data || extra > b->cap - b->len) {
		b->err = grow(b, b->len + extra);
		if (b->err)
			return NULL;
	}
	return b->data + b->len;
}

void buf__append(struct buf *b, const void *bytes, size_t len)
{
	void *to;

	if (len == 0)
		return;
	to = buf__reserve(b, len);
	if (!to)
		return;
	memcpy(to, bytes, len);
	b->len += len;
}

void buf__append_str(struct buf *b, const char *s)
{
	buf__append(b, s, strlen(s));
}

void buf__append_char(struct buf *b, char c)
{
	buf__append(b, &c, 1);
}

void buf__printf(struct buf *b, const char *fmt, ...)
{
	char *to = buf__reserve(b, 0);
	va_list args;
	int n;

	if (!to)
		return;
	/* cap - len bytes and the spare one: a text that fits exactly needs no second round. */
	va_start(args, fmt);
	n = vsnprintf(to, b->cap - b->len + 1, fmt, args);
	va_end(args);
	if (n < 0) {
		b->err = -EINVAL;
		return;
	}
	if ((size_t)n > b->cap - b->len) {
		to = buf__reserve(b, (size_t)n);
		if (!to)
			return;
		va_start(args, fmt);
		vsnprintf(to, (size_t)n + 1, fmt, args);
		va_end(args);
	}
	b->len += (size_t)n;
}

const char *buf__str(struct buf *b)
{
	if (b->err || !b->data)
		return "";
	b->data[b->len] = '\0';
	return (const char *)b->data;
}
