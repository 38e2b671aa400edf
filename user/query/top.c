/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a stack names a function many times (recursion, inlining), and a function has many ids (one for each file that has it);
 * each name must count once a sample.
 *
 * Idea: names are groups. Each function, mapping or label set gets its group once. What a name has anywhere in a stack is added up over the tree of stacks, not
 * over samples: a walk keeps count of the names between the root and where it is, and a node's total counts for those that are new there.
 *
 * In a profile of waits the innermost frames are the scheduler's in every stack; the first other one is taken for the leaf.
 *
 * Cost: one pass over samples and one over nodes; four bytes a function or mapping, eight a node, 28 a name.
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
#include "user/query/name_search.h"

#define NAMES_LIMIT ((size_t)1 << 30)
#define UNKNOWN     "(unknown)"
#define NO_STACK    "[no stack]"

enum by_kind { BY_FUNCTION, BY_FILE, BY_BINARY, BY_LABEL };

struct top_counter {
	struct top_opts opts;
	const struct profile *p; /* that is being counted; groups, plumbing, in_focus and type are of it */
	struct top *top;
	enum by_kind kind;
	const char *label, *suffix_label; /* BY_LABEL: "name (id)" where there are two */
	uint32_t type;
	bool is_diff;
	bool has_label;    /* BY_LABEL: some profile has it */
	uint8_t *plumbing; /* [function] = 0 not asked, 1 no, 2 yes; NULL: this is no profile of waits */
	bool *in_focus;    /* [function], NULL: all are */
	uint32_t *groups;  /* [function, mapping or label set] = name + 1, 0: not asked yet */
	uint32_t *rows;    /* [name] = row + 1 */
	uint32_t *on_path; /* [row] = frames of that name between the root and the node that is looked at */
	int64_t *totals;   /* [stack] = value of what is counted, with all below */
	uint32_t cap_rows, cap_names;
};

static int name_group(struct top_counter *c, const char *s, size_t len, uint32_t *group)
{
	uint32_t name;
	int err = intern__add(c->top->names, s, len, &name);

	if (!err)
		*group = name + 1;
	return err;
}

static int grow_rows(struct top_counter *c)
{
	struct top *t = c->top;
	uint32_t cap = t->n + t->n / 2 + 64;
	struct top_row *rows = realloc(t->rows, (size_t)cap * sizeof(*rows));
	uint32_t *on_path;

	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	on_path = realloc(c->on_path, (size_t)cap * sizeof(*on_path));
	if (!on_path)
		return -ENOMEM;
	c->on_path = on_path;
	c->cap_rows = cap;
	return 0;
}

/* The row of a name; a new one where there is none yet. */
static int row_of(struct top_counter *c, uint32_t name, uint32_t *ret_row)
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
		int err = t->n == c->cap_rows ? grow_rows(c) : 0;

		if (err)
			return err;
		t->rows[t->n] = (struct top_row){.name = name};
		c->on_path[t->n] = 0;
		c->rows[name] = ++t->n;
	}
	*ret_row = c->rows[name] - 1;
	return 0;
}

