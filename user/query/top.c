/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a stack names a function many times (recursion, inlining), and a function has many ids (one for each file that has it);
 * each name must count once a sample.
 *
 * Idea: names are groups. Each function, mapping or label set gets its group once; a sample then adds to groups, and a stamp a group, the number
 * of the last sample that counted there, keeps it from counting twice.
 *
 * In a profile of waits the innermost frames are the scheduler's in every stack; the first other one is taken for the leaf.
 *
 * Cost: one pass over samples and their frames; four bytes a function or mapping, 24 a name.
 *
 * What it does not do: print (top_print.c), or select by labels: a selection is a profile of its own.
 */
#include "user/query/top.h"

#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/intern.h"
#include "user/config/event.h"
#include "user/config/wait_kind.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"

#define NAMES_LIMIT ((size_t)1 << 30)
#define UNKNOWN     "(unknown)"
#define NONE        "(none)"

enum by_kind { BY_FUNCTION, BY_FILE, BY_BINARY, BY_LABEL };

struct counter {
	const struct profile *p;
	struct top *top;
	enum by_kind kind;
	const char *label, *suffix_label; /* BY_LABEL: "name (id)" where there are two */
	uint32_t type;
	bool is_diff;
	uint8_t *plumbing; /* [function] = 0 not asked, 1 no, 2 yes; NULL: this is no profile of waits */
	bool *in_focus;    /* [function], NULL: all are */
	uint32_t *groups;  /* [function, mapping or label set] = name + 1, 0: not asked yet */
	uint32_t *rows;    /* [name] = row + 1 */
	uint32_t *stamps;  /* [row] = last sample + 1 */
	uint32_t cap_rows, cap_names;
};

static int name_group(struct counter *c, const char *s, size_t len, uint32_t *group)
{
	uint32_t name;
	int err = intern__add(c->top->names, s, len, &name);

	if (!err)
		*group = name + 1;
	return err;
}

