/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"

#define WORDS_MAX 5

static uint32_t split(char *line, char *words[WORDS_MAX])
{
	uint32_t n = 0;
	char *rest = line, *word;

	while ((word = strsep(&rest, " \t\r")) && n < WORDS_MAX) {
		if (*word == '#')
			break;
		if (*word)
			words[n++] = word;
	}
	return n;
}

/* NULL, or what is wrong with the line. */
static const char *take_line(char *line, struct credential_list *l)
{
	char *words[WORDS_MAX];
	uint32_t n = split(line, words);
	struct credential *c = &l->items[l->n];
	int len;

	if (!n)
		return NULL;
	if (l->n == CREDENTIALS_MAX)
		return "too many lines";
	*c = (struct credential){0};
	c->role = !strcmp(words[0], "view")      ? ROLE_VIEW
		  : !strcmp(words[0], "capture") ? ROLE_CAPTURE
						 : ROLE_NONE;
	c->is_bearer = n > 1 && !strcmp(words[1], "bearer");
	if (!c->role || (!c->is_bearer && (n < 2 || strcmp(words[1], "basic"))))
		return "expected `view|capture basic NAME PASSWORD` or `view|capture bearer TOKEN`";
	if (n != (c->is_bearer ? 3 : 4))
		return c->is_bearer ? "expected one TOKEN" : "expected NAME and PASSWORD";
	if (strlen(words[n - 1]) < CREDENTIAL_SECRET_MIN)
		return "a password or token has at least 8 characters";
	if (!c->is_bearer && strchr(words[2], ':'))
		return "a NAME has no ':'";
	len = c->is_bearer ? snprintf(c->secret, sizeof(c->secret), "%s", words[2])
			   : snprintf(c->secret, sizeof(c->secret), "%s:%s", words[2], words[3]);
	if (len >= (int)sizeof(c->secret))
		return "too long";
	l->n++;
	return NULL;
}

int credential_list__parse(const char *name, const char *text, size_t len, struct credential_list *ret,
			   struct err *err)
{
	char line[1024];
	uint32_t number = 0;

	ret->n = 0;
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		const char *wrong;

		number++;
		if (n >= sizeof(line) || memchr(text + at, '\0', n))
			return err__set(err, -EINVAL, "%s:%u: no line of text", name, number);
		memcpy(line, text + at, n);
		line[n] = '\0';
		wrong = take_line(line, ret);
		explicit_bzero(line, sizeof(line));
		if (wrong)
			return err__set(err, -EINVAL, "%s:%u: %s", name, number, wrong);
		at += n + 1;
	}
	return ret->n ? 0 : err__set(err, -EINVAL, "%s: there is no line in it, so nobody could ask", name);
}

int credential_list__read(const char *path, struct credential_list *ret, struct err *err)
{
	struct stat st;
	struct buf b;
	int fd, code = io__open_regular(AT_FDCWD, path, &fd);

	if (code)
		return err__set(err, code, "server.credentials: cannot open '%s': %s", path, strerror(-code));
	buf__init(&b, CREDENTIALS_FILE_BYTES);
	if (!fstat(fd, &st) && st.st_mode & 077)
		code = err__set(err, -EACCES, "server.credentials: '%s' can be read by others: chmod 600 it",
				path);
	if (!code) {
		code = io__read_fd(fd, CREDENTIALS_FILE_BYTES, &b);
		if (code)
			err__set(err, code, "server.credentials: cannot read '%s': %s", path,
				 strerror(-code));
	}
	if (!code)
		code = credential_list__parse(path, (const char *)b.data, b.len, ret, err);
	if (b.data)
		explicit_bzero(b.data, b.len);
	buf__done(&b);
	io__close(&fd);
	return code;
}

/* Four characters to three bytes; -1 where it is no base64 or does not fit. */
static int decode_base64(const char *s, char *to, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0, n_bits = 0;
	size_t n = 0;

	for (; *s && *s != '='; s++) {
		const char *d = strchr(digits, *s);

		if (!d)
			return -1;
		bits = bits << 6 | (uint32_t)(d - digits);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			if (n + 1 >= size || !(char)(bits >> n_bits))
				return -1;
			to[n++] = (char)(bits >> n_bits);
		}
	}
	to[n] = '\0';
	return 0;
}

/* Both are zero-filled to their full size. */
static bool is_same(const char a[CREDENTIAL_SECRET_MAX], const char b[CREDENTIAL_SECRET_MAX])
{
	volatile unsigned char different = 0;

	for (size_t i = 0; i < CREDENTIAL_SECRET_MAX; i++)
		different |= (unsigned char)(a[i] ^ b[i]);
	return !different;
}

enum role credential_list__check(const struct credential_list *l, const char *authorization)
{
	char given[CREDENTIAL_SECRET_MAX] = {0};
	bool is_bearer = false;
	uint32_t best = ROLE_NONE;

	if (!l->n)
		return ROLE_CAPTURE;
	if (!authorization)
		return ROLE_NONE;
	if (!strncasecmp(authorization, "Bearer ", 7)) {
		is_bearer = true;
		if (strlen(authorization + 7) >= sizeof(given))
			return ROLE_NONE;
		strcpy(given, authorization + 7);
	} else if (strncasecmp(authorization, "Basic ", 6) ||
		   decode_base64(authorization + 6, given, sizeof(given))) {
		return ROLE_NONE;
	}
	for (uint32_t i = 0; i < l->n; i++) {
		bool match = is_same(l->items[i].secret, given) & (l->items[i].is_bearer == is_bearer);

		if (match && l->items[i].role > best)
			best = l->items[i].role;
	}
	explicit_bzero(given, sizeof(given));
	return (enum role)best;
}
