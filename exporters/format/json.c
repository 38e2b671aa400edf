/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/json.h"

#include <stddef.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/utf8.h"

static void escape(struct buf *b, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	const char text[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

	buf__append(b, text, sizeof(text));
}

void json__string(struct buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	buf__append_char(b, '"');
	while (*p) {
		size_t run = 0;
		int n;

		while (p[run] >= ' ' && p[run] < 0x7f && !strchr("\"\\<>&", p[run]))
			run++;
		buf__append(b, p, run);
		p += run;
		if (!*p)
			break;
		n = utf8__step((const char *)p, 4);
		if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
			buf__append_str(b, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
		else if (n == 1)
			escape(b, *p);
		else if (n > 0)
			buf__append(b, p, (size_t)n);
		else
			buf__append_str(b, "\xef\xbf\xbd");
		p += n > 0 ? n : 1;
	}
	buf__append_char(b, '"');
}

void json__int(struct buf *b, int64_t v)
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		text[--at] = '-';
	buf__append(b, text + at, sizeof(text) - at);
}