/* The row of a name; a new one where there is none yet. */
static int row_of(struct counter *c, uint32_t name, struct top_row **ret_row, uint32_t **ret_stamp)
{
	struct top *t = c->top;

	if (name >= c->cap_names) {
		uint32_t cap = name + name / 2 + 64;
		uint32_t *rows = realloc(c->rows, (size_t)cap * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		memset(rows + c->cap_names, 0, (size_t)(cap - c->cap_names) * sizeof(*rows));
		c->rows = rows;
		c->cap_names = cap;
	}
	if (!c->rows[name]) {
		if (t->n == c->cap_rows) {
			uint32_t cap = t->n + t->n / 2 + 64;
			struct top_row *rows = realloc(t->rows, (size_t)cap * sizeof(*rows));
			uint32_t *stamps;

			if (!rows)
				return -ENOMEM;
			t->rows = rows;
			stamps = realloc(c->stamps, (size_t)cap * sizeof(*stamps));
			if (!stamps)
				return -ENOMEM;
			c->stamps = stamps;
			c->cap_rows = cap;
		}
		t->rows[t->n] = (struct top_row){.name = name};
		c->stamps[t->n] = 0;
		c->rows[name] = ++t->n;
	}
	*ret_row = &t->rows[c->rows[name] - 1];
	*ret_stamp = &c->stamps[c->rows[name] - 1];
	return 0;
}

static int count_at(struct counter *c, uint32_t name, uint32_t sample, int64_t value, bool leaf)
{
	struct top_row *row;
	uint32_t *stamp;
	int err = row_of(c, name, &row, &stamp);

	if (err)
		return err;
	if (leaf)
		row->flat = saturated_add(row->flat, value);
	if (*stamp != sample + 1)
		row->cum = saturated_add(row->cum, value);
	*stamp = sample + 1;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int name_frame(struct counter *c, const struct location *l, const struct line *line, uint32_t *group)
{
	const struct function *f = profile__get_function(c->p, line->function);
	const char *binary =
		l->mapping ? profile__str(c->p, profile__get_mapping(c->p, l->mapping)->filename) : "";
	const char *name = profile__str(c->p, c->kind == BY_FILE ? f->filename : f->name);
	char fallback[300];

	if (c->kind == BY_BINARY) {
		/* a frame of no file is JIT code, or says itself where the stack was cut */
		name = *binary ? binary : !strncmp(name, "[truncated", 10) ? name : "(no binary)";
	} else if (!*name && c->kind == BY_FILE && *binary) {
		snprintf(fallback, sizeof(fallback), "(%s)", base_name(binary));
		name = fallback;
	}
	if (!*name)
		name = UNKNOWN;
	return name_group(c, name, strlen(name), group);
}

/* Functions and mappings have one name each; a file name may depend on both, so it is not kept. */
static int group_of_frame(struct counter *c, const struct location *l, const struct line *line,
			  uint32_t *ret_name)
{
	uint32_t fresh = 0, *group = &fresh;
	int err = 0;

	if (c->kind == BY_FUNCTION)
		group = &c->groups[line->function];
	else if (c->kind == BY_BINARY && l->mapping)
		group = &c->groups[l->mapping];
	if (!*group)
		err = name_frame(c, l, line, group);
	if (!err)
		*ret_name = *group - 1;
	return err;
}

static bool sample_in_focus(const struct counter *c, const uint32_t *locations, uint32_t depth)
{
	bool found = !c->in_focus;

	for (uint32_t i = 0; !found && i < depth; i++) {
		const struct location *l = profile__get_location(c->p, locations[i]);

		for (uint32_t j = 0; !found && j < l->n_lines; j++)
			found = c->in_focus[profile__lines(c->p, l)[j].function];
	}
	return found;
}

/* Is the innermost function at that place the scheduler's own? */
static bool is_plumbing(struct counter *c, uint32_t location)
{
	const struct location *l = profile__get_location(c->p, location);
	uint32_t id = l->n_lines ? profile__lines(c->p, l)[0].function : 0;
	const char *file =
		l->mapping ? profile__str(c->p, profile__get_mapping(c->p, l->mapping)->filename) : "";

	if (!id || strncmp(file, "[kernel", 7))
		return false;
	if (!c->plumbing[id])
		c->plumbing[id] =
			1 + (wait_kind__of_function(profile__str(c->p, profile__get_function(c->p, id)->name))
				     .role == WAIT_ROLE_PLUMBING);
	return c->plumbing[id] == 2;
}

/* Which frame has the value for its own. */
static uint32_t leaf_of(struct counter *c, const uint32_t *locations, uint32_t depth)
{
	uint32_t leaf = 0;

	while (c->plumbing && leaf < depth && is_plumbing(c, locations[leaf]))
		leaf++;
	return leaf < depth ? leaf : 0;
}

static int count_frames(struct counter *c, uint32_t sample, int64_t value, const uint32_t *locations,
			uint32_t depth)
{
	uint32_t name, leaf = leaf_of(c, locations, depth);
	int err;

	if (!depth) {
		err = name_group(c, NONE, strlen(NONE), &name);
		return err ? err : count_at(c, name - 1, sample, value, true);
	}
	for (uint32_t i = 0; i < depth; i++) {
		const struct location *l = profile__get_location(c->p, locations[i]);

		for (uint32_t j = 0; j < l->n_lines; j++) {
			err = group_of_frame(c, l, &profile__lines(c->p, l)[j], &name);
			if (!err)
				err = count_at(c, name, sample, value, i == leaf && j == 0);
			if (err)
				return err;
		}
	}
	return 0;
}

static void append_label(struct buf *b, const struct profile *p, const struct label *l)
{
	if (l->str)
		buf__append_str(b, profile__str(p, l->str));
	else
		buf__printf(b, "%" PRId64, l->num);
}

static int name_label_set(struct counter *c, uint32_t labels, uint32_t *group)
{
	const struct label *l = profile__find_label(c->p, labels, c->label);
	const struct label *suffix =
		c->suffix_label ? profile__find_label(c->p, labels, c->suffix_label) : NULL;
	struct buf b;
	int err;

	buf__init(&b, 1 << 20);
	if (l)
		append_label(&b, c->p, l);
	else if (!suffix)
		buf__append_str(&b, NONE);
	if (suffix) {
		buf__append_str(&b, l ? " (" : "(");
		append_label(&b, c->p, suffix);
		buf__append_char(&b, ')');
	}
	err = buf__err(&b);
	if (!err)
		err = name_group(c, (const char *)b.data, b.len, group);
	buf__done(&b);
	return err;
}

static int count_labels(struct counter *c, uint32_t sample, int64_t value, uint32_t labels)
{
	int err = c->groups[labels] ? 0 : name_label_set(c, labels, &c->groups[labels]);

	return err ? err : count_at(c, c->groups[labels] - 1, sample, value, true);
}

static int count_samples(struct counter *c)
{
	uint32_t locations[PROFILE_DEPTH_MAX];

	for (uint32_t i = 0; i < profile__n_samples(c->p); i++) {
		const struct sample *s = profile__get_sample(c->p, i);
		uint32_t depth = profile__get_stack(c->p, s->stack, locations, PROFILE_DEPTH_MAX);
		int64_t value = s->values[c->type];
		int err;

		if (!c->is_diff)
			c->top->total = saturated_add(c->top->total, value);
		else if (profile__find_label(c->p, s->labels, DIFF_BASE_LABEL))
			c->top->total = saturated_add(c->top->total, saturated_negate(value));
		if (!value || !sample_in_focus(c, locations, depth))
			continue;
		c->top->in_focus = saturated_add(c->top->in_focus, value);
		if (c->kind == BY_LABEL)
			err = count_labels(c, i, value, s->labels);
		else
			err = count_frames(c, i, value, locations, depth);
		if (err)
			return err;
	}
	return 0;
}

static int find_focus(struct counter *c, const char *focus, struct err *e)
{
	uint32_t n = profile__n_functions(c->p);
	regex_t re;
	char text[200];
	int r = regcomp(&re, focus, REG_EXTENDED | REG_NOSUB);

	if (r) {
		regerror(r, &re, text, sizeof(text));
		return err__set(e, -EBADMSG, "'%s' is no regular expression: %s", focus, text);
	}
	c->in_focus = calloc((size_t)n + 1, sizeof(*c->in_focus));
	for (uint32_t i = 1; c->in_focus && i <= n; i++)
		c->in_focus[i] =
			!regexec(&re, profile__str(c->p, profile__get_function(c->p, i)->name), 0, NULL, 0);
	regfree(&re);
	return c->in_focus ? 0 : -ENOMEM;
}

/* Is there such a label anywhere? If not, the err lists those that are there. */
static int check_label(const struct counter *c, struct err *e)
{
	bool *keys = calloc(profile__n_strings(c->p), sizeof(*keys));
	bool found = false;
	struct buf b;

	if (!keys)
		return -ENOMEM;
	buf__init(&b, 512);
	for (uint32_t set = 1; !found && set <= profile__n_label_sets(c->p); set++) {
		uint32_t n;
		const struct label *l = profile__get_labels(c->p, set, &n);

		for (uint32_t i = 0; i < n; i++) {
			const char *key = profile__str(c->p, l[i].key);

			found |= !strcmp(key, c->label) || (c->suffix_label && !strcmp(key, c->suffix_label));
			if (!keys[l[i].key])
				buf__printf(&b, " %s", key);
			keys[l[i].key] = true;
		}
	}
	free(keys);
	if (!found)
		err__set(e, -ENOENT, "no sample has the label '%s'; there are: function file binary%s",
			 c->label, buf__err(&b) ? " and many more" : buf__str(&b));
	buf__done(&b);
	return found ? 0 : -ENOENT;
}

static int choose(struct counter *c, const struct top_opts *o, struct err *e)
{
	static const char *const frames[] = {
		[BY_FUNCTION] = "function", [BY_FILE] = "file", [BY_BINARY] = "binary"};
	const char *by = o->by ? o->by : "function";
	uint32_t n = profile__n_label_sets(c->p);
	int err = 0;

	c->kind = BY_LABEL;
	for (int k = BY_FUNCTION; k < BY_LABEL; k++) {
		if (!strcmp(by, frames[k]))
			c->kind = (enum by_kind)k;
	}
	if (c->kind == BY_LABEL) {
		c->label = !strcmp(by, "thread") ? "comm" : by;
		c->suffix_label = !strcmp(by, "thread") ? "tid" : !strcmp(by, "process") ? "pid" : NULL;
		err = check_label(c, e);
	} else {
		n = profile__n_functions(c->p) > profile__n_mappings(c->p) ? profile__n_functions(c->p)
									   : profile__n_mappings(c->p);
	}
	c->top->by = by;
	c->groups = calloc((size_t)n + 1, sizeof(*c->groups));
	return err ? err : c->groups ? 0 : -ENOMEM;
}

static uint64_t size_of(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

struct order {
	const struct top *top;
	enum top_sort sort;
};

static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct order *o = ctx;
	const struct top_row *x = a, *y = b;
	uint64_t xs[] = {size_of(x->flat), size_of(x->cum)}, ys[] = {size_of(y->flat), size_of(y->cum)};
	int first = o->sort == TOP_BY_CUM;

	if (xs[first] != ys[first])
		return xs[first] > ys[first] ? -1 : 1;
	if (xs[!first] != ys[!first])
		return xs[!first] > ys[!first] ? -1 : 1;
	return strcmp(intern__str(o->top->names, x->name, NULL), intern__str(o->top->names, y->name, NULL));
}

static void sort_rows(struct top *t, enum top_sort sort)
{
	struct order o = {t, sort};
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->rows[i].flat || t->rows[i].cum)
			t->rows[n++] = t->rows[i];
	}
	t->n = n;
	if (n)
		qsort_r(t->rows, n, sizeof(*t->rows), compare_rows, &o);
}

