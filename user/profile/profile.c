/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a profile of a whole machine is hundreds of thousands of frames, yet it must fit in a few megabytes while it is built
 * every minute, and be read by several threads without locks.
 *
 * Idea: columns. Each kind of thing is one array of plain structs that refer to each other by index; an index beside it finds equal
 * elements while building and is thrown away at seal. Nothing is allocated per element.
 *
 * Layout:   samples ──> label_sets ──> labels (runs)
 *              └─────> stacks (tree) ──> locations ──> lines (runs) ──> functions ──> strings
 *                                            └──> mappings ──> strings
 *
 * Invariants: every id that is stored is valid, so readers need no checks. Parents come before children in the tree. No stack is deeper
 * than PROFILE_DEPTH_MAX. All text is UTF-8 without NUL. Once sealed, every location has at least one line, no
 * sample is all zero, and samples stand in tree order.
 *
 * Cost: 40 bytes a sample, 16 + 2 a tree node, 56 a location with one line, each plus about 12 of index until sealed.
 *
 * What it does not do: remove. A window is built, sealed, read and freed.
 *
 * This file holds life, strings, types and comments; profile_build.c what refers to them, profile_seal.c the closing,
 * profile_read.c the reading.
 *
 * Reference: github.com/google/pprof proto/profile.proto, for the shape.
 */
#include "user/profile/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/profile_impl.h"
#include "user/profile/utf8.h"

#define DEFAULT_LIMIT_BYTES ((size_t)1 << 30)

struct profile *profile__new(const struct profile_opts *opts)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->limit_bytes = opts && opts->limit_bytes ? opts->limit_bytes : DEFAULT_LIMIT_BYTES;
	p->is_list = opts && opts->is_list;
	p->adds_late = opts && opts->adds_late;
	p->strings = intern__new(p->limit_bytes);
	if (!p->strings) {
		free(p);
		return NULL;
	}
	table__init(&p->mappings, sizeof(struct mapping));
	table__init(&p->functions, sizeof(struct function));
	table__init(&p->locations, sizeof(struct location));
	table__init(&p->lines, sizeof(struct line));
	table__init(&p->label_sets, sizeof(struct label_set));
	table__init(&p->labels, sizeof(struct label));
	table__init(&p->samples, sizeof(struct sample));
	table__init(&p->comments, sizeof(uint32_t));
	table__init(&p->depths, sizeof(uint16_t));
	stack_table__init(&p->stacks, p->limit_bytes);
	profile__account(p);
	return p;
}

void profile__free(struct profile *p)
{
	if (!p)
		return;
	intern__free(p->strings);
	table__done(&p->mappings);
	table__done(&p->functions);
	table__done(&p->locations);
	table__done(&p->lines);
	table__done(&p->label_sets);
	table__done(&p->labels);
	table__done(&p->samples);
	table__done(&p->comments);
	table__done(&p->depths);
	stack_table__done(&p->stacks);
	free(p);
}

void profile__account(struct profile *p)
{
	p->own_bytes = sizeof(*p) + intern__bytes(p->strings) + table__bytes(&p->mappings) +
		       table__bytes(&p->functions) + table__bytes(&p->locations) + table__bytes(&p->lines) +
		       table__bytes(&p->label_sets) + table__bytes(&p->labels) + table__bytes(&p->samples) +
		       table__bytes(&p->comments) + table__bytes(&p->depths);
	/* 0 would mean no limit */
	p->stacks.limit_bytes = p->own_bytes < p->limit_bytes ? p->limit_bytes - p->own_bytes : 1;
}

size_t profile__bytes(const struct profile *p)
{
	return p->own_bytes + stack_table__bytes(&p->stacks);
}

static int add_string(struct profile *p, const char *s, size_t len, uint32_t *ret_id)
{
	int err = intern__find(p->strings, s, len, ret_id);

	if (err != -ENOENT)
		return err;
	if (p->sealed)
		return -EROFS;
	intern__set_limit(p->strings, intern__bytes(p->strings) + profile__room(p));
	err = intern__add(p->strings, s, len, ret_id);
	if (!err)
		profile__account(p);
	return err;
}

int profile__string_n(struct profile *p, const char *s, size_t len, uint32_t *ret_id)
{
	char *clean;
	int err;

	if (utf8__valid(s, len))
		return add_string(p, s, len, ret_id);
	if (len >= profile__room(p))
		return -E2BIG;
	clean = malloc(UTF8_CLEAN_MAX(len));
	if (!clean)
		return -ENOMEM;
	err = add_string(p, clean, utf8__clean(s, len, clean), ret_id);
	free(clean);
	return err;
}

int profile__string(struct profile *p, const char *s, uint32_t *ret_id)
{
	return s ? profile__string_n(p, s, strlen(s), ret_id) : profile__string_n(p, "", 0, ret_id);
}

int profile__add_type(struct profile *p, const char *type, const char *unit)
{
	struct value_type vt;
	int err;

	if (p->sealed)
		return -EROFS;
	if (p->n_types == PROFILE_VALUES_MAX)
		return -E2BIG;
	err = profile__string(p, type, &vt.type);
	if (!err)
		err = profile__string(p, unit, &vt.unit);
	if (!err)
		p->types[p->n_types++] = vt;
	return err;
}

int profile__comment(struct profile *p, const char *fmt, ...)
{
	uint32_t id;
	va_list ap;
	char *text;
	int len, err;

	if (p->sealed)
		return -EROFS;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -ENOMEM;
	err = profile__string_n(p, text, (size_t)len, &id);
	free(text);
	if (!err)
		err = table__push(&p->comments, &id, profile__room(p));
	profile__account(p);
	return err;
}

struct profile_meta *profile__meta_mut(struct profile *p)
{
	return &p->meta;
}
