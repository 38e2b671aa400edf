// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a window has thousands of stacks and functions, the list has hundreds of shell patterns, and fnmatch costs a microsecond.
 *
 * Idea: most patterns are plain words, or words with `*` between: those are compared as such. Cheap conditions are asked first; what is asked of functions is
 *   numbered (a set for each list), so that the caller can keep the answer for each function and each stack.
 *
 * Cost: 10 to 50 ns a condition; about a microsecond a row that comes as far as functions, less for stacks that were asked before.
 */
#include "user/pipeline/idle_match.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "user/config/idle_pattern.h"

enum text_kind { TEXT_WHOLE, TEXT_STARS, TEXT_SHELL };

struct text_pattern {
	char *text;
	enum text_kind kind;
};

struct pattern_list {
	struct text_pattern *items;
	uint32_t n;
};

struct match_pattern {
	char *name;
#define MATCH_LIST(member, text) struct pattern_list member;
	IDLE_CONDITIONS(MATCH_LIST)
#undef MATCH_LIST
	uint32_t function_set, except_set;
};

struct idle_match {
	struct match_pattern *patterns;
	const struct pattern_list **sets; /* borrowed from the patterns */
	uint32_t n, n_sets, n_refs;
};

static int text_pattern__init(struct text_pattern *t, const char *text)
{
	t->text = strdup(text);
	t->kind = strpbrk(text, "?[\\") ? TEXT_SHELL : strchr(text, '*') ? TEXT_STARS : TEXT_WHOLE;
	return t->text ? 0 : -ENOMEM;
}

/* A pattern without anything special but `*`: its words, one after the other, each at its first place. */
static bool stars_fit(const char *pattern, const char *s)
{
	size_t n = strcspn(pattern, "*"), left = strlen(s);

	if (left < n || memcmp(pattern, s, n))
		return false;
	while (pattern[n]) {
		s += n;
		left -= n;
		pattern += strcspn(pattern, "*") + 1;
		n = strcspn(pattern, "*");
		if (!pattern[n]) /* the last word ends the text */
			return left >= n && !memcmp(pattern, s + left - n, n);
		while (left >= n && memcmp(pattern, s, n)) {
			s++;
			left--;
		}
		if (left < n)
			return false;
	}
	return left == n;
}

static bool text_pattern__fits(const struct text_pattern *t, const char *s)
{
	switch (t->kind) {
	case TEXT_WHOLE:
		return !strcmp(t->text, s);
	case TEXT_STARS:
		return stars_fit(t->text, s);
	default:
		return !fnmatch(t->text, s, 0);
	}
}

static int pattern_list__init(struct pattern_list *l, const struct text_list *from)
{
	int err = 0;

	*l = (struct pattern_list){0};
	if (!from->n)
		return 0;
	l->items = calloc(from->n, sizeof(*l->items));
	if (!l->items)
		return -ENOMEM;
	for (; l->n < from->n && !err; l->n++)
		err = text_pattern__init(&l->items[l->n], from->items[l->n]);
	return err;
}

static void pattern_list__done(struct pattern_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->items[i].text);
	free(l->items);
}

static bool pattern_list__fits(const struct pattern_list *l, const char *s)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (text_pattern__fits(&l->items[i], s))
			return true;
	return false;
}

/* A condition that is not given holds. */
static bool holds(const struct pattern_list *l, const char *s)
{
	return !l->n || pattern_list__fits(l, s);
}

static int match_pattern__init(struct match_pattern *m, const struct idle_pattern *p)
{
	int err;

	m->name = strdup(p->name);
	err = m->name ? 0 : -ENOMEM;
#define MATCH_INIT(member, text) \
	if (!err)                \
		err = pattern_list__init(&m->member, &p->member);
	IDLE_CONDITIONS(MATCH_INIT)
#undef MATCH_INIT
	return err;
}

static uint32_t add_set(struct idle_match *m, const struct pattern_list *l)
{
	if (l->n)
		m->sets[m->n_sets] = l;
	return l->n ? m->n_sets++ : UINT32_MAX;
}

int idle_match__new(const struct idle_list *list, struct idle_match **ret)
{
	struct idle_match *m = calloc(1, sizeof(*m));
	int err = m ? 0 : -ENOMEM;

	if (m) {
		m->n_refs = 1;
		m->patterns = calloc(list->n + 1, sizeof(*m->patterns));
		m->sets = calloc(2 * (size_t)list->n + 1, sizeof(*m->sets));
		err = m->patterns && m->sets ? 0 : -ENOMEM;
	}
	for (uint32_t i = 0; i < list->n && !err; i++) {
		m->n++;
		err = match_pattern__init(&m->patterns[i], &list->patterns[i]);
		if (!err) {
			m->patterns[i].function_set = add_set(m, &m->patterns[i].function);
			m->patterns[i].except_set = add_set(m, &m->patterns[i].except);
		}
	}
	if (err)
		idle_match__unref(m);
	else
		*ret = m;
	return err;
}

struct idle_match *idle_match__ref(struct idle_match *m)
{
	if (m)
		__atomic_add_fetch(&m->n_refs, 1, __ATOMIC_RELAXED);
	return m;
}

void idle_match__unref(struct idle_match *m)
{
	if (!m || __atomic_sub_fetch(&m->n_refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < m->n; i++) {
		free(m->patterns[i].name);
#define MATCH_DONE(member, text) pattern_list__done(&m->patterns[i].member);
		IDLE_CONDITIONS(MATCH_DONE)
#undef MATCH_DONE
	}
	free(m->patterns);
	free(m->sets);
	free(m);
}

static bool fits(const struct match_pattern *m, const struct idle_wait *w)
{
	return holds(&m->wait, w->wait) && holds(&m->syscall, w->syscall) && holds(&m->leaf, w->leaf) &&
	       holds(&m->process, w->process) && holds(&m->exe, w->exe) && holds(&m->comm, w->comm) &&
	       (!m->function.n || w->has_function(w->ctx, m->function_set)) &&
	       (!m->except.n || !w->has_function(w->ctx, m->except_set));
}

const char *idle_match__find(const struct idle_match *m, const struct idle_wait *w)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (fits(&m->patterns[i], w))
			return m->patterns[i].name;
	return NULL;
}

uint32_t idle_match__n_sets(const struct idle_match *m)
{
	return m->n_sets;
}

bool idle_match__is_in_set(const struct idle_match *m, uint32_t set, const char *function)
{
	return pattern_list__fits(m->sets[set], function);
}
