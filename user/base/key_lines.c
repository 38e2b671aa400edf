// SPDX-License-Identifier: Apache-2.0
#include "user/base/key_lines.h"

#include <string.h>

size_t key_lines__number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < len && text[n] >= '0' && text[n] <= '9'; n++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text[n] - '0', &v))
			v = UINT64_MAX; /* and stays there: any further digit overflows again */
	*ret = v;
	return n;
}

static void read_line(const char *line, size_t len, const struct key_field *fields, uint32_t n,
		      uint32_t *found)
{
	const char *space = memchr(line, ' ', len);
	size_t key_len = space ? (size_t)(space - line) : 0, at = key_len;
	uint64_t v;

	while (at < len && line[at] == ' ')
		at++;
	for (uint32_t i = 0; key_len && i < n; i++) {
		if (strlen(fields[i].key) != key_len || memcmp(fields[i].key, line, key_len))
			continue;
		if (key_lines__number(line + at, len - at, &v)) {
			*fields[i].value = v;
			(*found)++;
		}
		return;
	}
}

uint32_t key_lines__read(const char *text, size_t len, const struct key_field *fields, uint32_t n)
{
	uint32_t found = 0;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line = end ? (size_t)(end - (text + at)) : len - at;

		read_line(text + at, line, fields, n, &found);
		at += line + 1;
	}
	return found;
}
