/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: an hour is sixty windows of the same few programs. Adding them up must cost what is new in each, not what is in all.
 *
 * Idea: translate ids, each once. For each column of `from` an array holds the id in `into`, 0 while nobody asked for it; adders of `into`
 * find what is there. Only what samples refer to is translated.
 *
 * Invariants: a parent's id is below its child's, so marking the needed nodes runs from the last to the first and translating them
 * from the first to the last, without recursion.
 *
 * Cost: four bytes for each string, mapping, function, location, node and label set of `from` while the call lasts.
 *
 * What it does not do: tell apart values of different periods. Values are times, bytes and events, already scaled up.
 */
#include "user/profile/merge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/profile_impl.h"
#include "user/profile/saturate.h"

struct translation {
	struct profile *into;
	const struct profile *from;
	uint32_t *strings, *mappings, *functions, *locations, *stacks,
		*label_sets;                  /* [id of from] = id of into, 0 unknown */
	uint8_t *verdicts;                    /* [label set of from]; NULL: all samples come in */
	uint32_t columns[PROFILE_VALUES_MAX]; /* [type of from] = type of into */
	struct label extra;                   /* key 0: none */
	const struct profile_merge_opts *opts;
	uint32_t *heirs; /* [place] = the stack of into that takes its samples, 0 unknown */
	int64_t left_over[PROFILE_VALUES_MAX]; /* by scaling, by column of into */
};

static int string_of(struct translation *t, uint32_t id, uint32_t *ret_id)
{
	const char *s;
	size_t len;
	int err;

	if (id && !t->strings[id]) {
		s = intern__str(t->from->strings, id, &len);
		err = profile__string_n(t->into, s, len, &t->strings[id]);
		if (err)
			return err;
	}
	*ret_id = t->strings[id];
	return 0;
}

static int mapping_of(struct translation *t, uint32_t id, uint32_t *ret_id)
{
	struct mapping m;
	int err;

	if (id && !t->mappings[id]) {
		m = *profile__get_mapping(t->from, id);
		err = string_of(t, m.filename, &m.filename);
		if (!err)
			err = string_of(t, m.build_id, &m.build_id);
		if (!err)
			err = profile__mapping(t->into, &m, &t->mappings[id]);
		if (err)
			return err;
	}
	*ret_id = t->mappings[id];
	return 0;
}

static int function_of(struct translation *t, uint32_t id, uint32_t *ret_id)
{
	struct function f;
	int err;

	if (!t->functions[id]) {
		f = *profile__get_function(t->from, id);
		if (t->opts->functions_only)
			f.system_name = 0;
		err = string_of(t, f.name, &f.name);
		if (!err)
			err = string_of(t, f.system_name, &f.system_name);
		if (!err)
			err = string_of(t, f.filename, &f.filename);
		if (!err)
			err = profile__function(t->into, &f, &t->functions[id]);
		if (err)
			return err;
	}
	*ret_id = t->functions[id];
	return 0;
}

static int location_of(struct translation *t, uint32_t id, uint32_t *ret_id)
{
	const struct location *l;
	struct line lines[PROFILE_LINES_MAX];
	bool as_function;
	uint32_t mapping;
	int err;

	if (!t->locations[id]) {
		l = profile__get_location(t->from, id);
		as_function = t->opts->functions_only && l->n_lines;
		err = mapping_of(t, l->mapping, &mapping);
		for (uint32_t i = 0; !err && i < l->n_lines; i++) {
			lines[i] = profile__lines(t->from, l)[i];
			if (as_function)
				lines[i].line = lines[i].column = 0;
			err = function_of(t, lines[i].function, &lines[i].function);
		}
		if (!err)
			err = profile__location(t->into, mapping, as_function ? 0 : l->address, l->is_folded,
						lines, l->n_lines, &t->locations[id]);
		if (err)
			return err;
	}
	*ret_id = t->locations[id];
	return 0;
}

/* Asked once for each label set: a pattern may be slow. */
static bool is_left_behind(struct translation *t, const struct sample *s)
{
	enum { NOT_ASKED, KEPT, DROPPED };
	const struct profile_merge_opts *opts = t->opts;
	uint8_t *verdict;

	if (!t->verdicts)
		return false;
	verdict = &t->verdicts[s->labels];
	if (*verdict == NOT_ASKED) {
		bool has_label =
			opts->without_label && profile__find_label(t->from, s->labels, opts->without_label);

		*verdict = !has_label && (!opts->keep || opts->keep(t->from, s->labels, opts->keep_ctx))
				   ? KEPT
				   : DROPPED;
	}
	return *verdict == DROPPED;
}