static int add_to_row(struct top_counter *c, uint32_t name, int64_t flat, int64_t cum)
{
	uint32_t row;
	int err = row_of(c, name, &row);

	if (err)
		return err;
	c->top->rows[row].flat = saturated_add(c->top->rows[row].flat, flat);
	c->top->rows[row].cum = saturated_add(c->top->rows[row].cum, cum);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int name_frame(struct top_counter *c, const struct location *l, const struct line *line,
		      uint32_t *group)
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
static int group_of_frame(struct top_counter *c, const struct location *l, const struct line *line,
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

static bool sample_in_focus(const struct top_counter *c, uint32_t stack)
{
	bool found = !c->in_focus;

	while (!found && stack) {
		const struct location *l;
		uint32_t location;

		profile__get_stack_node(c->p, stack, &location, &stack);
		l = profile__get_location(c->p, location);
		for (uint32_t j = 0; !found && j < l->n_lines; j++)
			found = c->in_focus[profile__lines(c->p, l)[j].function];
	}
	return found;
}

/* Is the innermost function at that place the scheduler's own? */
static bool is_plumbing(struct top_counter *c, uint32_t location)
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

/* The value of a stack is its leaf's own; of a wait that of the first function that is not the scheduler's. */
static int count_leaf(struct top_counter *c, uint32_t stack, int64_t value)
{
	uint32_t name, location, at = stack, parent;
	const struct location *l;
	int err;

	if (!stack) {
		err = name_group(c, NO_STACK, strlen(NO_STACK), &name);
		return err ? err : add_to_row(c, name - 1, value, value);
	}
	profile__get_stack_node(c->p, stack, &location, &parent);
	while (c->plumbing && at && is_plumbing(c, location)) {
		at = parent;
		if (at)
			profile__get_stack_node(c->p, at, &location, &parent);
	}
	if (!at)
		profile__get_stack_node(c->p, stack, &location, &parent);
	l = profile__get_location(c->p, location);
	err = group_of_frame(c, l, profile__lines(c->p, l), &name);
	return err ? err : add_to_row(c, name, value, 0);
}

/* A node's names come on the path (by 1: those that were not there count its total) or leave it (by -1). */
static int step(struct top_counter *c, uint32_t node, int by, int64_t total)
{
	const struct location *l;
	uint32_t location, parent, name, row;

	profile__get_stack_node(c->p, node, &location, &parent);
	l = profile__get_location(c->p, location);
	for (uint32_t j = 0; j < l->n_lines; j++) {
		int err = group_of_frame(c, l, &profile__lines(c->p, l)[j], &name);

		if (!err)
			err = row_of(c, name, &row);
		if (err)
			return err;
		if (by > 0 && !c->on_path[row])
			c->top->rows[row].cum = saturated_add(c->top->rows[row].cum, total);
		c->on_path[row] += (uint32_t)by;
	}
	return 0;
}

static uint32_t parent_of(const struct top_counter *c, uint32_t node)
{
	uint32_t location, parent;

	profile__get_stack_node(c->p, node, &location, &parent);
	return parent;
}

/* Puts all callers of a node on the empty path: for profiles whose nodes stand in another order than that of a walk. */
static int step_to(struct top_counter *c, uint32_t node, uint32_t *path, uint32_t *ret_depth)
{
	uint32_t depth = 0;
	int err = 0;

	for (uint32_t at = node; at; at = parent_of(c, at))
		depth++;
	*ret_depth = depth;
	for (uint32_t at = node; at; at = parent_of(c, at))
		path[--depth] = at;
	for (uint32_t i = 0; !err && i < *ret_depth; i++)
		err = step(c, path[i], 1, 0);
	return err;
}

/* Each node's total counts for its names, where none of its callers has them: once a sample. */
static int count_callers(struct top_counter *c)
{
	uint32_t path[PROFILE_DEPTH_MAX], depth = 0, n = profile__n_stacks(c->p);
	int err = 0;

	for (uint32_t node = n; node > 0; node--) {
		int64_t *to = &c->totals[parent_of(c, node)];

		*to = saturated_add(*to, c->totals[node]);
	}
	for (uint32_t node = 1; !err && node <= n; node++) {
		uint32_t parent = parent_of(c, node);

		while (!err && depth && path[depth - 1] != parent)
			err = step(c, path[--depth], -1, 0);
		if (!err && parent && !depth)
			err = step_to(c, parent, path, &depth);
		path[depth++] = node;
		if (!err)
			err = step(c, node, 1, c->totals[node]);
	}
	while (!err && depth)
		err = step(c, path[--depth], -1, 0);
	return err;
}

static void append_label(struct buf *b, const struct profile *p, const struct label *l)
{
	if (l->str)
		buf__append_str(b, profile__str(p, l->str));
	else
		buf__printf(b, "%" PRId64, l->num);
}

static int name_label_set(struct top_counter *c, uint32_t labels, uint32_t *group)
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
		buf__printf(&b, PROFILE_NO_LABEL, c->label);
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

static int count_labels(struct top_counter *c, uint32_t labels, int64_t value)
{
	int err = c->groups[labels] ? 0 : name_label_set(c, labels, &c->groups[labels]);

	return err ? err : add_to_row(c, c->groups[labels] - 1, value, value);
}

static int count_samples(struct top_counter *c)
{
	int err = 0;

	c->totals = calloc((size_t)profile__n_stacks(c->p) + 1, sizeof(*c->totals));
	if (!c->totals)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < profile__n_samples(c->p); i++) {
		const struct sample *s = profile__get_sample(c->p, i);
		int64_t value = s->values[c->type];

		if (!c->is_diff)
			c->top->total = saturated_add(c->top->total, value);
		else if (profile__find_label(c->p, s->labels, DIFF_BASE_LABEL))
			c->top->total = saturated_add(c->top->total, saturated_negate(value));
		if (!value || !sample_in_focus(c, s->stack))
			continue;
		c->top->in_focus = saturated_add(c->top->in_focus, value);
		if (c->kind == BY_LABEL) {
			err = count_labels(c, s->labels, value);
		} else {
			c->totals[s->stack] = saturated_add(c->totals[s->stack], value);
			err = count_leaf(c, s->stack, value);
		}
	}
	if (!err && c->kind != BY_LABEL)
		err = count_callers(c);
	free(c->totals);
	c->totals = NULL;
	return err;
}

static const char *function_name(const struct profile *p, uint32_t id)
{
	return profile__str(p, profile__get_function(p, id)->name);
}

static int find_by_regex(struct top_counter *c, const char *focus, struct err *e)
{
	regex_t re;
	char text[200];
	int r = regcomp(&re, focus, REG_EXTENDED | REG_NOSUB);

	if (r) {
		regerror(r, &re, text, sizeof(text));
		return err__set(e, -EBADMSG, "'%s' is no regular expression: %s", focus, text);
	}
	for (uint32_t i = 1; i <= profile__n_functions(c->p); i++)
		c->in_focus[i] = !regexec(&re, function_name(c->p, i), 0, NULL, 0);
	regfree(&re);
	return 0;
}

static void find_by_search(struct top_counter *c, const char *text)
{
	struct name_search s;

	name_search__init(&s, text);
	for (uint32_t i = 1; i <= profile__n_functions(c->p); i++)
		c->in_focus[i] = name_search__matches(&s, function_name(c->p, i));
	name_search__done(&s);
}

static int find_focus(struct top_counter *c, struct err *e)
{
	c->in_focus = calloc((size_t)profile__n_functions(c->p) + 1, sizeof(*c->in_focus));
	if (!c->in_focus)
		return -ENOMEM;
	if (c->opts.focus)
		return find_by_regex(c, c->opts.focus, e);
	find_by_search(c, c->opts.search);
	return 0;
}

/* Is there such a label? If not, the err lists those that are there. */
static int check_label(struct top_counter *c, struct err *e)
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
	c->has_label |= found;
	if (!found)
		err__set(e, -ENOENT, "no sample has the label '%s'; there are: function file binary%s",
			 c->label, buf__err(&b) ? " and many more" : buf__str(&b));
	buf__done(&b);
	return 0;
}

