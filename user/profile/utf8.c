/* SPDX-License-Identifier: Apache-2.0 */
#include "user/profile/utf8.h"

#include <string.h>

/* Unicode 15, table 3-7: the second byte's range excludes overlong forms, surrogates and what lies past U+10FFFF. */
int utf8__step(const char *text, size_t left)
{
	const uint8_t *s = (const uint8_t *)text;
	uint8_t low = 0x80, high = 0xbf;
	int n;

	if (s[0] < 0x80)
		return s[0] ? 1 : -1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return -1;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	for (int i = 1; i < n; i++) {
		if ((size_t)i >= left || s[i] < low || s[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* Eight bytes at once while they are plain ASCII without a NUL, which nearly all are. */
static size_t ascii_run(const char *s, size_t len)
{
	const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t word;

		memcpy(&word, s + i, 8);
		if ((word & tops) || ((word - ones) & tops))
			break;
	}
	return i;
}

bool utf8__valid(const char *s, size_t len)
{
	size_t i = ascii_run(s, len);

	while (i < len) {
		int n = utf8__step(s + i, len - i);

		if (n < 0)
			return false;
		i += (size_t)n;
	}
	return true;
}

size_t utf8__clean(const char *s, size_t len, char *out)
{
	size_t n_out = 0;

	for (size_t i = 0; i < len;) {
		int n = utf8__step(s + i, len - i);

		if (n > 0) {
			memcpy(out + n_out, s + i, (size_t)n);
			n_out += (size_t)n;
			i += (size_t)n;
		} else {
			memcpy(out + n_out, "\xef\xbf\xbd", 3);
			n_out += 3;
			i += (size_t)-n;
		}
	}
	return n_out;
}