/* The place of a stack that does not come in; NULL: it does. */
static const struct merge_place *place_of(const struct translation *t, uint32_t stack)
{
	const struct merge_places *all = t->opts->places;
	uint32_t id = all ? all->of_stack[stack] : 0;

	return id ? &all->places[id - 1] : NULL;
}

static uint32_t anchor_of(const struct translation *t, uint32_t stack)
{
	const struct merge_place *place = place_of(t, stack);

	return place ? place->anchor : stack;
}

static int translate_stacks(struct translation *t)
{
	uint32_t n = profile__n_stacks(t->from), location, parent;

	/* 1 marks a node that somebody needs; it gives way to the id, which is 1 only where that is the id */
	for (uint32_t i = 0; i < profile__n_samples(t->from); i++) {
		const struct sample *s = profile__get_sample(t->from, i);

		if (!is_left_behind(t, s))
			t->stacks[anchor_of(t, s->stack)] = 1;
	}
	for (uint32_t id = n; id > 0; id--) {
		if (t->stacks[id])
			t->stacks[stack_table__node(&t->from->stacks, id)->parent] = 1;
	}
	t->stacks[0] = 0;
	for (uint32_t id = 1; id <= n; id++) {
		int err;

		if (!t->stacks[id])
			continue;
		profile__get_stack_node(t->from, id, &location, &parent);
		err = location_of(t, location, &location);
		if (!err)
			err = profile__stack_push(t->into, t->stacks[parent], location, &t->stacks[id]);
		if (err)
			return err;
	}
	return 0;
}

static int labels_of(struct translation *t, uint32_t id, uint32_t *ret_id)
{
	struct label out[PROFILE_LABELS_MAX];
	const struct label *labels;
	uint32_t n, n_out = 0;
	int err = 0;

	if (!t->label_sets[id] && (id || t->extra.key)) {
		labels = profile__get_labels(t->from, id, &n);
		for (uint32_t i = 0; !err && i < n; i++) {
			struct label *l = &out[n_out];

			if (t->opts->drop && t->opts->drop(t->from, id, &labels[i], t->opts->drop_ctx))
				continue;
			*l = labels[i];
			err = string_of(t, l->key, &l->key);
			if (!err)
				err = string_of(t, l->str, &l->str);
			if (!err)
				err = string_of(t, l->num_unit, &l->num_unit);
			n_out += l->key != t->extra.key;
		}
		if (!err && t->extra.key) {
			if (n_out == PROFILE_LABELS_MAX)
				return -E2BIG;
			out[n_out++] = t->extra;
		}
		if (!err)
			err = profile__labels(t->into, out, n_out, &t->label_sets[id]);
		if (err)
			return err;
	}
	*ret_id = t->label_sets[id];
	return 0;
}

/* As opts say; what a division leaves over goes on to the next sample. */
static int64_t value_of(struct translation *t, uint32_t column, int64_t value)
{
	const struct profile_merge_opts *opts = t->opts;
	__int128 scaled;

	if (opts->scale_den) {
		scaled = (__int128)value * opts->scale_num + t->left_over[column];
		t->left_over[column] = (int64_t)(scaled % (__int128)opts->scale_den);
		scaled /= (__int128)opts->scale_den;
		value = scaled > INT64_MAX ? INT64_MAX : scaled < INT64_MIN ? INT64_MIN : (int64_t)scaled;
	}
	return opts->negate ? saturated_negate(value) : value;
}

static bool takes_in_more(const struct translation *t, uint32_t stack)
{
	const struct location *l =
		profile__get_location(t->from, stack_table__node(&t->from->stacks, stack)->item);
	uint32_t name_id = t->opts->places->name_id;

	return name_id && l->n_lines == 1 &&
	       profile__get_function(t->from, profile__lines(t->from, l)->function)->name == name_id;
}

static int push_name(struct translation *t, uint32_t leaf, uint32_t *stack)
{
	struct function f = {0};
	struct line line = {0};
	uint32_t mapping, location;
	int err = profile__string(t->into, t->opts->places->name, &f.name);

	if (!err)
		err = profile__function(t->into, &f, &line.function);
	if (!err)
		err = mapping_of(t, profile__get_location(t->from, leaf)->mapping, &mapping);
	if (!err)
		err = profile__location(t->into, mapping, 0, false, &line, 1, &location);
	return err ? err : profile__stack_push(t->into, *stack, location, stack);
}