static bool is_of_waits(const struct profile *p)
{
	uint32_t type;

	return !profile__find_type(p, event__added(EVENT_OFFCPU), &type);
}

const char *top__default_by(const struct profile *p)
{
	for (uint32_t set = 1; is_of_waits(p) && set <= profile__n_label_sets(p); set++)
		if (profile__find_label(p, set, "wait"))
			return "wait";
	return "function";
}

int top__new(const struct profile *p, const struct top_opts *opts, struct top **ret_top, struct err *e)
{
	struct counter c = {.p = p};
	int err;

	if (!profile__sealed(p))
		return -EINVAL;
	err = profile__find_type(p, opts->type, &c.type);
	if (err)
		return err__set(e, err, "the profile has no sample type '%s'", opts->type ? opts->type : "");
	c.top = calloc(1, sizeof(*c.top));
	if (!c.top)
		return -ENOMEM;
	c.top->type = profile__str(p, profile__type(p, c.type).type);
	c.top->unit = profile__str(p, profile__type(p, c.type).unit);
	c.top->names = intern__new(NAMES_LIMIT);
	for (uint32_t set = 1; !c.is_diff && set <= profile__n_label_sets(p); set++)
		c.is_diff = profile__find_label(p, set, DIFF_BASE_LABEL);
	err = c.top->names ? choose(&c, opts, e) : -ENOMEM;
	if (!err && is_of_waits(p)) {
		c.plumbing = calloc((size_t)profile__n_functions(p) + 1, sizeof(*c.plumbing));
		err = c.plumbing ? 0 : -ENOMEM;
	}
	if (!err && opts->focus)
		err = find_focus(&c, opts->focus, e);
	if (!err)
		err = count_samples(&c);
	if (!err)
		sort_rows(c.top, opts->sort);
	free(c.in_focus);
	free(c.plumbing);
	free(c.groups);
	free(c.rows);
	free(c.stamps);
	if (err)
		top__free(c.top);
	else
		*ret_top = c.top;
	return err;
}

void top__free(struct top *t)
{
	if (!t)
		return;
	intern__free(t->names);
	free(t->rows);
	free(t);
}

const char *top__name(const struct top *t, uint32_t row)
{
	return intern__str(t->names, t->rows[row].name, NULL);
}