static bool is_of_waits(const struct profile *p)
{
	uint32_t type;

	return !profile__find_type(p, event__added(EVENT_OFFCPU), &type);
}

static const char *default_by(const struct profile *p)
{
	for (uint32_t set = 1; is_of_waits(p) && set <= profile__n_label_sets(p); set++)
		if (profile__find_label(p, set, "wait"))
			return "wait";
	return "function";
}

static int choose(struct top_counter *c, struct err *e)
{
	static const char *const frames[] = {
		[BY_FUNCTION] = "function", [BY_FILE] = "file", [BY_BINARY] = "binary"};
	const char *by = c->opts.by ? c->opts.by : default_by(c->p);
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
	if (profile__n_samples(c->p))
		c->opts.by = by; /* for those to come, too */
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

int top_counter__new(const struct top_opts *opts, struct top_counter **ret)
{
	struct top_counter *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opts = *opts;
	c->top = calloc(1, sizeof(*c->top));
	if (c->top)
		c->top->names = intern__new(NAMES_LIMIT);
	if (!c->top || !c->top->names) {
		top_counter__free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void top_counter__free(struct top_counter *c)
{
	if (!c)
		return;
	top__free(c->top);
	free(c->rows);
	free(c->on_path);
	free(c);
}

static int find_type(const struct profile *p, const char *type, uint32_t *ret, struct err *e)
{
	int err = profile__find_type(p, type, ret);

	return err ? err__set(e, err, "the profile has no sample type '%s'", type ? type : "") : 0;
}

static bool is_difference(const struct profile *p)
{
	bool found = false;

	for (uint32_t set = 1; !found && set <= profile__n_label_sets(p); set++)
		found = profile__find_label(p, set, DIFF_BASE_LABEL);
	return found;
}

int top_counter__add(struct top_counter *c, const struct profile *p, struct err *e)
{
	int err;

	if (!profile__sealed(p))
		return -EINVAL;
	c->p = p;
	err = find_type(p, c->opts.type, &c->type, e);
	if (err)
		return err;
	c->is_diff = is_difference(p);
	err = choose(c, e);
	if (!err)
		err = gc_share__add(&c->top->gc, p, c->opts.type);
	if (!err && is_of_waits(p)) {
		c->plumbing = calloc((size_t)profile__n_functions(p) + 1, sizeof(*c->plumbing));
		err = c->plumbing ? 0 : -ENOMEM;
	}
	if (!err && (c->opts.focus || c->opts.search))
		err = find_focus(c, e);
	if (!err)
		err = count_samples(c);
	free(c->in_focus);
	free(c->plumbing);
	free(c->groups);
	c->in_focus = NULL;
	c->plumbing = NULL;
	c->groups = NULL;
	return err;
}

int top_counter__finish(struct top_counter *c, const struct profile *head, struct top **ret_top,
			struct err *e)
{
	uint32_t type;
	int err = find_type(head, c->opts.type, &type, e);

	if (err)
		return err;
	c->top->type = profile__str(head, profile__type(head, type).type);
	c->top->unit = c->top->gc.unit = profile__str(head, profile__type(head, type).unit);
	if (c->kind == BY_LABEL && !c->has_label)
		return -ENOENT; /* the err tells what the last one had */
	sort_rows(c->top, c->opts.sort);
	*ret_top = c->top;
	c->top = NULL;
	return 0;
}

int top__new(const struct profile *p, const struct top_opts *opts, struct top **ret_top, struct err *e)
{
	struct top_counter *c;
	int err = top_counter__new(opts, &c);

	if (err)
		return err;
	err = top_counter__add(c, p, e);
	if (!err)
		err = top_counter__finish(c, p, ret_top, e);
	top_counter__free(c);
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