/* The stack of into that takes the samples of a place. */
static int heir_of(struct translation *t, const struct merge_place *place, uint32_t *ret_stack)
{
	uint32_t *heir = &t->heirs[place - t->opts->places->places];
	uint32_t stack = t->stacks[place->anchor], location;
	int err = 0;

	if (!*heir) {
		if (!takes_in_more(t, place->anchor))
			err = push_name(t, place->leaf, &stack);
		if (!err && place->is_named)
			err = location_of(t, place->leaf, &location);
		if (!err && place->is_named)
			err = profile__stack_push(t->into, stack, location, &stack);
		if (err)
			return err;
		*heir = stack;
	}
	*ret_stack = *heir;
	return 0;
}

static int translate_samples(struct translation *t)
{
	for (uint32_t i = 0; i < profile__n_samples(t->from); i++) {
		const struct sample *s = profile__get_sample(t->from, i);
		const struct merge_place *place;
		int64_t values[PROFILE_VALUES_MAX] = {0};
		uint32_t labels, stack;
		int err;

		if (is_left_behind(t, s))
			continue;
		place = place_of(t, s->stack);
		stack = t->stacks[s->stack];
		for (uint32_t v = 0; v < t->from->n_types; v++)
			values[t->columns[v]] = value_of(t, t->columns[v], s->values[v]);
		err = labels_of(t, s->labels, &labels);
		if (!err && place)
			err = heir_of(t, place, &stack);
		if (!err)
			err = profile__add(t->into, stack, labels, values);
		if (err)
			return err;
	}
	return 0;
}

/* Which column of `into` each column of `from` is. */
static int match_types(struct translation *t)
{
	struct profile *into = t->into;
	const struct profile *from = t->from;
	uint32_t used = 0;

	for (uint32_t i = 0, have = into->n_types; !have && i < from->n_types; i++) {
		int err = profile__add_type(into, profile__str(from, from->types[i].type),
					    profile__str(from, from->types[i].unit));

		if (err)
			return err;
	}
	if (into->n_types != from->n_types)
		return -EINVAL;
	for (uint32_t i = 0; i < from->n_types; i++) {
		uint32_t type, unit, v;
		int err = string_of(t, from->types[i].type, &type);

		if (!err)
			err = string_of(t, from->types[i].unit, &unit);
		if (err)
			return err;
		for (v = 0; v < into->n_types; v++) {
			if (!(used & 1u << v) && into->types[v].type == type && into->types[v].unit == unit)
				break;
		}
		if (v == into->n_types)
			return -EINVAL;
		used |= 1u << v;
		t->columns[i] = v;
	}
	return 0;
}

static void merge_times(struct profile_meta *into, const struct profile_meta *from)
{
	int64_t sum, end, from_end;

	if (__builtin_add_overflow(into->duration_ns, from->duration_ns, &sum))
		sum = INT64_MAX;
	if (into->time_ns <= 0 || from->time_ns <= 0 ||
	    __builtin_add_overflow(into->time_ns, into->duration_ns, &end) ||
	    __builtin_add_overflow(from->time_ns, from->duration_ns, &from_end)) {
		/* one of them does not say when: there is only the sum */
		into->duration_ns = sum;
		if (into->time_ns <= 0)
			into->time_ns = from->time_ns;
		return;
	}
	if (from->time_ns < into->time_ns)
		into->time_ns = from->time_ns;
	if (from_end > end)
		end = from_end;
	into->duration_ns = sum < end - into->time_ns ? sum : end - into->time_ns;
}

static int merge_meta(struct translation *t)
{
	struct profile_meta *into = &t->into->meta;
	const struct profile_meta *from = &t->from->meta;
	struct {
		uint32_t *into, from;
	} texts[] = {
		{&into->default_type, from->default_type},
		{&into->doc_url, from->doc_url},
		{&into->drop_frames, from->drop_frames},
		{&into->keep_frames, from->keep_frames},
	};
	int err;

	merge_times(into, from);
	if (!into->period_type.type && !into->period_type.unit) {
		err = string_of(t, from->period_type.type, &into->period_type.type);
		if (!err)
			err = string_of(t, from->period_type.unit, &into->period_type.unit);
		if (err)
			return err;
	}
	if (from->period > into->period)
		into->period = from->period;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		err = *texts[i].into ? 0 : string_of(t, texts[i].from, texts[i].into);
		if (err)
			return err;
	}
	return 0;
}

