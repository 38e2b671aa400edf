/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/name_search.h"

#include <string.h>

#define NAME_BYTES_MAX (1u << 20)

static bool is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

void name_search__init(struct name_search *s, const char *text)
{
	*s = (struct name_search){.text = text};
	for (const char *c = text; *c; c++)
		s->is_exact |= is_capital(*c);
	buf__init(&s->lower, NAME_BYTES_MAX);
}

void name_search__done(struct name_search *s)
{
	buf__done(&s->lower);
}

/* Bytes up to the next * (people write .* as well). */
static size_t piece_len(const char *text, size_t len)
{
	const char *star = memchr(text, '*', len);
	size_t n = star ? (size_t)(star - text) : len;

	return star && n && star[-1] == '.' ? n - 1 : n;
}

/* One of those with a | between them. */
struct one {
	const char *text, *end;
	bool is_start, is_end;
};

static struct one parse_one(const char *text, size_t len)
{
	bool is_start = len && *text == '^', is_end = len > 1 && text[len - 1] == '$';

	return (struct one){text + is_start, text + len - is_end, is_start, is_end};
}

/* Takes the next piece off; false: it was the last. */
static bool take_piece(struct one *o, const char **ret_piece, size_t *ret_len)
{
	*ret_piece = o->text;
	*ret_len = piece_len(o->text, (size_t)(o->end - o->text));
	o->text += *ret_len;
	if (o->text == o->end)
		return false;
	o->text += *o->text == '.' ? 2 : 1;
	return true;
}

static bool has_text(struct one o)
{
	const char *piece;
	size_t len;
	bool has_more;

	do
		has_more = take_piece(&o, &piece, &len);
	while (!len && has_more);
	return len;
}

static bool matches_one(struct one o, const char *name)
{
	size_t left = strlen(name), len;
	bool is_first = true, has_more;

	do {
		const char *piece, *found;

		has_more = take_piece(&o, &piece, &len);
		if (len > left)
			return false;
		if (is_first && o.is_start)
			found = memcmp(name, piece, len) ? NULL : name;
		else if (o.is_end && !has_more)
			found = memcmp(name + left - len, piece, len) ? NULL : name + left - len;
		else
			found = memmem(name, left, piece, len);
		if (!found)
			return false;
		left -= (size_t)(found - name) + len;
		name = found + len;
		is_first = false;
	} while (has_more);
	return !o.is_end || !left;
}

bool name_search__matches(struct name_search *s, const char *name)
{
	bool is_asked = false;

	if (!s->is_exact) {
		buf__clear(&s->lower);
		for (const char *c = name; *c; c++)
			buf__append_char(&s->lower, is_capital(*c) ? (char)(*c + 'a' - 'A') : *c);
		name = buf__str(&s->lower);
	}
	for (const char *text = s->text;; text++) {
		size_t len = strcspn(text, "|");
		struct one o = parse_one(text, len);

		if (has_text(o)) {
			is_asked = true;
			if (matches_one(o, name))
				return true;
		}
		text += len;
		if (!*text)
			return !is_asked;
	}
}
