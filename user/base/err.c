// SPDX-License-Identifier: Apache-2.0
#include "user/base/err.h"

#include <stdio.h>
#include <string.h>

static const char *describe(int code)
{
	const char *text = strerrordesc_np(code < 0 ? -code : code);

	return text ? text : "unknown error";
}

int err__set(struct err *e, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (!e)
		return code;
	/* By way of a second buffer: the arguments may be the text that is being replaced. */
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	memcpy(e->text, text, sizeof(text));
	return code;
}

int err__prefix(struct err *e, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	size_t len, rest_len;
	va_list args;

	if (!e)
		return code;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	len = strlen(text);
	if (len < sizeof(text) - 2) {
		const char *rest = err__text(e, code);

		memcpy(text + len, ": ", 2);
		len += 2;
		rest_len = strnlen(rest, sizeof(text) - 1 - len);
		memcpy(text + len, rest, rest_len);
		text[len + rest_len] = '\0';
	}
	memcpy(e->text, text, sizeof(text));
	return code;
}

const char *err__text(const struct err *e, int code)
{
	return e && e->text[0] ? e->text : describe(code);
}