/* "lost <reason>: <n>", or "doubt …", whatever follows n after a blank: the length up to the number, the number and the rest. */
static bool parse_loss(const char *comment, size_t *ret_head, uint64_t *ret_n, const char **ret_rest)
{
	/* the text behind the number may have more of them, and be as long as a file that was made to hurt */
	const char *colon = memchr(comment, ':', strnlen(comment, MERGE_REASON_MAX));
	char *end;

	if ((strncmp(comment, "lost ", 5) && strncmp(comment, "doubt ", 6)) || !colon || colon[1] != ' ' ||
	    colon[2] < '0' || colon[2] > '9')
		return false;
	*ret_n = strtoull(colon + 2, &end, 10);
	if (*end && *end != ' ')
		return false;
	*ret_head = (size_t)(colon + 2 - comment);
	*ret_rest = end;
	return true;
}

/* Adds a loss to the comment of the same reason; false where there is none yet. */
static int add_loss(struct profile *into, const char *comment, bool *ret_done)
{
	uint64_t n, sum, have;
	size_t head, have_head;
	const char *rest, *have_rest;

	*ret_done = false;
	if (!parse_loss(comment, &head, &n, &rest))
		return 0;
	for (uint32_t i = 0; i < into->comments.n; i++) {
		uint32_t *id = table__at(&into->comments, i);
		const char *text = profile__str(into, *id);
		char *added;
		int err;

		if (!parse_loss(text, &have_head, &have, &have_rest) || have_head != head ||
		    memcmp(text, comment, head) || strcmp(rest, have_rest))
			continue;
		if (__builtin_add_overflow(n, have, &sum))
			sum = UINT64_MAX;
		if (asprintf(&added, "%.*s%" PRIu64 "%s", (int)head, comment, sum, rest) < 0)
			return -ENOMEM;
		err = profile__string(into, added, id);
		free(added);
		*ret_done = !err;
		return err;
	}
	return 0;
}

static int merge_comments(struct translation *t)
{
	struct profile *into = t->into;

	for (uint32_t i = 0; i < profile__n_comments(t->from); i++) {
		const char *comment = profile__get_comment(t->from, i);
		uint32_t id, at;
		bool done;
		int err = add_loss(into, comment, &done);

		if (err)
			return err;
		if (done || into->comments.n >= MERGE_COMMENTS_MAX)
			continue;
		err = profile__string(into, comment, &id);
		if (err)
			return err;
		for (at = 0; at < into->comments.n && *(uint32_t *)table__at(&into->comments, at) != id;)
			at++;
		if (at == into->comments.n)
			err = table__push(&into->comments, &id, profile__room(into));
		profile__account(into);
		if (err)
			return err;
	}
	return 0;
}

static int translation__init(struct translation *t)
{
	const struct {
		uint32_t **ids, n;
	} columns[] = {
		{&t->strings, profile__n_strings(t->from)},
		{&t->mappings, profile__n_mappings(t->from) + 1},
		{&t->functions, profile__n_functions(t->from) + 1},
		{&t->locations, profile__n_locations(t->from) + 1},
		{&t->stacks, profile__n_stacks(t->from) + 1},
		{&t->label_sets, profile__n_label_sets(t->from) + 1},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		*columns[i].ids = calloc(columns[i].n, sizeof(uint32_t));
		if (!*columns[i].ids)
			return -ENOMEM;
	}
	if (t->opts->places) {
		t->heirs = calloc((size_t)t->opts->places->n + 1, sizeof(*t->heirs));
		if (!t->heirs)
			return -ENOMEM;
	}
	if (!t->opts->keep && !t->opts->without_label)
		return 0;
	t->verdicts = calloc((size_t)profile__n_label_sets(t->from) + 1, 1);
	return t->verdicts ? 0 : -ENOMEM;
}

static void translation__done(struct translation *t)
{
	free(t->strings);
	free(t->mappings);
	free(t->functions);
	free(t->locations);
	free(t->stacks);
	free(t->label_sets);
	free(t->verdicts);
	free(t->heirs);
}

int profile__merge_as(struct profile *into, const struct profile *from, const struct profile_merge_opts *opts)
{
	struct translation t = {.into = into, .from = from, .opts = opts};
	int err;

	if (into->sealed)
		return -EROFS;
	err = translation__init(&t);
	if (err)
		goto out;
	if (opts->label_key) {
		err = profile__string(into, opts->label_key, &t.extra.key);
		if (!err)
			err = profile__string(into, opts->label_value, &t.extra.str);
		if (err)
			goto out;
	}
	err = match_types(&t);
	if (!err)
		err = merge_meta(&t);
	if (!err)
		err = merge_comments(&t);
	if (!err)
		err = translate_stacks(&t);
	if (!err)
		err = translate_samples(&t);
out:
	translation__done(&t);
	return err;
}

int profile__merge(struct profile *into, const struct profile *from)
{
	return profile__merge_as(into, from, &(struct profile_merge_opts){0});
}
