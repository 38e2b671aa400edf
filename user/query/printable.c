/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/printable.h"

#include <stdint.h>

#include "user/base/buf.h"

void printable__append(struct buf *b, const char *s)
{
	for (; *s; s++) {
		uint8_t c = (uint8_t)s[0], next = (uint8_t)s[1];

		if (c < 0x20 || c == 0x7f) {
			buf__append_char(b, '?');
		} else if (c == 0xc2 && next >= 0x80 &&
			   next < 0xa0) { /* U+0080..U+009F: some terminals obey them */
			buf__append_char(b, '?');
			s++;
		} else {
			buf__append_char(b, (char)c);
		}
	}
}
