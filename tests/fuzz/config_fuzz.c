// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a configuration file. They are refused with one line, or give a configuration that, shown, loads again to
 * one that is shown alike.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/config.h"
#include "user/config/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const void *bytes, size_t len, struct buf *to)
{
	struct config_opts o = {0};
	struct config *c;
	struct err e = {0};

	if (config__parse(&o, "f", bytes, len, &c, &e)) {
		/* one line, and there is one */
		if (!e.text[0] || strchr(e.text, '\n'))
			abort();
		return;
	}
	listing__show(c, to);
	config__free(c);
}

/* Origins differ between the two: lines moved. What stands before the comments must not. */
static void cut_comments(struct buf *b)
{
	size_t len = 0;
	bool quoted = false, comment = false, escaped = false;

	for (size_t i = 0; i < b->len; i++) {
		uint8_t ch = b->data[i];

		if (ch == '\n')
			quoted = comment = false;
		else if (ch == '"' && !escaped)
			quoted = !quoted;
		else if (ch == '#' && !quoted)
			comment = true;
		escaped = quoted && ch == '\\' && !escaped;
		if (!comment)
			b->data[len++] = ch;
	}
	b->len = len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;

	buf__init(&first, 16u << 20);
	buf__init(&second, 16u << 20);
	show(data, size, &first);
	if (first.len && first.len <= 128u << 10) {
		show(first.data, first.len, &second);
		cut_comments(&first);
		cut_comments(&second);
		if (first.len != second.len || memcmp(first.data, second.data, first.len))
			abort();
	}
	buf__done(&first);
	buf__done(&second);
	return 0;
}
