// SPDX-License-Identifier: Apache-2.0
#include "user/alert/delivery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"

#define HEADER "everprof-delivery 1"

/* ---- parsing ---------------------------------------------------------------------------------------------------------- */

struct lines {
	const char *at, *end;
};

/* The next line without its end; false: there is none, it is too long, or not text. */
static bool next_line(struct lines *l, char ret[DELIVERY_LINE_MAX])
{
	const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
	size_t n = newline ? (size_t)(newline - l->at) : 0;

	if (!newline || n >= DELIVERY_LINE_MAX || memchr(l->at, '\0', n))
		return false;
	memcpy(ret, l->at, n);
	ret[n] = '\0';
	l->at = newline + 1;
	return true;
}

static const char *after(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) || line[n] != ' ' || !line[n + 1] ? NULL : line + n + 1;
}

/* An argument may be empty, and so may each of its lines. */
static const char *text_after(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) || line[n] != ' ' ? NULL : line + n + 1;
}

static int take_argument(const char *line, struct delivery *d)
{
	const char *value = text_after(line, "arg");
	size_t len;

	if (value) {
		if (d->n_args == DELIVERY_ARGS_MAX)
			return -EBADMSG;
		strcpy(d->args[d->n_args++], value);
		return 0;
	}
	value = text_after(line, "more");
	if (!value || !d->n_args)
		return -EBADMSG;
	len = strlen(d->args[d->n_args - 1]);
	if (len + 1 + strlen(value) >= DELIVERY_LINE_MAX)
		return -EBADMSG;
	d->args[d->n_args - 1][len] = '\n';
	strcpy(d->args[d->n_args - 1] + len + 1, value);
	return 0;
}

static int take_line(const char *line, struct delivery *d)
{
	const char *value = after(line, "kind");
	char *end;

	if (value) {
		d->kind = !strcmp(value, "run") ? DELIVERY_RUN : DELIVERY_POST;
		return strcmp(value, "run") && strcmp(value, "post") ? -EBADMSG : 0;
	}
	value = after(line, "created");
	if (value) {
		d->created_ns = strtoull(value, &end, 10);
		return *end || *value < '0' || *value > '9' ? -EBADMSG : 0;
	}
	value = after(line, "url");
	if (value) {
		strcpy(d->url, value);
		return 0;
	}
	return take_argument(line, d);
}

/* NAME=value, NUL, …; not too many, and the last one ends. */
static bool is_environment(const char *p, size_t len)
{
	uint32_t n = 0;

	if (len && p[len - 1])
		return false;
	for (size_t at = 0; at < len; at += strlen(p + at) + 1)
		if (++n > DELIVERY_ENV_MAX || p[at] == '=' || !strchr(p + at, '='))
			return false;
	return true;
}

int delivery__parse(const void *bytes, size_t len, struct delivery *ret)
{
	struct lines l = {bytes, (const char *)bytes + len};
	char line[DELIVERY_LINE_MAX];

	memset(ret, 0, sizeof(*ret));
	if (len > DELIVERY_BYTES_MAX || !next_line(&l, line) || strcmp(line, HEADER))
		return -EBADMSG;
	for (;;) {
		if (!next_line(&l, line))
			return -EBADMSG;
		if (!*line)
			break;
		if (take_line(line, ret))
			return -EBADMSG;
	}
	ret->body = l.at;
	ret->body_len = (size_t)(l.end - l.at);
	if (ret->kind == DELIVERY_POST)
		return strncmp(ret->url, "http", 4) || ret->n_args ? -EBADMSG : 0;
	return !ret->n_args || ret->args[0][0] != '/' || *ret->url ||
			       !is_environment(ret->body, ret->body_len)
		       ? -EBADMSG
		       : 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static bool is_short(const char *text)
{
	return strlen(text) < DELIVERY_LINE_MAX - 10;
}

static bool is_line(const char *text)
{
	return *text && !strchr(text, '\n') && is_short(text);
}

static void write_argument(const char *text, struct buf *to)
{
	const char *word = "arg";

	for (;;) {
		size_t n = strcspn(text, "\n");

		buf__printf(to, "%s %.*s\n", word, (int)n, text);
		if (!text[n])
			return;
		text += n + 1;
		word = "more";
	}
}

int delivery__write(enum delivery_kind kind, uint64_t created_ns, const char *url, const char *const *args,
		    uint32_t n_args, const void *body, size_t body_len, struct buf *to)
{
	if ((url && !is_line(url)) || n_args > DELIVERY_ARGS_MAX)
		return -EINVAL;
	buf__printf(to, HEADER "\nkind %s\ncreated %" PRIu64 "\n", kind == DELIVERY_RUN ? "run" : "post",
		    created_ns);
	if (url)
		buf__printf(to, "url %s\n", url);
	for (uint32_t i = 0; i < n_args; i++) {
		if (!is_short(args[i]))
			return -EINVAL;
		write_argument(args[i], to);
	}
	buf__append_char(to, '\n');
	buf__append(to, body, body_len);
	return buf__err(to);
}
