/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/pprof_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/profile.h"

#define STACKS_MAX 20000
#define DUMP_MAX   100000
#define GO_ROOT    "runtime.goexit" /* below it stands the function with the go statement */

static void print_stack(const struct profile *p, const struct sample *s, uint32_t type, bool with_labels,
			struct buf *b)
{
	uint32_t locations[PROFILE_DEPTH_MAX], n_labels,
		n = profile__get_stack(p, s->stack, locations, PROFILE_DEPTH_MAX);
	const struct label *labels = profile__get_labels(p, s->labels, &n_labels);

	buf__printf(b, "%" PRId64 " @", s->values[type]);
	for (uint32_t i = 0; i < n; i++)
		buf__printf(b, " 0x%" PRIx64, profile__get_location(p, locations[i])->address);
	buf__append_char(b, '\n');
	for (uint32_t i = 0; with_labels && i < n_labels; i++) {
		buf__printf(b, "%s%s=", i ? " " : "# ", profile__str(p, labels[i].key));
		if (labels[i].str)
			buf__append_str(b, profile__str(p, labels[i].str));
		else
			buf__printf(b, "%" PRId64, labels[i].num);
		if (i + 1 == n_labels)
			buf__append_char(b, '\n');
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct location *l = profile__get_location(p, locations[i]);

		for (uint32_t j = 0; j < l->n_lines; j++) {
			const struct line *line = &profile__lines(p, l)[j];
			const struct function *f = profile__get_function(p, line->function);

			buf__printf(b, "#\t0x%" PRIx64 "\t%s\t%s:%" PRId64 "\n", l->address,
				    profile__str(p, f->name), profile__str(p, f->filename), line->line);
		}
	}
	buf__append_char(b, '\n');
}

struct text_order {
	const struct profile *p;
	uint32_t type;
};

static int compare_samples(const void *a, const void *b, void *ctx)
{
	const struct text_order *o = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int64_t x = profile__get_sample(o->p, i)->values[o->type],
		y = profile__get_sample(o->p, j)->values[o->type];

	return x != y ? (x > y ? -1 : 1) : (i > j) - (i < j);
}

/* A count has no unit there: its readers want the number alone. */
static void print_total(struct buf *b, const char *name, int64_t total, const char *unit)
{
	bool is_count = !strcmp(unit, "count");

	buf__printf(b, "%s profile: total %" PRId64 "%s%s\n", name, total, is_count ? "" : " ",
		    is_count ? "" : unit);
}

/* Samples in that order, the caller's; sets what is compared. */
static int sort_samples(const struct profile *p, int (*compare)(const void *a, const void *b, void *ctx),
			struct text_order *o, uint32_t **ret_order)
{
	uint32_t n = profile__n_samples(p), *order = malloc(((size_t)n + 1) * sizeof(*order));
	int err;

	*o = (struct text_order){.p = p};
	err = order ? profile__find_type(p, NULL, &o->type) : -ENOMEM;
	for (uint32_t i = 0; !err && i < n; i++)
		order[i] = i;
	if (!err && n)
		qsort_r(order, n, sizeof(*order), compare, o);
	if (err)
		free(order);
	else
		*ret_order = order;
	return err;
}

int pprof_text__print(const struct profile *p, const char *name, bool with_labels, struct buf *b)
{
	uint32_t n = profile__n_samples(p), *order;
	struct text_order o;
	int64_t total = 0;
	int err = sort_samples(p, compare_samples, &o, &order);

	if (err)
		return err;
	for (uint32_t i = 0; i < n; i++)
		total += profile__get_sample(p, i)->values[o.type];
	print_total(b, name, total, profile__str(p, profile__type(p, o.type).unit));
	for (uint32_t i = 0; i < n && i < STACKS_MAX; i++)
		print_stack(p, profile__get_sample(p, order[i]), o.type, with_labels, b);
	if (n > STACKS_MAX)
		buf__printf(b, "# and %u more\n", n - STACKS_MAX);
	free(order);
	return buf__err(b);
}

/* -- dumps -- */

static const char *label_of(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l && l->str ? profile__str(p, l->str) : NULL;
}

/* What is outside of the profile (arguments, offsets) is left out as Go leaves it out of inlined functions. */
static void print_frame(const struct profile *p, const struct line *line, bool is_creator, struct buf *b)
{
	const struct function *f = profile__get_function(p, line->function);
	const char *name = profile__str(p, f->name), *file = profile__str(p, f->filename);

	buf__printf(b, is_creator ? "created by %s\n\t%s:%" PRId64 "\n" : "%s(...)\n\t%s:%" PRId64 "\n", name,
		    *file ? file : "?", line->line);
}

static void print_block(const struct profile *p, const struct sample *s, uint64_t number, bool is_go,
			struct buf *b)
{
	uint32_t locations[PROFILE_DEPTH_MAX],
		n = profile__get_stack(p, s->stack, locations, PROFILE_DEPTH_MAX);
	const char *wait = label_of(p, s, "wait"), *state = label_of(p, s, "state");
	const struct label *tid = profile__find_label(p, s->labels, "tid");
	bool is_creator = false;

	buf__printf(b, "%s %" PRIu64 " [%s]:\n", is_go ? "goroutine" : "thread",
		    tid ? (uint64_t)tid->num : number,
		    wait    ? wait
		    : state ? state
			    : "unknown");
	for (uint32_t i = 0; i < n; i++) {
		const struct location *l = profile__get_location(p, locations[i]);

		for (uint32_t j = 0; j < l->n_lines; j++) {
			const struct line *line = &profile__lines(p, l)[j];

			if (!strcmp(profile__str(p, profile__get_function(p, line->function)->name), GO_ROOT))
				is_creator = true;
			else
				print_frame(p, line, is_creator, b);
		}
	}
	buf__append_char(b, '\n');
}

static int64_t pid_of(const struct profile *p, uint32_t sample)
{
	const struct label *pid = profile__find_label(p, profile__get_sample(p, sample)->labels, "pid");

	return pid ? pid->num : 0;
}

static int compare_processes(const void *a, const void *b, void *ctx)
{
	const struct text_order *o = ctx;
	int64_t x = pid_of(o->p, *(const uint32_t *)a), y = pid_of(o->p, *(const uint32_t *)b);

	return x != y ? (x < y ? -1 : 1) : compare_samples(a, b, ctx);
}

int pprof_text__dump(const struct profile *p, struct buf *b)
{
	uint32_t n = profile__n_samples(p), *order;
	struct text_order o;
	uint64_t number = 0, left_out = 0;
	int err = sort_samples(p, compare_processes, &o, &order);
	bool is_go, is_one;

	if (err)
		return err;
	is_go = !strcmp(profile__str(p, profile__type(p, o.type).type), "goroutines");
	is_one = !n || pid_of(p, order[0]) == pid_of(p, order[n - 1]);
	for (uint32_t i = 0; i < n; i++) {
		const struct sample *s = profile__get_sample(p, order[i]);
		const char *process = label_of(p, s, "process");

		/* readers of dumps pass over lines that they do not know */
		if (!is_one && (!i || pid_of(p, order[i]) != pid_of(p, order[i - 1])))
			buf__printf(b, "# pid %" PRId64 " %s\n\n", pid_of(p, order[i]),
				    process ? process : "");
		for (int64_t j = 0; j < s->values[o.type]; j++) {
			if (number < DUMP_MAX && !buf__err(b))
				print_block(p, s, ++number, is_go, b);
			else
				left_out++;
		}
	}
	if (left_out)
		buf__printf(b, "# and %" PRIu64 " more\n", left_out);
	free(order);
	return buf__err(b);
}
