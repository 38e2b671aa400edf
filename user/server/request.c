/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/utf8.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; false for a bad escape or a character that no text has. */
static bool decode(char *s, bool plus_is_blank)
{
	char *to = s;

	for (; *s; s++) {
		char c = *s;

		if (c == '%') {
			int high = digit(s[1]), low = high < 0 ? -1 : digit(s[2]);

			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			s += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if ((unsigned char)c < ' ' || c == 0x7f)
			return false;
		*to++ = c;
	}
	*to = '\0';
	return true;
}

/* A last segment may be empty: "/debug/pprof/". */
static bool is_plain_path(const char *path)
{
	if (*path != '/')
		return false;
	for (const char *s = path + 1;; s++) {
		size_t n = strcspn(s, "/");

		if ((!n && s[n]) || (n == 1 && *s == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
		if (!*s)
			return true;
	}
}

static int take_params(struct request *r, char *query)
{
	char *one;

	while ((one = strsep(&query, "&"))) {
		char *value = strchr(one, '=');

		if (!*one)
			continue;
		if (r->n_params == REQUEST_PARAMS_MAX)
			return -E2BIG;
		if (value)
			*value++ = '\0';
		else
			value = one + strlen(one);
		if (!decode(one, true) || !decode(value, true) || !utf8__valid(one, strlen(one)) ||
		    !utf8__valid(value, strlen(value)))
			return -EBADMSG;
		r->params[r->n_params++] = (struct request_param){one, value};
	}
	return 0;
}

int request__parse(const char *target, size_t len, struct request *ret)
{
	struct request r = {0};
	char *path, *query, *mark;
	int err = 0;

	if (len > REQUEST_TARGET_MAX)
		return -E2BIG;
	if (memchr(target, '\0', len))
		return -EBADMSG;
	/* the query twice: once to be cut up, once as it came */
	r.block = calloc(2, len + 1);
	if (!r.block)
		return -ENOMEM;
	path = r.block;
	memcpy(path, target, len);
	mark = strchr(path, '?');
	query = mark ? mark + 1 : path + len;
	if (mark)
		*mark = '\0';
	r.path = path;
	r.query = strcpy(r.block + len + 1, query);
	if (!decode(path, false) || !utf8__valid(path, strlen(path)) || !is_plain_path(path))
		err = -EBADMSG;
	if (!err)
		err = take_params(&r, query);
	if (err)
		request__done(&r);
	else
		*ret = r;
	return err;
}

void request__done(struct request *r)
{
	free(r->block);
	*r = (struct request){0};
}

const char *request__param(const struct request *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_params; i++)
		if (!strcmp(r->params[i].name, name))
			return r->params[i].value;
	return NULL;
}

int request__number(const struct request *r, const char *name, uint64_t fallback, uint64_t max, uint64_t *ret)
{
	const char *s = request__param(r, name);
	uint64_t n = 0;

	if (!s) {
		*ret = fallback;
		return 0;
	}
	if (!*s)
		return -EBADMSG;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EBADMSG;
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > max)
			return -EBADMSG;
	}
	*ret = n;
	return 0;
}
